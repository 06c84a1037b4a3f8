use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(state: &StateCell, shutdown: &CancellationToken) -> Option<()> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::start(&state);
    let __options = __start.guard_by_child(&shutdown).shielded();
    let __on_refused = __cancel_guarded::on_refused_default::<Option<()>>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<()>,
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let shutdown = &__start.child(shutdown);
                work().await;
                shutdown.run_until_cancelled(work()).await
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn work() {}
pub fn run() {
    let state = StateCell::new();
    assert_eq!(now(start(& state, & CancellationToken::new())), Some(()));
    assert_eq!(state.state(), Lifecycle::Running);
}
