use std::net::{Ipv4Addr, SocketAddr};
use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
use tokio::net::TcpListener;
pub struct Server {
    state: StateCell,
    addr: SocketAddr,
}
impl Server {
    pub async fn start(
        &self,
        shutdown: CancellationToken,
    ) -> Result<SocketAddr, ServerError> {
        use ::cancel_guarded::__private as __cancel_guarded;
        let __start = &__cancel_guarded::start(&self.state);
        let __options = __start.guard_by_child(&shutdown);
        let __on_refused = __cancel_guarded::on_refused_default::<
            Result<SocketAddr, ServerError>,
        >();
        let __output = __options
            .drive(
                __on_refused,
                async move {
                    if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<
                        Result<SocketAddr, ServerError>,
                    > {
                        return __ret;
                    }
                    #[allow(
                        clippy::shadow_reuse,
                        clippy::shadow_same,
                        clippy::shadow_unrelated,
                        clippy::pattern_type_mismatch
                    )]
                    let shutdown = __start.child(shutdown);
                    let listener = __cancel_guarded::checked(
                            __start,
                            TcpListener::bind(self.addr),
                        )
                        .await?;
                    let local = listener.local_addr()?;
                    tokio::spawn(self.state.serve(accept_loop(listener, shutdown)));
                    Ok(local)
                },
            )
            .await;
        match () {
            #[allow(clippy::implicit_return)]
            () => __output,
        }
    }
}
async fn accept_loop(_: TcpListener, shutdown: CancellationToken) {
    shutdown.cancelled().await;
}
#[derive(Debug)]
pub enum ServerError {
    Refused(StartError),
    Io(std::io::Error),
}
impl From<StartError> for ServerError {
    fn from(error: StartError) -> Self {
        Self::Refused(error)
    }
}
impl From<std::io::Error> for ServerError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}
pub fn run() {
    let server = Server {
        state: StateCell::new(),
        addr: (Ipv4Addr::LOCALHOST, 0).into(),
    };
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let refused = cancel_guarded_tests::now(server.start(shutdown));
    assert!(matches!(refused, Err(ServerError::Refused(StartError::Cancelled))));
}
