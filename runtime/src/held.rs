//! The token of a start, from the call to the end of its body.

use std::mem;

use crate::sync::CancellationToken;
use crate::tether::Tether;

/// The token that a start is guarded by, as the start has it.
#[derive(Debug)]
pub enum Held<'t> {
    /// None, which nobody cancels.
    None,
    /// It was cancelled before the start began.
    Cancelled,
    /// The caller's, which outlives the start.
    Lent(&'t CancellationToken),
    /// The caller's, or a clone of it. From entry on the cell has it.
    Given(CancellationToken),
    /// A child of the caller's, for the body to see. From entry on the cell has it, too.
    Own(CancellationToken),
}

impl Held<'_> {
    /// What `hold` makes of `token`. Of one that is cancelled nothing is made: to refuse a start is
    /// not to cost what a start does.
    #[inline]
    pub(crate) fn of<'a>(
        token: Option<&'a CancellationToken>,
        hold: impl FnOnce(&'a CancellationToken) -> Self,
    ) -> Self {
        match token {
            None => Self::None,
            Some(token) if token.is_cancelled() => Self::Cancelled,
            Some(token) => hold(token),
        }
    }

    /// The same of a token that is given away.
    #[inline]
    pub(crate) fn of_given(token: CancellationToken) -> Self {
        if token.is_cancelled() {
            Self::Cancelled
        } else {
            Self::Given(token)
        }
    }

    /// What ties an attempt to the token, if there is one. It takes along whatever is not lent.
    #[inline]
    pub(crate) fn tether(&mut self) -> Option<Tether> {
        if let Self::Lent(token) = self {
            return Some(Tether::to(token.clone()));
        }
        match mem::replace(self, Self::None) {
            Self::Given(token) => Some(Tether::to(token)),
            Self::Own(token) => Some(Tether::to_own(token)),
            Self::None | Self::Cancelled | Self::Lent(_) => None,
        }
    }

    /// Whether the token is known not to be cancelled, without the cell's lock.
    #[inline]
    pub(crate) fn is_live(&self) -> bool {
        match self {
            Self::Lent(token) => !token.is_cancelled(),
            Self::None | Self::Cancelled | Self::Given(_) | Self::Own(_) => false,
        }
    }
}
