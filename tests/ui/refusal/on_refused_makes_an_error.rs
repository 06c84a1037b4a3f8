use cancel_guarded::{CancellationToken, StartError, cancel_guarded};

#[derive(Debug)]
enum Error {
    Refused(StartError),
    Other(&'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cancel_guarded(on_refused = Error::Refused)]
async fn start(_shutdown: CancellationToken) -> Result<(), Error> {
    Ok(())
}

fn main() {}
