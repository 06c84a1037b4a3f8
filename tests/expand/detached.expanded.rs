use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(state: &StateCell, _shutdown: CancellationToken) -> Option<()> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::start(&state);
    let __options = __start.guard_by(&_shutdown);
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
                let _ = &_shutdown;
                spawn_telemetry();
                let _telemetry = spawn_telemetry();
                Some(())
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
fn spawn_telemetry() -> u32 {
    7
}
pub fn run() {
    let started = now(start(&StateCell::new(), CancellationToken::new()));
    assert_eq!(started, Some(()));
}
