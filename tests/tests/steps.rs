//! Steps that must not be cut in two: what a `#[shielded]` step protects, what it does not, and that
//! a cancelled start does nothing more after it.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use cancel_guarded::{
    CancellationToken, FailureKind, Lifecycle, StartError, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{CANCELLED, Log, TestError, now};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

use Lifecycle::{Failed, Running, Starting, Stopped, Stopping};

type Steps = Log<&'static str>;

/// A machine whose update must not stop half-way.
#[derive(Clone, Debug, Default)]
struct Machine {
    state: StateCell,
    disk: Steps,
}

impl Machine {
    async fn update(&self, written: oneshot::Receiver<()>) -> Result<(), StartError> {
        self.disk.push("old removed");
        let _ = written.await;
        self.disk.push("new written");
        Ok(())
    }

    /// Updates, and then waits for its peers.
    #[cancel_guarded(state = self.state)]
    async fn start(
        &self,
        shutdown: CancellationToken,
        written: oneshot::Receiver<()>,
    ) -> Result<(), StartError> {
        #[shielded]
        self.update(written).await?;
        pending::<()>().await;
        Ok(())
    }

    /// The update is a task of its own, so that a drop of the start does not end it.
    #[cancel_guarded(state = self.state)]
    async fn start_with_a_task(
        &self,
        shutdown: CancellationToken,
        written: oneshot::Receiver<()>,
    ) -> Result<(), StartError> {
        let machine = self.clone();
        #[shielded]
        tokio::spawn(async move { machine.update(written).await })
            .await
            .expect("no panic")?;
        pending::<()>().await;
        Ok(())
    }
}

type End = fn(&StateCell, &CancellationToken);

/// Ways to end a start, and the kind of failure that it leaves.
const ENDS: [(End, FailureKind); 6] = [
    (|_, token| token.cancel(), FailureKind::Cancelled),
    (
        |cell, _| cell.token().expect("it starts").cancel(),
        FailureKind::Cancelled,
    ),
    (
        |cell, _| assert!(cell.request_stop()),
        FailureKind::Cancelled,
    ),
    (
        |cell, _| assert_pending!(task::spawn(cell.stop()).poll()),
        FailureKind::Cancelled,
    ),
    (|cell, _| cell.abort(), FailureKind::Cancelled),
    (
        |cell, _| assert!(cell.fail("not needed any more")),
        FailureKind::Error,
    ),
];

/// The start ends after the step, whatever ended it.
#[test]
fn a_shielded_step_runs_to_its_end() {
    for (end, kind) in ENDS {
        let (machine, token) = (Machine::default(), CancellationToken::new());
        let (write, written) = oneshot::channel();
        let mut start = task::spawn(machine.start(token.clone(), written));
        assert_pending!(start.poll());
        end(&machine.state, &token);
        assert_pending!(start.poll(), "it is not interrupted");
        assert_eq!(machine.state.state(), Starting);
        write.send(()).expect("it listens");
        assert!(start.is_woken());
        assert!(start.poll().is_ready(), "it ends right after the step");
        assert_eq!(machine.disk.all(), ["old removed", "new written"]);
        assert_eq!(machine.state.state(), Failed);
        let failure = machine.state.failure().expect("a cause");
        assert_eq!(failure.kind(), kind);
    }
}

/// A future that is dropped cannot go on. `tokio::time::timeout` drops.
#[test]
fn a_drop_of_the_start_cuts_a_shielded_step() {
    let machine = Machine::default();
    let (_write, written) = oneshot::channel();
    let mut start = task::spawn(machine.start(CancellationToken::new(), written));
    assert_pending!(start.poll());
    drop(start);
    assert_eq!(machine.disk.all(), ["old removed"]);
    assert_eq!(machine.state.state(), Failed);
}

#[tokio::test(start_paused = true)]
async fn a_step_in_a_task_survives_a_drop_of_the_start() {
    let machine = Machine::default();
    let (write, written) = oneshot::channel();
    let start = machine.start_with_a_task(CancellationToken::new(), written);
    let timeout = tokio::time::timeout(Duration::from_secs(30), start).await;
    timeout.expect_err("it takes for ever");
    assert_eq!(machine.disk.all(), ["old removed"]);
    write.send(()).expect("it still listens");
    tokio::task::yield_now().await;
    assert_eq!(machine.disk.all(), ["old removed", "new written"]);
}

/// A limit that asks, instead of one that drops: the step ends, and the cause says what happened.
#[tokio::test(start_paused = true)]
async fn a_time_limit_that_respects_a_shielded_step() {
    let machine = Machine::default();
    let (write, written) = oneshot::channel();
    tokio::spawn(async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        write.send(()).expect("it listens");
    });
    let mut start = std::pin::pin!(machine.start(CancellationToken::new(), written));
    let in_time = tokio::time::timeout(Duration::from_secs(30), &mut start).await;
    in_time.expect_err("it takes for ever");
    assert!(machine.state.fail("not up within 30 s"));
    let refused = start.await.expect_err("it is too late");
    assert_eq!(refused.to_string(), "start refused: not up within 30 s");
    assert_eq!(machine.disk.all(), ["old removed", "new written"]);
}

/// A start with steps that end at once, and with one that does not.
struct Announcer {
    state: StateCell,
    log: Steps,
}

impl Announcer {
    fn new() -> Self {
        Self {
            state: StateCell::new(),
            log: Log::default(),
        }
    }

    async fn migrate(&self, done: oneshot::Receiver<()>) -> Result<(), TestError> {
        self.log.push("migrate");
        done.await.map_err(|_| TestError::Own("closed"))
    }

    async fn step(&self, name: &'static str) -> Result<(), TestError> {
        self.log.push(name);
        ready(Ok(())).await
    }

    /// Its first step may be interrupted.
    #[cancel_guarded(state = self.state)]
    async fn unshielded(
        &self,
        shutdown: CancellationToken,
        done: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        self.migrate(done).await?;
        self.log.push("announce");
        self.step("connect").await
    }

    /// An await comes after the shielded step.
    #[cancel_guarded(state = self.state)]
    async fn then_an_await(
        &self,
        shutdown: CancellationToken,
        done: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        #[shielded]
        self.migrate(done).await?;
        self.log.push("announce");
        self.step("connect").await
    }

    /// Another shielded step comes after it.
    #[cancel_guarded(state = self.state)]
    async fn then_a_shielded_step(
        &self,
        shutdown: CancellationToken,
        done: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        #[shielded]
        self.migrate(done).await?;
        #[shielded]
        self.step("second migration").await?;
        self.step("connect").await
    }

    /// Many shielded steps, one after the other.
    #[cancel_guarded(state = self.state)]
    async fn many_times(
        &self,
        shutdown: CancellationToken,
        done: oneshot::Receiver<()>,
    ) -> Result<(), TestError> {
        let mut done = Some(done);
        for name in ["first", "second", "third"] {
            #[shielded]
            {
                self.step(name).await?;
                if let Some(done) = done.take() {
                    self.migrate(done).await?;
                }
            }
        }
        Ok(())
    }
}

#[test]
fn nothing_follows_an_interrupted_step() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (_end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.unshielded(token.clone(), done));
    assert_pending!(start.poll());
    token.cancel();
    assert_ready_eq!(start.poll(), Err(CANCELLED));
    assert_eq!(announcer.log.all(), ["migrate"]);
}

/// An operation that is ready at once proves nothing, so what follows is not begun.
#[test]
fn nothing_follows_a_step_that_was_ready_anyway() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.unshielded(token.clone(), done));
    assert_pending!(start.poll());
    end.send(()).expect("it listens");
    token.cancel();
    assert_ready_eq!(start.poll(), Err(CANCELLED));
    assert_eq!(announcer.log.all(), ["migrate"]);
}

/// The step is not checked when it has ended, so the code up to the next await runs. That await is
/// not begun.
#[test]
fn no_await_follows_a_shielded_step_of_a_cancelled_start() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.then_an_await(token.clone(), done));
    assert_pending!(start.poll());
    token.cancel();
    assert_pending!(start.poll());
    end.send(()).expect("it listens");
    assert_ready_eq!(start.poll(), Err(CANCELLED));
    assert_eq!(announcer.log.all(), ["migrate", "announce"]);
}

#[test]
fn no_shielded_step_follows_one_of_a_cancelled_start() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.then_a_shielded_step(token.clone(), done));
    assert_pending!(start.poll());
    token.cancel();
    end.send(()).expect("it listens");
    assert_ready_eq!(start.poll(), Err(CANCELLED));
    assert_eq!(announcer.log.all(), ["migrate"]);
}

#[test]
fn a_loop_of_shielded_steps_ends_with_the_one_under_way() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.many_times(token.clone(), done));
    assert_pending!(start.poll());
    token.cancel();
    end.send(()).expect("it listens");
    assert_ready_eq!(start.poll(), Err(CANCELLED));
    assert_eq!(announcer.log.all(), ["first", "migrate"]);
}

/// A step that fails in a cancelled start has failed: its error is returned, and is the cause.
#[test]
fn an_error_of_a_shielded_step_wins_over_the_cancellation() {
    let (announcer, token) = (Announcer::new(), CancellationToken::new());
    let (end, done) = oneshot::channel();
    let mut start = task::spawn(announcer.then_an_await(token.clone(), done));
    assert_pending!(start.poll());
    token.cancel();
    drop(end);
    assert_ready_eq!(start.poll(), Err(TestError::Own("closed")));
    let failure = announcer.state.failure().expect("a cause");
    assert_eq!(failure.kind(), FailureKind::Error);
    assert!(failure.was_told_to_end());
}

/// The token is cancelled while the body works between two awaits. The next operation would take
/// effect at its first poll.
#[test]
fn no_operation_is_begun_in_a_cancelled_start() {
    #[cancel_guarded(state = cell)]
    async fn start(
        cell: &StateCell,
        shutdown: CancellationToken,
        parse: impl FnOnce(),
        log: &Steps,
    ) -> Result<(), TestError> {
        parse();
        announce(log).await;
        Ok(())
    }

    #[cancel_guarded(state = cell)]
    async fn start_shielded(
        cell: &StateCell,
        shutdown: CancellationToken,
        parse: impl FnOnce(),
        log: &Steps,
    ) -> Result<(), TestError> {
        parse();
        #[shielded]
        announce(log).await;
        Ok(())
    }

    async fn announce(log: &Steps) {
        log.push("announced");
        ready(()).await;
    }

    for is_shielded in [false, true] {
        let (cell, token, log) = (StateCell::new(), CancellationToken::new(), Log::default());
        let parse = || {
            let cancel = || {
                token.cancel();
                log.push("cancel() has returned");
            };
            std::thread::scope(|scope| scope.spawn(cancel).join().expect("no panic"));
        };
        let refused = if is_shielded {
            now(start_shielded(&cell, token.clone(), parse, &log))
        } else {
            now(start(&cell, token.clone(), parse, &log))
        };
        assert_eq!(refused, Err(CANCELLED));
        assert_eq!(log.all(), ["cancel() has returned"]);
        assert_eq!(cell.state(), Failed);
    }
}

/// Reads frames from a peer: a length, and as many bytes.
struct Reader {
    state: StateCell,
    peer: Mutex<DuplexStream>,
}

impl Reader {
    /// Returns the first frame.
    #[cancel_guarded(state = self.state, restart)]
    async fn start(&self, shutdown: CancellationToken) -> io::Result<Vec<u8>> {
        #[shielded]
        let first = frame(&mut *self.peer.lock().await).await?;
        Ok(first)
    }
}

async fn frame(peer: &mut DuplexStream) -> io::Result<Vec<u8>> {
    let length = peer.read_u8().await?;
    let mut bytes = vec![0; length.into()];
    peer.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn send(peer: &mut DuplexStream, bytes: &[u8]) {
    now(peer.write_all(bytes)).expect("it has room");
}

/// A reader that is cancelled in the middle of a frame reads on to its end. So a restart finds the
/// next frame, and not the rest of the first.
#[test]
fn a_frame_is_not_read_by_halves() {
    let (mut peer, stream) = duplex(64);
    let reader = Reader {
        state: StateCell::new(),
        peer: Mutex::new(stream),
    };
    let token = CancellationToken::new();
    send(&mut peer, &[3, b'a']);
    let mut start = task::spawn(reader.start(token.clone()));
    assert_pending!(start.poll());
    token.cancel();
    assert_pending!(start.poll());
    send(&mut peer, &[b'b', b'c', 2, b'd', b'e']);
    assert!(start.is_woken());
    let refused = assert_ready!(start.poll());
    refused.expect_err("it was cancelled");
    let next = now(reader.start(CancellationToken::new()));
    assert_eq!(next.expect("it starts"), b"de");
}

/// Takes messages from a queue and delivers them.
struct Mailer {
    state: StateCell,
    sent: Log<u32>,
}

impl Mailer {
    async fn deliver(&self, message: u32, sent: &mut mpsc::Receiver<()>) {
        let _ = sent.recv().await;
        self.sent.push(message);
    }

    /// Only the wait for a message ends with the token. A message that was taken is delivered.
    #[cancel_guarded(run, state = self.state)]
    async fn run(
        &self,
        shutdown: CancellationToken,
        mut queue: mpsc::Receiver<u32>,
        mut sent: mpsc::Receiver<()>,
    ) -> Result<(), StartError> {
        while let Some(Some(message)) = shutdown.run_until_cancelled(queue.recv()).await {
            self.deliver(message, &mut sent).await;
        }
        queue.close();
        while let Some(message) = queue.recv().await {
            self.deliver(message, &mut sent).await;
        }
        Ok(())
    }
}

#[test]
fn a_run_delivers_what_it_has_taken() {
    let mailer = Mailer {
        state: StateCell::new(),
        sent: Log::default(),
    };
    let (messages, queue) = mpsc::channel(8);
    let (sent, on_sent) = mpsc::channel(8);
    for message in 1..=3 {
        messages.try_send(message).expect("it has room");
    }
    let mut run = task::spawn(mailer.run(CancellationToken::new(), queue, on_sent));
    assert_pending!(run.poll());
    assert_eq!(mailer.state.state(), Running);
    let mut stop = task::spawn(mailer.state.stop());
    assert_pending!(stop.poll());
    assert_pending!(run.poll(), "it delivers the first");
    assert_eq!(mailer.state.state(), Stopping);
    for _ in 1..=3 {
        sent.try_send(()).expect("it has room");
    }
    assert_ready_ok!(run.poll());
    assert_ready_ok!(stop.poll());
    assert_eq!(mailer.sent.all(), [1, 2, 3]);
    assert_eq!(mailer.state.state(), Stopped);
}

/// `running()` misses no publication, so it is also `Ok` for a service that has stopped since. A task
/// that announces the service reads the cell after it.
#[test]
fn ready_is_told_only_of_a_service_that_runs() {
    async fn tell_ready(running: impl Future<Output = bool>, cell: &StateCell, log: &Steps) {
        if running.await && cell.is_running() {
            log.push("READY=1");
        }
    }

    #[cancel_guarded(state = cell)]
    async fn start(cell: &StateCell, shutdown: CancellationToken) -> Result<(), StartError> {
        ready(()).await;
        Ok(())
    }

    for is_cancelled in [false, true] {
        let (cell, token, log) = (StateCell::new(), CancellationToken::new(), Log::default());
        let running = cell.running();
        let up = async { running.await.is_ok() };
        let mut teller = task::spawn(tell_ready(up, &cell, &log));
        assert_pending!(teller.poll());
        now(start(&cell, token.clone())).expect("starts");
        if is_cancelled {
            token.cancel();
        }
        assert_ready_eq!(teller.poll(), ());
        assert_eq!(log.all().is_empty(), is_cancelled);
    }
}

/// A served future is begun by the publication, and finds its token cancelled if that came first.
#[test]
fn a_served_future_tells_ready_in_time() {
    #[cancel_guarded(state = cell)]
    async fn start(
        cell: &StateCell,
        shutdown: CancellationToken,
        log: Arc<Steps>,
    ) -> Result<cancel_guarded::Served<Lifecycle, impl Future<Output = ()> + use<>>, StartError>
    {
        Ok(cell.serve(async move {
            if !shutdown.is_cancelled() {
                log.push("READY=1");
            }
            shutdown.cancelled().await;
        }))
    }

    for is_cancelled in [false, true] {
        let (cell, token, log) = (StateCell::new(), CancellationToken::new(), Arc::default());
        let served = now(start(&cell, token.clone(), Arc::clone(&log))).expect("starts");
        if is_cancelled {
            token.cancel();
        }
        let mut served = task::spawn(served);
        assert_eq!(served.poll().is_ready(), is_cancelled);
        assert_eq!(log.all().is_empty(), is_cancelled);
    }
}
