use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};

struct Service {
    state: StateCell,
    jobs: Vec<u64>,
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> Result<(), StartError> {
        for job in &self.jobs {
            work_off(job, &shutdown).await;
        }
        Ok(())
    }
}

async fn work_off(_: &u64, _: &CancellationToken) {}

fn main() {}
