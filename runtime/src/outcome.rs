//! How a return type tells success from failure, and how it carries a refusal.

use std::fmt::Display;

use crate::error::StartError;
use crate::failure::Failure;

/// How a return type tells success from failure, and what the failure was.
///
/// A start that returns a failure ends in [`FAILED`](crate::State::FAILED), and so does a service
/// one of whose [`serve`](crate::StateCell::serve)d futures does. `()` is always a success, `None`
/// and `Err` are failures. Implement it for your own type:
///
/// ```
/// use cancel_guarded::{Failure, Outcome};
///
/// enum ExitCode { Clean, Crashed(i32) }
///
/// impl Outcome for ExitCode {
///     fn failure(&self) -> Option<Failure> {
///         match self {
///             Self::Clean => None,
///             Self::Crashed(code) => Some(Failure::new(format_args!("crashed with code {code}"))),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell success from failure",
    label = "not an `Outcome`",
    note = "return `()`, an `Option<T>`, or a `Result<T, E>` whose `E` implements `Display`; for a type of your own, implement `cancel_guarded::Outcome`"
)]
pub trait Outcome {
    /// The failure that this value stands for, or `None` if it is a success.
    fn failure(&self) -> Option<Failure>;
}

/// How a return type carries a refusal if the attribute has no `on_refused`.
///
/// `()` returns quietly, `Option` returns `None`, and `Result<_, E>` converts the [`StartError`]
/// into its error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a start was refused",
    label = "a start that is refused has no value of this type to return",
    note = "a `Result<T, E>` can if `E` implements both `From<cancel_guarded::StartError>` and `Display`, as `std::io::Error` and `anyhow::Error` do; so can `Option<T>` and `()`",
    note = "to return a type of your own, implement `cancel_guarded::Outcome` for it and say what a refused start returns: `#[cancel_guarded(on_refused = |error| ..)]`; return `bool`, a number and the like in an `Option` or a `Result`"
)]
pub trait FromStartError: Outcome {
    /// The value that a start refused with `error` returns.
    fn from_start_error(error: StartError) -> Self;
}

#[diagnostic::do_not_recommend]
impl Outcome for () {
    fn failure(&self) -> Option<Failure> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl FromStartError for () {
    fn from_start_error(_: StartError) -> Self {}
}

#[diagnostic::do_not_recommend]
impl Outcome for std::convert::Infallible {
    fn failure(&self) -> Option<Failure> {
        match *self {}
    }
}

#[diagnostic::do_not_recommend]
impl<T> Outcome for Option<T> {
    fn failure(&self) -> Option<Failure> {
        self.is_none().then(|| Failure::new("returned None"))
    }
}

#[diagnostic::do_not_recommend]
impl<T> FromStartError for Option<T> {
    fn from_start_error(_: StartError) -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Display> Outcome for Result<T, E> {
    fn failure(&self) -> Option<Failure> {
        self.as_ref().err().map(Failure::new)
    }
}

// Rustc reports the bound that is missing, so this impl is not hidden from it.
impl<T, E: Display + RefusalError> FromStartError for Result<T, E> {
    fn from_start_error(error: StartError) -> Self {
        Err(E::from_refusal(error))
    }
}

/// `From<StartError>`, with a message of its own.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from a `StartError`, as the error of a refused start is",
    label = "no `From<StartError>`",
    note = "implement `From<cancel_guarded::StartError>` for it, as for a variant `Start(#[from] StartError)`; if it is not your type, say what a refused start returns: `#[cancel_guarded(on_refused = |refusal| Err(..))]`"
)]
pub trait RefusalError {
    fn from_refusal(error: StartError) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<StartError>> RefusalError for E {
    fn from_refusal(error: StartError) -> Self {
        error.into()
    }
}

/// The output of a future for [`serve`](crate::StateCell::serve): any [`Outcome`], or `!`, the type
/// of a block that loops for ever. It cannot be implemented directly: implement [`Outcome`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell success from failure",
    label = "not an `Outcome`",
    note = "a served future ends with `()`, an `Option<T>`, or a `Result<T, E>` whose `E` implements `Display`, or never; for a type of your own, implement `cancel_guarded::Outcome`"
)]
pub trait ServedOutcome {
    /// See [`Outcome::failure`].
    fn served_failure(&self) -> Option<Failure>;
}

#[diagnostic::do_not_recommend]
impl<T: Outcome> ServedOutcome for T {
    fn served_failure(&self) -> Option<Failure> {
        self.failure()
    }
}

#[diagnostic::do_not_recommend]
impl ServedOutcome for Never {
    fn served_failure(&self) -> Option<Failure> {
        *self
    }
}

/// The type `!`, which has no stable name, as the return type of `fn() -> !`. The trick is that of
/// the crate [`never-say-never`](https://docs.rs/never-say-never). `Outcome` itself cannot be
/// implemented for it: an impl for a type spelled so forbids every impl in other crates.
type Never = <fn() -> ! as Returns>::Type;

/// The return type of a function.
#[doc(hidden)]
pub trait Returns {
    /// That type.
    type Type;
}

impl<T> Returns for fn() -> T {
    type Type = T;
}
