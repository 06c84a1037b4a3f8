//! What the two services do when things go wrong.

use std::fmt::Debug;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cancel_guarded::{CancellationToken, FailureKind};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::database::Database;
use crate::front::Front;
use crate::phase::Phase;
use crate::supervisor::{Policy, keep_up};

const POLICY: Policy = Policy {
    give_up_at: 100,
    pause: Duration::from_millis(10),
    longest_pause: Duration::from_millis(100),
    stable_after: Duration::from_secs(1),
};

pub(crate) async fn tour() -> anyhow::Result<()> {
    let tour = timeout(Duration::from_secs(30), stages());
    tour.await.context("timed out")?
}

async fn stages() -> anyhow::Result<()> {
    let parent = tempfile::tempdir()?;
    let folder = parent.path().join("database");
    fs::create_dir(&folder)?;
    fs::write(folder.join("names"), "ada=1815\ngrace=1906\n")?;

    cancelled_in_migration(&folder).await?;
    supervised(&folder).await
}

async fn cancelled_in_migration(folder: &Path) -> anyhow::Result<()> {
    println!("1. Start the database on files of version 1, and cancel while it migrates them");
    let database = Database::new(folder);
    let shutdown = CancellationToken::new();
    let cancel = async {
        database.state.wait_for(|it| it == Phase::Migrating).await;
        println!("   cancel()");
        shutdown.cancel();
    };
    // `biased`, so that `wait_for` is polled after each poll of the start and misses no state.
    let (started, ()) = tokio::join!(biased; database.start(shutdown.clone()), cancel);
    check("started", started.is_ok(), false)?;
    check("state", database.state.state(), Phase::Failed)?;
    let cause = database.state.failure().map(|failure| failure.kind());
    check("cause", cause, Some(FailureKind::Cancelled))?;
    check("files", files(folder)?, ["journal", "snapshot"])
}

async fn supervised(folder: &Path) -> anyhow::Result<()> {
    println!("2. Start both under supervision, the front first");
    let database = Arc::new(Database::new(folder));
    let addr = free_port()?;
    let front = Arc::new(Front::new(&database, addr));
    let (stop_front, stop_database) = (CancellationToken::new(), CancellationToken::new());
    let front_kept_up = tokio::spawn({
        let (front, shutdown) = (Arc::clone(&front), stop_front.clone());
        async move {
            let start = |shutdown| front.start(shutdown);
            keep_up(&front.state, POLICY, &shutdown, start).await
        }
    });
    front.state.wait_for(|it| it == Phase::Loading).await;
    check("front", front.state.state(), Phase::Loading)?;
    check(
        "is the port open",
        ask(addr, "get ada").await.is_ok(),
        false,
    )?;

    let front_is_up = front.state.running();
    let database_kept_up = tokio::spawn({
        let (database, shutdown) = (Arc::clone(&database), stop_database.clone());
        async move {
            let start = |shutdown| database.start(shutdown);
            keep_up(&database.state, POLICY, &shutdown, start).await
        }
    });
    front_is_up.await?;
    check("front", front.state.state(), Phase::Serving)?;
    check("database", database.state.state(), Phase::Serving)?;
    check("get ada", ask(addr, "get ada").await?, "1815")?;
    check("set alan 1912", ask(addr, "set alan 1912").await?, "ok")?;

    println!("3. Move its folder away while the database is serving");
    let away = folder.with_extension("away");
    fs::rename(folder, &away)?;
    let reply = ask(addr, "set edsger 1930").await;
    check("is it set", reply.is_ok_and(|it| it == "ok"), false)?;
    database.state.wait_for(|it| it == Phase::Failed).await;
    front.state.wait_for(|it| it != Phase::Serving).await;
    let cause = database.state.failure().map(|failure| failure.kind());
    check("database failed by", cause, Some(FailureKind::Error))?;

    println!("4. Put it back, and wait");
    fs::rename(&away, folder)?;
    front.state.wait_for(|it| it == Phase::Serving).await;
    check("front", front.state.state(), Phase::Serving)?;
    check("get alan", ask(addr, "get alan").await?, "1912")?;
    check("get edsger", ask(addr, "get edsger").await?, "")?;

    println!("5. Stop the front, and then the database");
    // The cell keeps this request, so the supervisor does not start the front again.
    front.state.stop().await?;
    front_kept_up.await??;
    check("front", front.state.state(), Phase::Stopped)?;
    check("database", database.state.state(), Phase::Serving)?;
    stop_database.cancel();
    database_kept_up.await??;
    check("database", database.state.state(), Phase::Stopped)
}

async fn ask(addr: SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut front = BufReader::new(TcpStream::connect(addr).await?);
    front.write_all(format!("{request}\n").as_bytes()).await?;
    let mut reply = String::new();
    front.read_line(&mut reply).await?;
    Ok(reply.trim_end().to_owned())
}

fn free_port() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

fn files(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Prints `observed`, and fails if it differs from `expected`.
#[expect(clippy::needless_pass_by_value, reason = "the calls are shorter")]
fn check<T: Debug + PartialEq<U>, U: Debug>(
    what: &str,
    observed: T,
    expected: U,
) -> anyhow::Result<()> {
    println!("   {what}: {observed:?}");
    ensure!(observed == expected, "{what}: expected {expected:?}");
    Ok(())
}
