use cancel_guarded::cancel_guarded;

#[cancel_guarded(token = self.shutdown)]
async fn start(port: u16) {}

fn main() {}
