//! The `# Cancellation` section that a documented start gets.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Attribute;

use crate::check::{Guard, GuardedBy};
use crate::report::quoted;

// Input:
//     /// Binds the port and begins to accept.
//     #[cancel_guarded(state = self.state)]
//     pub async fn start(&self, shutdown: CancellationToken) -> Result<SocketAddr, ServerError>
//
// Output:
//     /// Binds the port and begins to accept.
//     ///
//     /// # Cancellation
//     ///
//     /// Guarded by `shutdown`. If that is cancelled before this has succeeded, the start is ..
//     ///
//     /// - `self.state` moves from `INITIAL` through `STARTING` to `RUNNING`, or to `FAILED` ..
//
/// The section as attributes, to go behind those of the function. A function that is not
/// documented stays so.
pub(crate) fn section(guard: &Guard) -> TokenStream {
    if !guard.function.attrs.iter().any(is_doc) {
        return TokenStream::new();
    }
    let mut lines = vec![
        String::new(),
        " # Cancellation".to_owned(),
        String::new(),
        format!(" {}", refusal(guard)),
    ];
    let mut points = states(guard);
    points.extend(child(guard));
    if !points.is_empty() {
        lines.push(String::new());
    }
    for point in points {
        lines.push(format!(" - {point}"));
    }
    quote_spanned!(Span::mixed_site()=> #(#[doc = #lines])*)
}

fn is_doc(attr: &Attribute) -> bool {
    attr.path().is_ident("doc") && attr.meta.require_name_value().is_ok()
}

/// What guards the start, and what becomes of it when that is cancelled.
fn refusal(guard: &Guard) -> String {
    let token = match &guard.by {
        GuardedBy::Param { param, .. } if !param.has_name => "its token".to_owned(),
        by => format!("`{}`", spelled(&by.expr())),
    };
    let is_shielded = guard.args.shielded.is_some();
    let publishes = guard.args.state.is_some();
    let when = if is_shielded && !publishes {
        "when this begins"
    } else {
        "before this has succeeded"
    };
    let how = if is_shielded {
        "Once begun, it is not interrupted: it handles cancellation itself."
    } else if guard.body.shields {
        "It goes no further than the point where it waits, except for what is shielded in it and \
         runs to its end, and all that it has made is dropped."
    } else {
        "It goes no further than the point where it waits, and all that it has made is dropped."
    };
    format!(
        "Guarded by {token}. If that is cancelled {when}, the start is refused \
         (`StartError::Cancelled`). {how}"
    )
}

/// The states that the start moves its service through.
fn states(guard: &Guard) -> Vec<String> {
    let Some(state) = guard.args.state.as_ref().map(|state| spelled(state)) else {
        return Vec::new();
    };
    let from = if guard.args.restart.is_some() {
        "`INITIAL`, `STOPPED` or `FAILED`"
    } else {
        "`INITIAL`"
    };
    let mut points = vec![format!(
        "`{state}` moves from {from} through `STARTING` to `RUNNING`, or to `FAILED` if the start \
         is refused, fails, panics or is dropped. In any other state the start is refused \
         (`StartError::NotStartable`), and nothing is touched."
    )];
    if !guard.body.stores.is_empty() {
        let stores = guard.body.stores.iter();
        let stores: Vec<String> = stores.map(|state| spelled(state)).collect();
        points.push(format!("On its way it stores {}.", quoted(&stores)));
    }
    points.push(
        "If it is cancelled later, the service reads `STOPPING` before the cancelling call has \
         returned."
            .to_owned(),
    );
    points
}

/// What the body makes of the token.
fn child(guard: &Guard) -> Option<String> {
    match &guard.by {
        GuardedBy::Param { param, named: true } => Some(format!(
            "What it starts sees a child of `{}`, which is cancelled if the start does not succeed, \
             or the service fails.",
            param.ident
        )),
        _ => None,
    }
}

/// An expression as one would write it in a sentence: `self.state`, not `self . state`.
pub(crate) fn spelled(expr: &dyn ToTokens) -> String {
    let mut text = String::new();
    spell(expr.to_token_stream(), &mut text);
    text
}

fn spell(tokens: TokenStream, text: &mut String) {
    for tree in tokens {
        let word = match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                spell(group.stream(), text);
                text.push_str(close);
                continue;
            }
            tree => tree.to_string(),
        };
        let is_word = |c: char| c == '_' || c.is_alphanumeric();
        if text.ends_with(is_word) && word.starts_with(is_word) || text.ends_with(',') {
            text.push(' ');
        }
        text.push_str(&word);
    }
}
