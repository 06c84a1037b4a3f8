use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    use ::cancel_guarded::__private as __cancel_guarded;
    let __start = &__cancel_guarded::stateless();
    let __options = __start.guard_by(&shutdown);
    let __on_refused = __cancel_guarded::on_refused_default::<Result<u16, StartError>>();
    let __output = __options
        .drive(
            __on_refused,
            async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                    Result<u16, StartError>,
                > {
                    return __ret;
                }
                let _ = &shutdown;
                let mut port = 0;
                let __shield = __cancel_guarded::shield(__start).await;
                let lease = acquire().await?;
                ::core::mem::drop(__shield);
                {
                    let __shield = __cancel_guarded::shield(__start).await;
                    {
                        acquire().await?;
                    }
                }
                {
                    let __shield = __cancel_guarded::shield(__start).await;
                    port = acquire().await?;
                }
                __cancel_guarded::checked(__start, acquire()).await?;
                {
                    let __shield = __cancel_guarded::shield(__start).await;
                    match lease {
                        0 => Ok(0),
                        _ => acquire().await.map(|lease| lease + port),
                    }
                }
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn acquire() -> Result<u16, StartError> {
    Ok(40)
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
