//! The tokens that can guard a start, and the token that the body sees instead.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use crate::sync::CancellationToken;

/// A token that a start can be guarded by: a [`CancellationToken`], or a `&`, `&mut`, `Arc`, `Rc`,
/// `Box`, `LazyLock` or `Option` of one.
///
/// `None` is a token that is never cancelled. Implement this trait for a wrapper of your own, and
/// name the wrapper with `token = EXPR`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cancellation token",
    label = "not a `CancellationToken`, nor a `&`, `&mut`, `Arc`, `Rc`, `Box`, `LazyLock` or `Option` of one",
    note = "take a `tokio_util::sync::CancellationToken` as a parameter, or name one: `#[cancel_guarded(token = EXPR)]`"
)]
pub trait AsToken {
    /// The token, if there is one.
    fn as_token(&self) -> Option<&CancellationToken>;
}

#[diagnostic::do_not_recommend]
impl AsToken for CancellationToken {
    fn as_token(&self) -> Option<&CancellationToken> {
        Some(self)
    }
}

macro_rules! impl_as_token_by_deref {
    ($($pointer:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: AsToken + ?Sized> AsToken for $pointer {
            fn as_token(&self) -> Option<&CancellationToken> {
                (**self).as_token()
            }
        }
    )+};
}

impl_as_token_by_deref!(&T, &mut T, Arc<T>, Rc<T>, Box<T>);

#[diagnostic::do_not_recommend]
impl<T: AsToken, F: FnOnce() -> T> AsToken for LazyLock<T, F> {
    fn as_token(&self) -> Option<&CancellationToken> {
        (**self).as_token()
    }
}

#[diagnostic::do_not_recommend]
impl<T: AsToken> AsToken for Option<T> {
    fn as_token(&self) -> Option<&CancellationToken> {
        self.as_ref().and_then(T::as_token)
    }
}

/// The form of a token parameter: the body gets a child of the token in the same form.
#[diagnostic::on_unimplemented(
    message = "a token of the form `{Self}` cannot be replaced by the attempt's own",
    note = "take a `CancellationToken`, or a `&`, `Arc`, `Rc`, `Box` or `Option` of one"
)]
pub trait TokenParameter: AsToken {
    /// The owned form. For a reference, the value that the macro borrows again.
    type Child;

    /// `child` in this form.
    fn in_form(&self, child: CancellationToken) -> Self::Child;
}

#[diagnostic::do_not_recommend]
impl TokenParameter for CancellationToken {
    type Child = Self;

    fn in_form(&self, child: CancellationToken) -> Self {
        child
    }
}

macro_rules! impl_token_parameter_for_reference {
    ($($reference:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: TokenParameter + ?Sized> TokenParameter for $reference {
            type Child = T::Child;

            fn in_form(&self, child: CancellationToken) -> T::Child {
                (**self).in_form(child)
            }
        }
    )+};
}

impl_token_parameter_for_reference!(&T, &mut T);

macro_rules! impl_token_parameter_for_pointer {
    ($($pointer:ident),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<T: TokenParameter + ?Sized> TokenParameter for $pointer<T> {
            type Child = $pointer<T::Child>;

            fn in_form(&self, child: CancellationToken) -> Self::Child {
                $pointer::new((**self).in_form(child))
            }
        }
    )+};
}

impl_token_parameter_for_pointer!(Arc, Rc, Box);

#[diagnostic::do_not_recommend]
impl<T: TokenParameter> TokenParameter for Option<T> {
    type Child = Option<T::Child>;

    fn in_form(&self, child: CancellationToken) -> Self::Child {
        self.as_ref().map(|token| token.in_form(child))
    }
}

/// The token that guards one start, from the call until the attempt begins.
#[derive(Debug)]
pub(crate) enum GuardToken {
    /// There is none: nothing cancels the start but a stop.
    None,
    /// It was cancelled before the start began. No child is made of it: a refusal is cheap.
    Cancelled,
    /// The caller's. The attempt makes its own token of it when that is first needed.
    Shared(CancellationToken),
    /// A child of the caller's, which becomes the attempt's own token at once.
    Own(CancellationToken),
}

impl GuardToken {
    /// The caller's token.
    #[inline]
    pub(crate) fn shared<T: AsToken + ?Sized>(token: &T) -> Self {
        Self::new(token.as_token(), |token| Self::Shared(token.clone()))
    }

    /// A child of the caller's token.
    #[inline]
    pub(crate) fn child<T: AsToken + ?Sized>(token: &T) -> Self {
        Self::new(token.as_token(), |token| Self::Own(token.child_token()))
    }

    #[inline]
    fn new(
        token: Option<&CancellationToken>,
        guard: impl FnOnce(&CancellationToken) -> Self,
    ) -> Self {
        match token {
            None => Self::None,
            Some(token) if token.is_cancelled() => Self::Cancelled,
            Some(token) => guard(token),
        }
    }
}
