//! Steps that are not interrupted, and a time limit that respects them.

use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use tokio::time::sleep;

#[derive(Default)]
struct Updater {
    state: StateCell,
    disk: Mutex<Vec<&'static str>>,
}

impl Updater {
    async fn replace(&self) -> io::Result<()> {
        self.disk.lock().unwrap().push("old removed");
        sleep(Duration::from_secs(1)).await;
        self.disk.lock().unwrap().push("new written");
        Ok(())
    }

    async fn check(&self) -> io::Result<()> {
        sleep(Duration::from_secs(3600)).await;
        Ok(())
    }

    #[cancel_guarded(state = self.state)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<()> {
        #[shielded]
        self.replace().await?; // runs to its end
        self.check().await // is not begun in a cancelled start
    }

    async fn start_within(&self, limit: Duration, shutdown: CancellationToken) -> io::Result<()> {
        let mut start = pin!(self.start(shutdown));
        tokio::select! {
            started = &mut start => return started,
            () = sleep(limit) => {}
        }
        self.state.fail(format!("not up within {limit:?}"));
        start.await // ends after the shielded step
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_start_ends_after_the_step() {
    let (updater, shutdown) = (Updater::default(), CancellationToken::new());
    let cancel = async { shutdown.cancel() };
    let (started, ()) = tokio::join!(biased; updater.start(shutdown.clone()), cancel);
    started.unwrap_err();
    assert_eq!(
        *updater.disk.lock().unwrap(),
        ["old removed", "new written"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_cuts_the_step() {
    let updater = Updater::default();
    let start = updater.start(CancellationToken::new());
    tokio::time::timeout(Duration::from_millis(500), start)
        .await
        .unwrap_err();
    assert_eq!(*updater.disk.lock().unwrap(), ["old removed"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_tells_the_start_does_not_cut_the_step() {
    let updater = Updater::default();
    let start = updater.start_within(Duration::from_millis(500), CancellationToken::new());
    let error = start.await.unwrap_err();
    assert_eq!(error.to_string(), "start refused: not up within 500ms");
    assert_eq!(
        *updater.disk.lock().unwrap(),
        ["old removed", "new written"]
    );
}
