//! Two services under supervision: a database that migrates its files, and a front that needs the database.
//!
//! ```text
//! cargo run --example supervised
//! ```
//!
//! - `phase.rs`: states of your own, with `#[derive(State)]`.
//! - `database.rs`: a start that may run again (`restart`), with a step that is not interrupted
//!   (`#[shielded]`).
//! - `front.rs`: a service that needs another one: its start waits for the database, and it fails
//!   when the database ends.
//! - `supervisor.rs`: a loop over `start`, with a back-off and an end.
//!
//! The tour checks every observation that it prints, and fails at the first that is wrong.

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
    println!("All as expected.");
    Ok(())
}
