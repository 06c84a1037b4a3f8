use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
trait Service {
    fn state(&self) -> &StateCell;
    async fn start(&self, shutdown: CancellationToken) -> Option<u16> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state());
        let __options = __start.guard_by(&shutdown);
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
impl Service for StateCell {
    fn state(&self) -> &StateCell {
        self
    }
}
pub fn run() {
    assert_eq!(now(StateCell::new().start(CancellationToken::new())), Some(80));
}
