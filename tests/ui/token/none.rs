use cancel_guarded::cancel_guarded;

#[cancel_guarded]
async fn start(port: u16) {}

fn main() {}
