use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;

struct Config {
    port: u16,
    host: String,
}

struct Limits {
    low: u16,
    high: u16,
}

#[cancel_guarded]
async fn start<'a, T>(
    mut backlog: u32,
    name: &'a str,
    (first, mut second): (T, String),
    Config { port, .. }: Config,
    Limits { low, mut high }: Limits,
    _: Config,
    #[cfg(any())] absent: u8,
    _shutdown: CancellationToken,
) -> Option<(u32, &'a str, T, String, u16)> {
    backlog += 1;
    second.push('!');
    high -= low;
    Some((backlog, name, first, second, port + high))
}

pub fn run() {
    let config = || Config {
        port: 80,
        host: "localhost".to_owned(),
    };
    assert_eq!(config().host, "localhost");
    let pair = (7, "second".to_owned());
    let started = start(
        1,
        "name",
        pair,
        config(),
        Limits { low: 1, high: 2 },
        config(),
        CancellationToken::new(),
    );
    let expected = (2, "name", 7, "second!".to_owned(), 81);
    assert_eq!(now(started), Some(expected));
}
