//! The values that `make` returns, and the client that plays with them.

use std::fmt;
use std::future::{Future, Ready};

use crate::cell::StateCell;
use crate::lifecycle::State;
use crate::outcome::Outcome;

/// What the closure of a [`sweep`](super::sweep) returns: `(cell, start)`, or `(service, cell,
/// start)`. It cannot be implemented.
///
/// With a service, usually an `Arc`, the sweep also holds the service while it runs, hands it to the
/// client of [`while_running`](super::Sweep::while_running), and drops it in one further run.
/// Without one, the client gets the cell.
#[diagnostic::on_unimplemented(
    message = "a sweep cannot drive `{Self}`",
    label = "neither `(StateCell, start)` nor `(service, StateCell, start)`",
    note = "return the cell of the service and the future of its start: `(server.state.clone(), async move {{ server.start(shutdown).await }})`; a service in front of them has to be `Clone`, as an `Arc` is; without a cell, use `sweep_fn`"
)]
pub trait Swept: sealed::Sealed {
    /// The states of the cell.
    type State: State;
    /// What the client of a sweep gets.
    type Service: Clone;
    /// The start.
    type Start: Future<Output: Outcome>;

    #[doc(hidden)]
    fn into_parts(self) -> Parts<Self::Service, Self::State, Self::Start>;
}

/// The same for all forms.
#[derive(Debug)]
pub struct Parts<T, S: State, F> {
    pub(super) service: T,
    /// Whether `service` is more than the cell.
    pub(super) is_owner: bool,
    pub(super) cell: StateCell<S>,
    pub(super) start: F,
}

impl<S: State, F: Future<Output: Outcome>> Swept for (StateCell<S>, F) {
    type State = S;
    type Service = StateCell<S>;
    type Start = F;

    fn into_parts(self) -> Parts<StateCell<S>, S, F> {
        let (cell, start) = self;
        Parts {
            service: cell.clone(),
            is_owner: false,
            cell,
            start,
        }
    }
}

impl<T: Clone, S: State, F: Future<Output: Outcome>> Swept for (T, StateCell<S>, F) {
    type State = S;
    type Service = T;
    type Start = F;

    fn into_parts(self) -> Parts<T, S, F> {
        let (service, cell, start) = self;
        Parts {
            service,
            is_owner: true,
            cell,
            start,
        }
    }
}

/// The client that plays before the last cancellation: none, or the closure of
/// [`while_running`](super::Sweep::while_running). It cannot be implemented.
pub trait Client<T>: sealed::SealedClient {
    #[doc(hidden)]
    type Play: Future;

    #[doc(hidden)]
    fn play(&mut self, service: T) -> Option<Self::Play>;
}

/// No client.
#[derive(Clone, Copy, Debug)]
pub struct NoClient;

/// The closure of [`while_running`](super::Sweep::while_running).
#[derive(Clone, Copy)]
pub struct WhileRunning<W>(pub(super) W);

impl<W> fmt::Debug for WhileRunning<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WhileRunning")
    }
}

impl<T> Client<T> for NoClient {
    type Play = Ready<()>;

    fn play(&mut self, _: T) -> Option<Ready<()>> {
        None
    }
}

impl<T, W, F> Client<T> for WhileRunning<W>
where
    W: FnMut(T) -> F,
    F: Future,
{
    type Play = F;

    fn play(&mut self, service: T) -> Option<F> {
        Some((self.0)(service))
    }
}

mod sealed {
    pub trait Sealed {}
    pub trait SealedClient {}

    impl<S: super::State, F> Sealed for (super::StateCell<S>, F) {}
    impl<T, S: super::State, F> Sealed for (T, super::StateCell<S>, F) {}
    impl SealedClient for super::NoClient {}
    impl<W> SealedClient for super::WhileRunning<W> {}
}
