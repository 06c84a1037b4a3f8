//! Cancels both starts at each point at which that can happen.

mod database;
mod files;
mod front;
mod phase;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use cancel_guarded::CancellationToken;
use cancel_guarded::testing::sweep;
use tempfile::TempDir;

use crate::database::Database;
use crate::front::Front;

/// A folder of version 1.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("names"), "ada=1815\n").expect("a file");
    folder
}

#[tokio::test]
async fn the_database() {
    let report = sweep(|shutdown| {
        let folder = folder();
        let database = Arc::new(Database::new(folder.path()));
        let state = database.state.clone();
        // Returned, because the database ends when its last handle is dropped.
        (Arc::clone(&database), state, async move {
            let started = database.start(shutdown).await;
            drop(folder);
            started
        })
    })
    .await;
    // Threads read the files, so the number of its further waits varies.
    assert!(
        report.points() >= 1,
        "it yields while it migrates:\n{report}"
    );
    assert!(report.successes() >= 1, "{report}");
}

#[tokio::test]
async fn the_front() {
    let report = sweep(|shutdown| {
        let folder = folder();
        let database = Arc::new(Database::new(folder.path()));
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let front = Front::new(&database, any_port);
        // This task runs when the front waits for the database.
        tokio::spawn(async move {
            let started = database.start(CancellationToken::new()).await;
            drop(folder);
            started
        });
        (
            front.state.clone(),
            async move { front.start(shutdown).await },
        )
    })
    .await;
    assert_eq!(
        (report.points(), report.successes()),
        (1, 1),
        "it waits for the database:\n{report}"
    );
}
