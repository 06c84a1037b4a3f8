use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::now;
struct Config {
    port: u16,
    host: String,
}
async fn start<'a, T>(
    backlog: u32,
    name: &'a str,
    (first, second): (T, String),
    __arg3: Config,
    __arg4: Config,
    #[cfg(any())]
    absent: u8,
    _shutdown: CancellationToken,
) -> Option<(u32, &'a str, T, String, u16)> {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt
        .start_owned(_shutdown)
        .refusing::<Option<(u32, &'a str, T, String, u16)>>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Option<(u32, &'a str, T, String, u16)>,
            > {
                return __ret;
            }
            let mut backlog = backlog;
            let first = first;
            let mut second = second;
            let __arg3 = __arg3;
            let Config { port, .. } = __arg3;
            let __arg4 = __arg4;
            #[cfg(any())]
            let absent = absent;
            backlog += 1;
            second.push('!');
            Some((backlog, name, first, second, port))
        })
        .await
}
pub fn run() {
    let config = || Config {
        port: 80,
        host: "localhost".to_owned(),
    };
    assert_eq!(config().host, "localhost");
    let pair = (7, "second".to_owned());
    let started = start(1, "name", pair, config(), config(), CancellationToken::new());
    let expected = (2, "name", 7, "second!".to_owned(), 80);
    assert_eq!(now(started), Some(expected));
}
