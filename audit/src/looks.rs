//! The looks at a token: checks, waits, and gates that refuse after the cancellation.

use proc_macro2::{TokenStream, TokenTree};

use crate::check::flow::names;
use crate::words;

/// Whether a method looks at the token that it is called on, or at one that it is given.
pub(crate) fn is_look(method: &str) -> bool {
    names::is_wait(method)
        || names::is_wait_on_argument(method)
        || matches!(
            method,
            "is_cancelled"
                | "is_canceled"
                | "is_shutdown"
                | "is_shutting_down"
                | "is_stopped"
                | "is_stopping"
                | "is_closed"
                | "is_closing"
                | "ensure_not_cancelled"
                | "check_cancelled"
                | "check_cancellation"
                | "throw_if_cancelled"
                | "bail_if_cancelled"
                | "wait_for_shutdown"
                | "wait_for_cancel"
                | "wait_for_cancellation"
                | "with_cancel"
                | "with_cancellation"
                | "until_cancelled"
                | "run_until"
                | "or_cancel"
                | "take_until"
        )
}

/// Whether a method is one of a receiver that refuses after the cancellation: `gate.enter()`.
pub(crate) fn enters_gate(receiver: &str, method: &str) -> bool {
    matches!(method, "enter" | "try_enter") && words::words(receiver).contains(&"gate".to_owned())
}

/// Whether tokens hold a look: a method of that name, or a stop signal that is awaited.
pub(crate) fn has_look(tokens: TokenStream) -> bool {
    let mut last_word = String::new();
    for tree in tokens {
        match tree {
            TokenTree::Ident(word) => {
                let word = word.to_string();
                if is_look(&word) {
                    return true;
                }
                let waits = matches!(word.as_str(), "recv" | "changed" | "notified" | "await");
                if waits && words::is_stop_signal(&last_word) {
                    return true;
                }
                if !matches!(
                    word.as_str(),
                    "recv" | "changed" | "notified" | "clone" | "mut"
                ) {
                    last_word = word;
                }
            }
            TokenTree::Group(group) => {
                if has_look(group.stream()) {
                    return true;
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    false
}
