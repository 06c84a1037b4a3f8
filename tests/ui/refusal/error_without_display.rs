use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[derive(Debug)]
enum ServerError {
    Refused(StartError),
}

impl From<StartError> for ServerError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}

#[cancel_guarded]
async fn start(shutdown: CancellationToken) -> Result<u16, ServerError> {
    Ok(80)
}

fn main() {}
