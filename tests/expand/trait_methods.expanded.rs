use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::now;
trait Service {
    fn state(&self) -> &StateCell;
    async fn start(&self, shutdown: CancellationToken) -> Option<u16> {
        let __cell = ::cancel_guarded::__private::cell(&self.state());
        let __attempt = &::cancel_guarded::__private::attempt(&__cell);
        let __start = __attempt.start_owned(shutdown).refusing::<Option<u16>>();
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
impl Service for StateCell {
    fn state(&self) -> &StateCell {
        self
    }
}
pub fn run() {
    assert_eq!(now(StateCell::new().start(CancellationToken::new())), Some(80));
}
