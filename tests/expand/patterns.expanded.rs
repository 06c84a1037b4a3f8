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
async fn start<'a, T>(
    backlog: u32,
    name: &'a str,
    (first, second): (T, String),
    __arg3: Config,
    Limits { low, high }: Limits,
    #[cfg(doc)]
    _: Config,
    #[cfg(not(doc))]
    __arg5: Config,
    #[cfg(any())]
    absent: u8,
    _shutdown: CancellationToken,
) -> Option<(u32, &'a str, T, String, u16)> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&_shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<
        Option<(u32, &'a str, T, String, u16)>,
    >();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Option<(u32, &'a str, T, String, u16)>,
                > {
                    return __ret;
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let mut backlog = backlog;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let first = first;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let mut second = second;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let __arg3 = __arg3;
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let Config { port, .. } = __arg3;
                struct __Field_low<T> {
                    low: T,
                }
                struct __Field_high<T> {
                    high: T,
                }
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let __Field_low { low } = __Field_low { low };
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let __Field_high { mut high } = __Field_high { high };
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let __arg5 = __arg5;
                #[cfg(any())]
                #[allow(
                    clippy::shadow_reuse,
                    clippy::shadow_same,
                    clippy::shadow_unrelated,
                    clippy::pattern_type_mismatch
                )]
                let absent = absent;
                let _ = &_shutdown;
                backlog += 1;
                second.push('!');
                high -= low;
                Some((backlog, name, first, second, port + high))
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
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
