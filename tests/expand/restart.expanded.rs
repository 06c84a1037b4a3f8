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
    /// This function returns when the service is up. If `shutdown` is cancelled before that, the start is refused: the function returns `None`. The start ends at the point where it waits, and what it has created is dropped.
    ///
    /// - The service goes from [`INITIAL`](cancel_guarded::State::INITIAL), [`STOPPED`](cancel_guarded::State::STOPPED) or [`FAILED`](cancel_guarded::State::FAILED) through [`STARTING`](cancel_guarded::State::STARTING) to [`RUNNING`](cancel_guarded::State::RUNNING). If the start is refused, fails, panics or is dropped, the service ends in [`FAILED`](cancel_guarded::State::FAILED).
    /// - In any other state the call changes nothing, and is refused ([`StartError::NotStartable`](cancel_guarded::StartError::NotStartable)). So is the start of a service that was told to stop ([`StartError::StopRequested`](cancel_guarded::StartError::StopRequested)).
    /// - If `shutdown` is cancelled while the service is up, the service is [`STOPPING`](cancel_guarded::State::STOPPING) before the cancelling call returns.
    async fn start(&mut self, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&shutdown).restart();
        let __on_refused = __cancel_guarded::on_refused_default::<Option<u16>>();
        let __output = __options
            .drive(
                __on_refused,
                async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Option<u16>,
                    > {
                        return __ret;
                    }
                    let _ = &shutdown;
                    Some(80)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
}
pub fn run() {
    let mut service = Service { state: StateCell::new() };
    assert!(service.state.request_stop());
    assert_eq!(now(service.start(CancellationToken::new())), None);
    assert!(service.state.rearm());
    assert_eq!(now(service.start(CancellationToken::new())), Some(80));
}
