use cancel_guarded as guard;
use cancel_guarded::CancellationToken;
use cancel_guarded_tests::now;

#[guard::cancel_guarded(crate = guard)]
async fn start(shutdown: CancellationToken) -> Option<u16> {
    Some(bind().await)
}

async fn bind() -> u16 {
    80
}

pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Some(80));
}
