//! How a return type tells success from failure, and how it carries a refusal.

use std::fmt::Display;

use crate::error::StartError;

/// How a return type tells success from failure, and what the failure was.
///
/// A start whose value is a failure ends in [`FAILED`](crate::State::FAILED) with that message;
/// so does a service one of whose [`serve`](crate::StateCell::serve)d futures fails. Known are
/// `()` (always a success), `Option` (`None` is a failure) and `Result`. Implement it for your
/// own type to say the same of it:
///
/// ```
/// use cancel_guarded::Outcome;
///
/// enum ExitCode { Clean, Crashed(i32) }
///
/// impl Outcome for ExitCode {
///     fn failure(&self) -> Option<String> {
///         match self {
///             Self::Clean => None,
///             Self::Crashed(code) => Some(format!("crashed with code {code}")),
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
    /// The message of the failure that this value is, `None` if it is a success.
    fn failure(&self) -> Option<String>;
}

/// How a return type carries a refusal when the attribute has no `on_refused`.
///
/// `()` returns quietly, `Option` returns `None`, `Result<_, E>` converts the [`StartError`]
/// into its error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a start was refused",
    label = "a start that is refused has no value of this type to return",
    note = "a `Result<T, E>` can if `E` implements both `From<cancel_guarded::StartError>` and `Display`, as `std::io::Error` and `anyhow::Error` do; so can `Option<T>` and `()`",
    note = "to return a type of your own, implement `cancel_guarded::Outcome` for it and say what a refused start returns: `#[cancel_guarded(on_refused = |error| ..)]`; return `bool`, a number and the like in an `Option` or a `Result`"
)]
pub trait Refusable: Outcome {
    /// The value that a start refused with `error` returns.
    fn refused(error: StartError) -> Self;
}

#[diagnostic::do_not_recommend]
impl Outcome for () {
    fn failure(&self) -> Option<String> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl Refusable for () {
    fn refused(_: StartError) -> Self {}
}

#[diagnostic::do_not_recommend]
impl Outcome for std::convert::Infallible {
    fn failure(&self) -> Option<String> {
        match *self {}
    }
}

#[diagnostic::do_not_recommend]
impl<T> Outcome for Option<T> {
    fn failure(&self) -> Option<String> {
        self.is_none().then(|| "returned None".to_owned())
    }
}

#[diagnostic::do_not_recommend]
impl<T> Refusable for Option<T> {
    fn refused(_: StartError) -> Self {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Display> Outcome for Result<T, E> {
    fn failure(&self) -> Option<String> {
        // The alternate form: an `anyhow::Error` prints its sources there, others do not care.
        self.as_ref().err().map(|error| format!("{error:#}"))
    }
}

#[diagnostic::do_not_recommend]
impl<T, E: Display + From<StartError>> Refusable for Result<T, E> {
    fn refused(error: StartError) -> Self {
        Err(error.into())
    }
}

/// What a [`serve`](crate::StateCell::serve)d future ends with: any [`Outcome`], or `!`, the type
/// of a block that loops for ever. Not to be implemented: implement [`Outcome`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell success from failure",
    label = "not an `Outcome`",
    note = "let what is served end with `()`, an `Option<T>`, or a `Result<T, E>` whose `E` implements `Display`, or not at all; for a type of your own, implement `cancel_guarded::Outcome`"
)]
pub trait ServedOutcome {
    /// See [`Outcome::failure`].
    fn served_failure(&self) -> Option<String>;
}

#[diagnostic::do_not_recommend]
impl<T: Outcome> ServedOutcome for T {
    fn served_failure(&self) -> Option<String> {
        self.failure()
    }
}

#[diagnostic::do_not_recommend]
impl ServedOutcome for Never {
    fn served_failure(&self) -> Option<String> {
        *self
    }
}

/// The type `!`, which has no stable name: it is what `fn() -> !` returns. The trick is that of
/// the crate [`never-say-never`](https://docs.rs/never-say-never). `Outcome` itself cannot have
/// it: an impl for a type so spelled forbids every impl in other crates.
type Never = <fn() -> ! as Returns>::Type;

/// What a function returns.
#[doc(hidden)]
pub trait Returns {
    type Type;
}

impl<T> Returns for fn() -> T {
    type Type = T;
}
