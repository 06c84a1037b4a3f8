//! Collects independent mistakes, so that their author meets all of them at once.

use std::fmt::Display;

use quote::ToTokens;
use syn::{Error, Result};

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Error>,
}

impl Report {
    /// Adds a mistake at the tokens that make it.
    pub(crate) fn error(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that already knows its place.
    pub(crate) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// One error that holds them all, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        let mut errors = self.errors.into_iter();
        let Some(mut all) = errors.next() else {
            return Ok(());
        };
        all.extend(errors);
        Err(all)
    }
}
