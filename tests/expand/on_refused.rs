use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded(on_refused = |error| Err(error.to_string()))]
async fn by_closure(shutdown: CancellationToken) -> Result<u16, String> {
    Ok(80)
}

#[cancel_guarded(on_refused = refused)]
async fn by_function(shutdown: CancellationToken) -> Result<u16, String> {
    Ok(80)
}

fn refused(error: StartError) -> Result<u16, String> {
    Err(error.to_string())
}

pub fn run() {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let refused = Err(StartError::Cancelled.to_string());
    assert_eq!(now(by_closure(shutdown.clone())), refused);
    assert_eq!(now(by_function(shutdown)), refused);
}
