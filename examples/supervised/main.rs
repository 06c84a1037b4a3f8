//! Two services under supervision: a database that migrates its files, and a front that needs it.
//!
//! ```text
//! cargo run --example supervised
//! ```
//!
//! - `phase.rs`: states of one's own, with `#[derive(State)]`: loading, migrating, serving ..
//! - `database.rs`: a start that may be repeated (`restart`), with a step that is not interrupted
//!   (`#[shielded]`).
//! - `front.rs`: a start that waits until the database is running, and that fails with it.
//! - `supervisor.rs`: starts a service again when it has failed, after a pause, and not for ever.
//!
//! The tour cancels the database while it migrates, starts both in the wrong order, pulls the
//! folder from under the database, puts it back, and stops them in the right order. Every
//! observation that is printed is checked, and the first that is not as it should be ends the run
//! with a failure.

mod database;
mod files;
mod front;
mod phase;
mod supervisor;
mod tour;

use tracing::Level;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_target(false)
        .without_time()
        .init();
    tour::tour().await?;
    println!("All as it should be.");
    Ok(())
}
