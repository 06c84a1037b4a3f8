use std::sync::Arc;

use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;

#[cancel_guarded]
async fn by_value(shutdown: CancellationToken) {
    cancel(&shutdown);
}

#[cancel_guarded]
async fn by_mutable_value(mut shutdown: CancellationToken) {
    cancel(&shutdown);
    shutdown = CancellationToken::new();
    cancel(&shutdown);
}

#[cancel_guarded]
async fn by_reference(shutdown: &CancellationToken) {
    cancel(shutdown);
}

#[cancel_guarded]
async fn shared(shutdown: Arc<CancellationToken>) {
    cancel(&shutdown);
}

#[cancel_guarded]
async fn optional(shutdown: Option<CancellationToken>) {
    shutdown.iter().for_each(cancel);
}

#[cancel_guarded]
async fn optional_reference(shutdown: Option<&CancellationToken>) {
    shutdown.into_iter().for_each(cancel);
}

#[cancel_guarded]
async fn not_named_by_the_body(shutdown: CancellationToken) {}

#[cancel_guarded]
async fn without_a_name(_: CancellationToken) {}

fn cancel(shutdown: &CancellationToken) {
    shutdown.cancel();
}

pub fn run() {
    let token = CancellationToken::new();
    now(by_value(token.clone()));
    now(by_mutable_value(token.clone()));
    now(by_reference(&token));
    now(shared(Arc::new(token.clone())));
    now(optional(Some(token.clone())));
    now(optional_reference(Some(&token)));
    now(not_named_by_the_body(token.clone()));
    now(without_a_name(token.clone()));
    assert!(!token.is_cancelled(), "what the bodies cancel is a child");
}
