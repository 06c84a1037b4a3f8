//! A subscriber for the threads that have none.

use std::sync::Once;

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber};

/// Installs a global subscriber that records nothing.
///
/// Call it before the first span or event of a test binary in which some tests have a subscriber and
/// others have none. While a process has one subscriber only, `tracing` asks just the thread that
/// first reaches a span whether the span is of interest, and caches the result for all threads. If
/// that thread has no subscriber, the span is never recorded. The global subscriber keeps the cache
/// undecided.
///
/// # Panics
///
/// If the process has another global subscriber.
pub fn install_global_subscriber() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| set_global_default(Undecided).expect("the only global subscriber"));
}

struct Undecided;

impl Subscriber for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}
