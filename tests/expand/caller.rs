use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded(caller = everything)]
async fn by_value(shutdown: CancellationToken) -> Option<bool> {
    everything.cancel();
    Some(shutdown.is_cancelled())
}

#[cancel_guarded(caller = everything)]
async fn by_reference(shutdown: &CancellationToken) -> Option<CancellationToken> {
    drop(shutdown.child_token());
    Some(everything.clone())
}

pub fn run() {
    let token = CancellationToken::new();
    assert!(now(by_reference(&token)).is_some_and(|caller| !caller.is_cancelled()));
    assert_eq!(now(by_value(token.clone())), None);
    assert!(token.is_cancelled());
}
