use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(state: &StateCell, shutdown: &CancellationToken) -> Option<()> {
    let __attempt = &::cancel_guarded::__private::attempt(&state);
    let __start = __attempt
        .start_with_child(&shutdown)
        .shielded()
        .refusing::<Option<()>>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Option<()>,
            > {
                return __ret;
            }
            let shutdown = &__attempt.child(shutdown);
            __attempt.store(Lifecycle::Running);
            shutdown.run_until_cancelled(work()).await
        })
        .await
}
async fn work() {}
pub fn run() {
    let state = StateCell::new();
    assert_eq!(now(start(& state, & CancellationToken::new())), Some(()));
    assert_eq!(state.state(), Lifecycle::Stopped);
}
