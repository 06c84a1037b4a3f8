//! What counts as a token, and the token that a body sees in its place.

use std::sync::Arc;

use crate::held::Held;
use crate::sync::CancellationToken;

/// Something that a start can be guarded by: a [`CancellationToken`], or a `&`, an `Arc` or an
/// `Option` of one.
///
/// `None` is a token that nobody cancels. Implement it for a wrapper of your own, and name that with
/// `token = EXPR`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a cancellation token",
    label = "not a `CancellationToken`, nor a `&`, `Arc` or `Option` of one",
    note = "take a `tokio_util::sync::CancellationToken` as a parameter, or name one: `#[cancel_guarded(token = EXPR)]`"
)]
pub trait AsToken {
    /// The token, if there is one.
    fn as_token(&self) -> Option<&CancellationToken>;

    /// The token for a start to hold, of what nobody else wants.
    #[doc(hidden)]
    fn hold<'t>(self) -> Held<'t>
    where
        Self: Sized + 't,
    {
        Held::of(self.as_token(), |token| Held::Given(token.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl AsToken for CancellationToken {
    fn as_token(&self) -> Option<&CancellationToken> {
        Some(self)
    }

    fn hold<'t>(self) -> Held<'t>
    where
        Self: 't,
    {
        Held::of_given(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: AsToken + ?Sized> AsToken for &T {
    fn as_token(&self) -> Option<&CancellationToken> {
        (**self).as_token()
    }

    fn hold<'t>(self) -> Held<'t>
    where
        Self: 't,
    {
        Held::of(T::as_token(self), Held::Lent)
    }
}

#[diagnostic::do_not_recommend]
impl<T: AsToken + ?Sized> AsToken for Arc<T> {
    fn as_token(&self) -> Option<&CancellationToken> {
        (**self).as_token()
    }
}

#[diagnostic::do_not_recommend]
impl<T: AsToken> AsToken for Option<T> {
    fn as_token(&self) -> Option<&CancellationToken> {
        self.as_ref().and_then(T::as_token)
    }

    fn hold<'t>(self) -> Held<'t>
    where
        Self: 't,
    {
        self.map_or(Held::None, T::hold)
    }
}

/// The form of a token parameter: what the body gets in its place.
#[diagnostic::on_unimplemented(
    message = "a token of the form `{Self}` cannot be replaced by the attempt's own",
    note = "write `#[cancel_guarded(token = EXPR)]`: then the body sees the caller's own token"
)]
pub trait TokenParameter: AsToken {
    /// This form, owned: of a reference the value behind it, to which the macro takes a
    /// reference again.
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

#[diagnostic::do_not_recommend]
impl<T: TokenParameter + ?Sized> TokenParameter for &T {
    type Child = T::Child;

    fn in_form(&self, child: CancellationToken) -> T::Child {
        (**self).in_form(child)
    }
}

#[diagnostic::do_not_recommend]
impl<T: TokenParameter + ?Sized> TokenParameter for Arc<T> {
    type Child = Arc<T::Child>;

    fn in_form(&self, child: CancellationToken) -> Self::Child {
        Arc::new((**self).in_form(child))
    }
}

#[diagnostic::do_not_recommend]
impl<T: TokenParameter> TokenParameter for Option<T> {
    type Child = Option<T::Child>;

    fn in_form(&self, child: CancellationToken) -> Self::Child {
        self.as_ref().map(|token| token.in_form(child))
    }
}
