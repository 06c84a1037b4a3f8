//! Calls that make a future, or a guard, a part of a service.

use syn::{Expr, ExprMethodCall};

use super::place::{last_word, place};

/// The cell of `CELL.serve(..)`, if it is as certain as names and types make it that it is one.
pub(crate) fn served_on(part: &ExprMethodCall) -> Option<&Expr> {
    (is_part(part) && is_named_as_cell(part)).then_some(&*part.receiver)
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
