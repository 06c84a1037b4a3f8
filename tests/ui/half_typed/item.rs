use cancel_guarded::cancel_guarded;

#[cancel_guarded]
async fn

fn main() {}
