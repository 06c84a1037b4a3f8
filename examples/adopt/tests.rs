//! What the table tells, asserted; and the starts after, swept.

mod drill;
mod flag;
mod notify;
mod select;
mod service;
mod shapes;
mod until_cancelled;

use cancel_guarded::testing::sweep;

#[tokio::test]
async fn late_before_and_never_after() {
    for shape in shapes::SHAPES {
        let (before, after) = shape.late();
        assert!(before > 0, "{} shows nothing", shape.name);
        assert_eq!(after, 0, "{}", shape.name);
    }
}

macro_rules! swept {
    ($($shape:ident)*) => {$(
        #[tokio::test]
        async fn $shape() {
            let report = sweep(|shutdown| {
                let server = $shape::After::default();
                let set_up = server.set_up.clone();
                // Has its turn when the start waits for it.
                tokio::spawn(async move { set_up.finish() });
                (server.state.clone(), async move { server.start(shutdown).await })
            })
            .await;
            assert_eq!((report.points(), report.successes()), (1, 1), "{report}");
        }
    )*};
}

swept!(flag notify select until_cancelled);
