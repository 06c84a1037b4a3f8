#![deny(warnings)]

use cancel_guarded::{CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded};
use cancel_guarded_tests::now;

async fn bind() {}

#[cancel_guarded]
async fn quiet(_shutdown: CancellationToken) {}

#[cancel_guarded(on_refused = |_| Answer(0))]
async fn number(shutdown: CancellationToken) -> Answer {
    bind().await;
    Answer(1)
}

#[derive(Debug, PartialEq)]
struct Answer(u16);

impl cancel_guarded::Outcome for Answer {
    fn failure(&self) -> Option<cancel_guarded::Failure> {
        None
    }
}

#[cancel_guarded(state = state)]
async fn until_cancelled(state: StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
    bind().await;
    state.store(Lifecycle::Running);
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = bind() => {}
    }
    Ok(())
}

#[cancel_guarded(shielded)]
async fn alone(shutdown: &CancellationToken) -> Option<()> {
    shutdown.run_until_cancelled(bind()).await
}

#[cancel_guarded]
async fn in_parts<T>(shutdown: Option<CancellationToken>, value: T) -> Option<T>
where
    T: Send,
{
    #[shielded]
    bind().await;
    #[shielded]
    {
        bind().await;
    }
    #[shielded]
    let () = bind().await;
    Some(value)
}

#[cancel_guarded]
async fn never(_: CancellationToken) {
    todo!()
}

fn main() {
    let token = CancellationToken::new;
    now(quiet(token()));
    assert_eq!(now(until_cancelled(StateCell::new(), token())), Ok(()));
    assert_eq!(now(alone(&token())), Some(()));
    assert_eq!(now(in_parts(None, 7)), Some(7));
    assert_eq!(now(number(token())), Answer(1));
    drop(never(token()));
}
