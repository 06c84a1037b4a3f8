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
                __cancel_guarded::checked(
                        __start,
                        bind(__cancel_guarded::checked(__start, bind(1)).await?),
                    )
                    .await?;
                tokio::try_join!(bind(2), bind(3))?;
                __cancel_guarded::checkpoint(__start).await;
                let (left, right) = tokio::join!(bind(4), bind(5));
                __cancel_guarded::checkpoint(__start).await;
                let mut port = left? + right?;
                while port < 80 {
                    __cancel_guarded::checkpoint(__start).await;
                    tokio::select! {
                        more = bind(port) => port += more ?,
                    }
                    __cancel_guarded::checkpoint(__start).await;
                }
                __cancel_guarded::checkpoint(__start).await;
                for _ in 0..2 {
                    drop(__cancel_guarded::checked(__start, bind(6)).await);
                }
                let later = async { bind(7).await };
                let closure = || async { bind(8).await };
                if let Ok(9) = __cancel_guarded::checked(__start, bind(9)).await {
                    drop(__cancel_guarded::checked(__start, later).await);
                } else {
                    drop(__cancel_guarded::checked(__start, closure()).await);
                }
                __cancel_guarded::checked(__start, bind(port)).await
            },
        )
        .await;
    match () {
        #[allow(clippy::implicit_return)]
        () => __output,
    }
}
async fn bind(port: u16) -> Result<u16, StartError> {
    Ok(port)
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(144));
}
