use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
struct Service {
    state: StateCell,
}
impl Service {
    /// Binds the port.
    ///
    /// # Cancellation
    ///
    /// Guarded by `shutdown`. If that is cancelled before this has succeeded, the start is refused (`StartError::Cancelled`). It goes no further than the point where it waits, and all that it has made is dropped.
    ///
    /// - `self.state` moves from `INITIAL`, `STOPPED` or `FAILED` through `STARTING` to `RUNNING`, or to `FAILED` if the start is refused, fails, panics or is dropped. In any other state the start is refused (`StartError::NotStartable`), and nothing is touched.
    /// - If it is cancelled later, the service reads `STOPPING` before the cancelling call has returned.
    async fn start(&mut self, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state);
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt
            .start_owned(shutdown)
            .restart()
            .refusing::<Option<u16>>();
        __start
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                Some(80)
            })
            .await
    }
}
pub fn run() {
    let mut service = Service { state: StateCell::new() };
    assert!(service.state.request_stop());
    assert_eq!(now(service.start(CancellationToken::new())), Some(80));
}
