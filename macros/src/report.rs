//! Collects independent mistakes, so that their author meets all of them at once.

use quote::ToTokens;
use syn::{Error, Result};

/// The mistakes found so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    errors: Vec<Error>,
}

impl Report {
    /// Adds a mistake at the tokens that make it.
    pub(crate) fn error(&mut self, tokens: &dyn ToTokens, message: impl Into<String>) {
        self.push(Error::new_spanned(tokens, message.into()));
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

/// Words one behind the other, with this between two of them.
pub(crate) fn joined<W: AsRef<str>>(words: &[W], between: &str) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(word.as_ref());
    }
    text
}

/// `` `a`, `b` ``
pub(crate) fn quoted<W: AsRef<str>>(words: &[W]) -> String {
    format!("`{}`", joined(words, "`, `"))
}

/// `` `a`, `b` or `c` ``, of two words at least.
pub(crate) fn listed(words: &[&str], conjunction: &str) -> String {
    match words {
        [first @ .., last] => format!("{} {conjunction} `{last}`", quoted(first)),
        [] => String::new(),
    }
}
