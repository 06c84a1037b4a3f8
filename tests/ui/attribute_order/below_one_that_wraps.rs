use cancel_guarded::{CancellationToken, cancel_guarded};

async fn bind() {}

// What `#[async_backtrace::framed]` makes of an `async fn`.
#[cancel_guarded]
async fn start(shutdown: CancellationToken) {
    ::tokio::task::unconstrained(async move {
        bind().await;
    })
    .await
}

fn main() {}
