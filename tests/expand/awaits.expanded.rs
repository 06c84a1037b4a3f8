use cancel_guarded::{CancellationToken, StartError, cancel_guarded};
use cancel_guarded_tests::now;
async fn start(shutdown: CancellationToken) -> Result<u16, StartError> {
    let __cell = ::cancel_guarded::__private::unpublished();
    let __attempt = &::cancel_guarded::__private::attempt(&__cell);
    let __start = __attempt.start_owned(shutdown).refusing::<Result<u16, StartError>>();
    __start
        .run(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                Result<u16, StartError>,
            > {
                return __ret;
            }
            ::cancel_guarded::__private::watch(
                    __attempt,
                    bind(::cancel_guarded::__private::watch(__attempt, bind(1)).await?),
                )
                .await?;
            tokio::try_join!(bind(2), bind(3))?;
            #[allow(unreachable_code)]
            ::cancel_guarded::__private::checkpoint(__attempt).await;
            let (left, right) = tokio::join!(bind(4), bind(5));
            #[allow(unreachable_code)]
            ::cancel_guarded::__private::checkpoint(__attempt).await;
            let mut port = left? + right?;
            while port < 80 {
                tokio::select! {
                    more = bind(port) => port += more ?,
                }
                #[allow(unreachable_code)]
                ::cancel_guarded::__private::checkpoint(__attempt).await;
            }
            for _ in 0..2 {
                drop(::cancel_guarded::__private::watch(__attempt, bind(6)).await);
            }
            let later = async { bind(7).await };
            let closure = || async { bind(8).await };
            if let Ok(9) = ::cancel_guarded::__private::watch(__attempt, bind(9)).await {
                drop(::cancel_guarded::__private::watch(__attempt, later).await);
            } else {
                drop(::cancel_guarded::__private::watch(__attempt, closure()).await);
            }
            ::cancel_guarded::__private::watch(__attempt, bind(port)).await
        })
        .await
}
async fn bind(port: u16) -> Result<u16, StartError> {
    Ok(port)
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(144));
}
