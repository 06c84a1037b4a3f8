//! Collects independent errors, so that the compiler reports all of them at once.

use quote::ToTokens;
use syn::{Error, Result};

/// The errors found so far.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    errors: Vec<Error>,
}

impl Errors {
    /// Adds an error at these tokens.
    pub(crate) fn at(&mut self, tokens: &dyn ToTokens, message: impl Into<String>) {
        self.push(Error::new_spanned(tokens, message.into()));
    }

    pub(crate) fn push(&mut self, error: Error) {
        self.errors.push(error);
    }

    /// All errors as one, if there are any.
    pub(crate) fn into_result(self) -> Result<()> {
        let mut errors = self.errors.into_iter();
        let Some(mut all) = errors.next() else {
            return Ok(());
        };
        all.extend(errors);
        Err(all)
    }
}

/// `` `a`, `b` ``
pub(crate) fn quoted<W: AsRef<str>>(words: &[W]) -> String {
    format!("`{}`", join(words, "`, `"))
}

pub(crate) fn join<W: AsRef<str>>(words: &[W], separator: &str) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(separator);
        }
        text.push_str(word.as_ref());
    }
    text
}

/// `` `a`, `b` or `c` ``, for two words or more.
pub(crate) fn join_with(words: &[&str], conjunction: &str) -> String {
    match words {
        [first @ .., last] => format!("{} {conjunction} `{last}`", quoted(first)),
        [] => String::new(),
    }
}

/// The known word that is nearest to what was written, if one is near.
pub(crate) fn closest<'a>(written: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|word| (edit_distance(written, word), *word))
        .min()
        .filter(|(distance, word)| {
            distance * 3 <= word.len() || written.len() > 2 && word.starts_with(written)
        })
        .map(|(_, word)| word)
}

/// The number of letters to insert, delete or replace to make one word of the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((other, diagonal), above) in b.chars().zip(&row).zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(letter != other))
                .min(left + 1)
                .min(above + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
