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
            let mut port = 0;
            let __shield = __attempt.shield();
            let lease = acquire().await?;
            #[allow(unreachable_code)] ::core::mem::drop(__shield);
            {
                let __shield = __attempt.shield();
                {
                    acquire().await?;
                }
            }
            let __shield = __attempt.shield();
            port = acquire().await?;
            #[allow(unreachable_code)] ::core::mem::drop(__shield);
            ::cancel_guarded::__private::watch(__attempt, acquire()).await?;
            {
                let __shield = __attempt.shield();
                match lease {
                    0 => Ok(0),
                    _ => acquire().await.map(|lease| lease + port),
                }
            }
        })
        .await
}
async fn acquire() -> Result<u16, StartError> {
    Ok(40)
}
pub fn run() {
    assert_eq!(now(start(CancellationToken::new())), Ok(80));
}
