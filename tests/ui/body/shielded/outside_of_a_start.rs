async fn register() {}

async fn start() {
    #[shielded]
    register().await;
}

fn main() {}
