use std::sync::Arc;
use cancel_guarded::{
    CancellationToken, Lifecycle, StartError, StateCell, cancel_guarded,
};
#[derive(Default)]
struct Service {
    state: StateCell,
    port: u16,
}
impl Service {
    fn start(&self, shutdown: CancellationToken) -> Result<u16, StartError> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown);
        let __on_refused = __cancel_guarded::on_refused_default::<
            Result<u16, StartError>,
        >();
        let __output = __options
            .drive_sync(
                __on_refused,
                move || {
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    if shutdown.is_cancelled() {
                        return Ok(0);
                    }
                    Ok(self.port)
                },
            );
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    fn start_mutably(
        &mut self,
        _shutdown: &CancellationToken,
    ) -> Result<&mut u16, StartError> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&_shutdown);
        let __on_refused = __cancel_guarded::on_refused_default::<
            Result<&mut u16, StartError>,
        >();
        let __output = __options
            .drive_sync(
                __on_refused,
                move || {
                    self.port += 1;
                    Ok(&mut self.port)
                },
            );
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    fn start_shared(self: Arc<Self>, _shutdown: CancellationToken) -> Option<Arc<Self>> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by(&_shutdown);
        let __on_refused = __cancel_guarded::on_refused_default::<Option<Arc<Self>>>();
        let __output = __options
            .drive_sync(
                __on_refused,
                move || {
                    let _ = &self;
                    let _ = &_shutdown;
                    Some(self)
                },
            );
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
    fn run_to_its_end(&self, shutdown: CancellationToken) {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown).run_published();
        let __on_refused = __cancel_guarded::on_refused_default::<()>();
        let __output = __options
            .drive_sync(
                __on_refused,
                move || {
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    while !shutdown.is_cancelled() {
                        self.state.request_stop();
                    }
                },
            );
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
}
pub fn run() {
    let token = CancellationToken::new();
    assert_eq!(Service::default().start(token.clone()), Ok(0));
    assert_eq!(Service::default().start_mutably(& token), Ok(& mut 1));
    let shared = Arc::new(Service::default()).start_shared(token.clone());
    assert!(shared.is_some_and(| service | service.state.is_running()));
    let service = Service::default();
    service.run_to_its_end(token.clone());
    assert_eq!(service.state.state(), Lifecycle::Stopped);
    token.cancel();
    assert_eq!(Service::default().start(token), Err(StartError::Cancelled));
}
