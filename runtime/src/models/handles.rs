//! The last handle of a cell goes while its token wakes it. loom does not know the `Arc` of the
//! cell, which is std's: it explores how the handles are counted.

use std::future::pending;
use std::sync::Arc;

use super::harness::*;
use crate::CancellationToken;

#[test]
fn drop_of_the_last_handle_and_cancel() {
    let outcomes = [
        "dropped in Running",
        "dropped in Stopped",
        "dropped in Stopping",
    ];
    model("drop of the last handle ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        start_service(&cell, &token);
        let dropping = thread::spawn({
            let seen = seen.clone();
            move || {
                let state = cell.state();
                drop(cell);
                seen.saw(format_args!("dropped in {state:?}"));
            }
        });
        token.cancel();
        dropping.join().expect("no panic");
    });
}

/// Two handles are dropped at once: one of them is the last.
#[test]
fn drop_of_two_handles_and_cancel() {
    bounded(3, "drop ∥ drop ∥ cancel", &["dropped"], |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        start_service(&cell, &token);
        let dropping = [cell.clone(), cell].map(|cell| thread::spawn(move || drop(cell)));
        token.cancel();
        for thread in dropping {
            thread.join().expect("no panic");
        }
        seen.saw("dropped");
    });
}

/// The same while a future is still served, whose loss ends the service.
#[test]
fn drop_of_everything_and_cancel() {
    let outcomes = ["dropped in Running", "dropped in Stopping"];
    bounded(5, "drop of everything ∥ cancel", &outcomes, |seen| {
        let cell = new_cell();
        let token = CancellationToken::new();
        let part = Arc::new(());
        let served = start_with(&cell, &token, || {
            let _own = cell.token();
            let part = Arc::clone(&part);
            cell.serve(async move {
                let _ = &part;
                pending::<()>().await;
            })
        });
        let dropping = thread::spawn({
            let seen = seen.clone();
            move || {
                seen.saw(format_args!("dropped in {:?}", cell.state()));
                drop((cell, served));
            }
        });
        token.cancel();
        dropping.join().expect("no panic");
        assert_eq!(Arc::strong_count(&part), 1, "the future is gone");
    });
}
