//! Starts a service again: after a failure, by hand, and after a stop.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
use tokio::time::{Instant, sleep};

#[derive(Default)]
struct Poller {
    state: StateCell,
    starts: AtomicU32,
}

impl Poller {
    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        self.starts.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(self.state.serve(shutdown.cancelled_owned()));
        Ok(())
    }
}

async fn keep_up(poller: &Poller, shutdown: &CancellationToken) {
    loop {
        let _ = poller.start(shutdown.clone()).await; // the cell has the error, too
        let Err(cause) = poller.state.stopped().await else {
            return; // it stopped without a failure
        };
        if shutdown.is_cancelled() || poller.state.stop_requested() {
            return;
        }
        eprintln!("starts again in a second: {cause}");
        tokio::select! {
            () = sleep(Duration::from_secs(1)) => {}
            () = shutdown.cancelled() => return,
            () = poller.state.stop_asked() => return,
        }
    }
}

async fn bounce(poller: &Poller, shutdown: &CancellationToken) -> io::Result<()> {
    if let Some(token) = poller.state.token() {
        token.cancel(); // stops the service, and sets no latch
    }
    let _ = poller.state.stopped().await;
    poller.start(shutdown.clone()).await // refused if somebody has called `stop` meanwhile
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_is_started_again_and_a_stopped_one_is_not() {
    let (poller, shutdown) = (Poller::default(), CancellationToken::new());
    let fail_and_stop = async {
        poller.state.wait_for(|it| it == Lifecycle::Running).await;
        poller.state.fail("no source");
        poller.state.stopped().await.unwrap_err();
        poller.state.wait_for(|it| it == Lifecycle::Running).await;
        poller.state.stop().await.unwrap();
    };
    tokio::join!(keep_up(&poller, &shutdown), fail_and_stop);
    assert_eq!(poller.starts.load(Ordering::Relaxed), 2);
    assert_eq!(poller.state.state(), Lifecycle::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_pause_ends_it() {
    let (poller, shutdown) = (Poller::default(), CancellationToken::new());
    let begun = Instant::now();
    let fail_and_stop = async {
        poller.state.wait_for(|it| it == Lifecycle::Running).await;
        poller.state.fail("no source");
        sleep(Duration::from_millis(100)).await; // the loop is in its pause
        poller.state.request_stop();
    };
    tokio::join!(keep_up(&poller, &shutdown), fail_and_stop);
    assert_eq!(poller.starts.load(Ordering::Relaxed), 1);
    assert_eq!(begun.elapsed().as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_in_the_pause_ends_it() {
    let (poller, shutdown) = (Poller::default(), CancellationToken::new());
    let begun = Instant::now();
    let fail_and_cancel = async {
        poller.state.wait_for(|it| it == Lifecycle::Running).await;
        poller.state.fail("no source");
        sleep(Duration::from_millis(100)).await; // the loop is in its pause
        shutdown.cancel();
    };
    tokio::join!(keep_up(&poller, &shutdown), fail_and_cancel);
    assert_eq!(poller.starts.load(Ordering::Relaxed), 1);
    assert_eq!(begun.elapsed().as_millis(), 100);
}

#[tokio::test]
async fn a_bounce_does_not_override_a_stop() {
    let (poller, shutdown) = (Poller::default(), CancellationToken::new());
    poller.start(shutdown.clone()).await.unwrap();
    bounce(&poller, &shutdown).await.unwrap();
    assert!(poller.state.is_running());
    assert_eq!(poller.starts.load(Ordering::Relaxed), 2);

    poller.state.request_stop();
    bounce(&poller, &shutdown).await.unwrap_err();
    assert!(poller.state.rearm());
    bounce(&poller, &shutdown).await.unwrap();
}
