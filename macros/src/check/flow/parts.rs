//! Calls that make a future, or a guard, a part of a service.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Expr, ExprMethodCall};

use super::place::{last_word, place};

/// The cell of `CELL.serve(..)`, where that is not the guard's.
#[derive(Clone, Debug)]
pub(crate) struct ServedOn {
    pub(crate) cell: TokenStream,
    /// It is as certain as names make it that it is a cell, and no server of another crate.
    pub(crate) is_certain: bool,
}

/// The cell of `CELL.serve(..)`, if the names say that it is one, or if it is a field of `self`.
pub(crate) fn served_on(part: &ExprMethodCall) -> Option<ServedOn> {
    if !is_part(part) {
        return None;
    }
    let is_certain = is_named_as_cell(part);
    let is_field = matches!(&*part.receiver, Expr::Field(_))
        && place(&part.receiver).is_some_and(|place| place.starts_with("self."));
    (is_certain || is_field).then(|| ServedOn {
        cell: part.receiver.to_token_stream(),
        is_certain,
    })
}

/// Whether a call makes a part of a service, if it is a call of a cell.
pub(crate) fn is_part(call: &ExprMethodCall) -> bool {
    let arguments = match call.method.to_string().as_str() {
        "serve" | "serve_local" | "track" => 1,
        "serve_guard" => 0,
        _ => return false,
    };
    call.args.len() == arguments && place(&call.receiver).is_some()
}

/// Whether the names say that the receiver of a call is a cell. Servers of other crates have a
/// `serve`, too.
pub(crate) fn is_named_as_cell(call: &ExprMethodCall) -> bool {
    let is_own = call.method == "serve_local" || call.method == "serve_guard";
    let serves_block = call.method == "serve" && matches!(call.args.first(), Some(Expr::Async(_)));
    is_own
        || serves_block
        || place(&call.receiver).is_some_and(|place| {
            let name = last_word(&place).to_lowercase();
            ["state", "cell", "lifecycle"]
                .iter()
                .any(|word| name.contains(word))
        })
}
