use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
trait Service {
    fn state(&self) -> &StateCell;
    async fn start(&self, shutdown: CancellationToken) -> Option<u16> {
        let (__start, __attempt) = ::cancel_guarded::__private::start(
            &self.state(),
            &shutdown,
        );
        __start
            .refusing::<Option<u16>>()
            .run(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<u16>,
                > {
                    return __ret;
                }
                let _ = &shutdown;
                Some(80)
            })
            .await
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
