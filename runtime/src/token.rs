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

/// The token that guards a start, and then the attempt. Without one, nothing cancels the start but a
/// stop.
#[derive(Debug, Default)]
pub(crate) struct GuardToken {
    token: Option<CancellationToken>,
    /// Whether it is the attempt's own. If it is the caller's, the attempt makes its own token of it
    /// when that is first needed.
    is_own: bool,
}

impl GuardToken {
    /// The caller's token.
    #[inline]
    pub(crate) fn shared<T: AsToken + ?Sized>(token: &T) -> Self {
        Self {
            token: token.as_token().cloned(),
            is_own: false,
        }
    }

    /// A child of the caller's token.
    #[inline]
    pub(crate) fn child<T: AsToken + ?Sized>(token: &T) -> Self {
        Self {
            token: token.as_token().map(CancellationToken::child_token),
            is_own: true,
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&CancellationToken> {
        self.token.as_ref()
    }

    /// The attempt's own token, if it has one.
    #[inline]
    pub(crate) fn own(&self) -> Option<&CancellationToken> {
        self.get().filter(|_| self.is_own)
    }

    /// Makes the attempt's own token: a child of this one, which it replaces.
    pub(crate) fn make_own(&mut self) -> &CancellationToken {
        let parent = self.token.take();
        let own = parent.map_or_else(CancellationToken::new, |parent| parent.child_token());
        self.is_own = true;
        self.token.insert(own)
    }
}
