use cancel_guarded::{CancellationToken, cancel_guarded};

struct Name(&'static str);

#[cancel_guarded(on_refused = |refusal| Err(format!("{}: {refusal}", name.0)))]
async fn start(name: Name, _shutdown: CancellationToken) -> Result<Name, String> {
    Ok(name)
}

fn main() {}
