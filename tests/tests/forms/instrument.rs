//! `#[instrument]` below and above.

use std::fmt::{Debug, Write as _};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use async_trait::async_trait;
use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::{CANCELLED, Log, TestError, install_global_subscriber};
use tokio_test::{assert_pending, assert_ready, task};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, instrument};

use crate::harness::{Service, forms};

impl Service {
    #[cancel_guarded(state = self.state)]
    #[instrument]
    async fn below(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    #[instrument(skip_all, fields(number), ret, err)]
    async fn below_with_all(
        &self,
        number: u32,
        mut changed: String,
        (left, right): (u32, u32),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        changed.push('!');
        self.work.done().await;
        let _seen = shutdown.child_token();
        Ok(number + left + right + u32::from(changed.is_empty()))
    }

    #[instrument]
    #[cancel_guarded(state = self.state)]
    async fn above(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[tracing::instrument(level = "debug", skip(self, shutdown), ret)]
    #[cancel_guarded(state = self.state)]
    async fn above_with_ret(
        &self,
        number: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(number)
    }

    #[instrument(skip_all, err)]
    #[cancel_guarded(state = self.state)]
    async fn above_with_err(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        let _seen = shutdown.child_token();
        Ok(value)
    }

    #[instrument(
        skip(self, shutdown),
        name = "renamed",
        fields(extra = 3),
        ret,
        err(Debug)
    )]
    #[cancel_guarded(state = self.state)]
    async fn above_with_both(
        &self,
        number: u32,
        mut changed: u32,
        (left, _): (u32, String),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        changed += left;
        self.work.done().await;
        Ok(number + changed)
    }

    #[instrument(skip_all)]
    #[cancel_guarded(state = self.state)]
    async fn above_unit(&self, shutdown: CancellationToken) {
        self.work.done().await;
    }

    #[instrument(skip_all)]
    #[cancel_guarded(state = self.state)]
    async fn above_impl(&self, shutdown: CancellationToken) -> Result<impl Into<u32>, TestError> {
        Ok(u8::try_from(self.work.done().await).unwrap_or_default())
    }

    #[instrument(skip_all)]
    #[cancel_guarded(state = self.state)]
    fn above_box_pin(
        &self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<u32, TestError>> + Send + '_>> {
        Box::pin(async move {
            let value = self.work.done().await;
            assert!(!shutdown.is_cancelled(), "the body sees a live token");
            Ok(value)
        })
    }

    #[cancel_guarded(state = self.state)]
    #[instrument(skip_all)]
    fn below_box_pin(
        &self,
        shutdown: CancellationToken,
    ) -> Pin<Box<dyn Future<Output = Result<u32, TestError>> + Send + '_>> {
        Box::pin(async move { Ok(self.work.done().await) })
    }

    #[allow(clippy::unused_async)]
    #[instrument(skip_all, ret)]
    #[cancel_guarded(state = self.state)]
    #[instrument(skip_all, err)]
    async fn between(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }
}

#[async_trait]
trait Starts {
    async fn below(&self, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn above(&self, shutdown: CancellationToken) -> Result<u32, TestError>;
    async fn above_with_both(
        &self,
        number: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError>;
}

#[async_trait]
impl Starts for Service {
    #[cancel_guarded(state = self.state)]
    #[instrument(skip_all)]
    async fn below(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[instrument(skip_all)]
    #[cancel_guarded(state = self.state)]
    async fn above(&self, shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[instrument(skip(self, shutdown), ret, err)]
    #[cancel_guarded(state = self.state)]
    async fn above_with_both(
        &self,
        number: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(number)
    }
}

forms! {
    below: |service, shutdown| service.below(shutdown);
    below_with_all: |service, shutdown| service.below_with_all(0, String::new(), (3, 4), shutdown);
    above: |service, shutdown| service.above(shutdown);
    above_with_ret: |service, shutdown| service.above_with_ret(7, shutdown);
    above_with_err: |service, shutdown| service.above_with_err(shutdown);
    above_with_both: |service, shutdown| service.above_with_both(0, 3, (4, String::new()), shutdown);
    above_unit: |service, shutdown| service.above_unit(shutdown);
    above_box_pin: |service, shutdown| service.above_box_pin(shutdown);
    below_box_pin: |service, shutdown| service.below_box_pin(shutdown);
    between: |service, shutdown| service.between(shutdown);
    boxed_below: |service, shutdown| Starts::below(&service, shutdown);
    boxed_above: |service, shutdown| Starts::above(&service, shutdown);
    boxed_above_with_both: |service, shutdown| Starts::above_with_both(&service, 7, shutdown);
}

#[test]
fn above_impl() {
    crate::harness::check(|service, shutdown| async move {
        service.above_impl(shutdown).await.map(Into::into)
    });
}

/// Records spans with their fields, and events.
#[derive(Clone, Default)]
struct Notes(Log<String>);

static NEXT: AtomicU64 = AtomicU64::new(1);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Self(text) = self;
        let _ = write!(text, " {field}={value:?}");
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The events of the cell are not recorded here.
        metadata.target() == module_path!()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = format!("span {}", span.metadata().name());
        span.record(&mut Fields(&mut text));
        self.0.push(text);
        Id::from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::from("event");
        event.record(&mut Fields(&mut text));
        self.0.push(text);
    }

    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn noted(f: impl FnOnce()) -> Vec<String> {
    install_global_subscriber();
    let notes = Notes::default();
    tracing::subscriber::with_default(notes.clone(), f);
    notes.0.all()
}

/// A thread without a subscriber does not turn a span off for the others.
#[test]
fn a_span_first_entered_without_a_subscriber_is_recorded() {
    #[instrument]
    fn enters() {}

    let notes = noted(|| {
        thread::spawn(enters).join().expect("no panic");
        enters();
    });
    assert_eq!(notes, ["span enters"]);
}

/// With a subscriber the instrumented future takes its other branch; the guard holds there too.
#[test]
fn forms_hold_under_a_subscriber() {
    let notes = noted(|| {
        checks::below();
        checks::above();
        checks::above_with_both();
        checks::boxed_above_with_both();
        checks::between();
    });
    assert!(
        notes.iter().any(|note| note.starts_with("span above")),
        "{notes:#?}"
    );
}

/// Above, the span is around the body, and records the value.
#[test]
fn above_the_span_records_parameters_and_the_value() {
    let notes = noted(|| {
        let service = Service::new();
        let token = CancellationToken::new();
        let mut start = task::spawn(service.above_with_both(0, 3, (4, String::new()), token));
        assert_pending!(start.poll());
        service.work.go_on();
        assert_eq!(assert_ready!(start.poll()), Ok(7));
    });
    assert_eq!(
        notes,
        [
            "span renamed number=0 changed=3 left=4 extra=3",
            "event return=7"
        ]
    );
}

/// Above or below, the caller gets the refusal.
#[test]
fn above_and_below_the_caller_is_refused() {
    for above in [false, true] {
        let notes = noted(|| {
            let service = Service::new();
            let token = CancellationToken::new();
            let start: Pin<Box<dyn Future<Output = Result<u32, TestError>>>> = if above {
                Box::pin(async {
                    service
                        .above_with_both(0, 3, (4, String::new()), token.clone())
                        .await
                })
            } else {
                Box::pin(async {
                    service
                        .below_with_all(0, String::new(), (3, 4), token.clone())
                        .await
                })
            };
            let mut start = task::spawn(start);
            assert_pending!(start.poll());
            token.cancel();
            let refused = start.poll();
            assert_eq!(
                refused,
                std::task::Poll::Ready(Err(CANCELLED)),
                "above: {above}"
            );
        });
        assert!(
            !notes.iter().any(|note| note.contains("return")),
            "above: {above}, {notes:#?}"
        );
    }
}
