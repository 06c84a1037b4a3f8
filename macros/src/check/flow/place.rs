//! Places: variables, statics and fields, by their spelling.

use syn::{Expr, Ident, Member};

/// The spelling of a place, parentheses, borrows and clones aside: `token`, `self.shutdown`,
/// `self.inner.token()`, `crate::SHUTDOWN`.
pub(crate) fn place(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Group(expr) => place(&expr.expr),
        Expr::Paren(expr) => place(&expr.expr),
        Expr::Reference(expr) => place(&expr.expr),
        Expr::Unary(expr) if matches!(expr.op, syn::UnOp::Deref(_)) => place(&expr.expr),
        Expr::Path(path) => {
            let mut words = path
                .path
                .segments
                .iter()
                .map(|segment| word(&segment.ident));
            let first = words.next()?;
            Some(words.fold(first, |path, word| path + "::" + &word))
        }
        Expr::Field(field) => Some(member(&place(&field.base)?, &field.member)),
        Expr::MethodCall(call) if call.method == "clone" => place(&call.receiver),
        Expr::MethodCall(call) if call.args.is_empty() => {
            Some(format!("{}.{}()", place(&call.receiver)?, call.method))
        }
        // An argument of the attribute may have been quoted and not parsed again.
        Expr::Verbatim(tokens) => place(&syn::parse2(tokens.clone()).ok()?),
        _ => None,
    }
}

/// `async_trait` spells `self` as `__self`.
fn word(ident: &Ident) -> String {
    if ident == "__self" {
        "self".to_owned()
    } else {
        ident.to_string()
    }
}

pub(crate) fn member(base: &str, member: &Member) -> String {
    match member {
        Member::Named(name) => format!("{base}.{name}"),
        Member::Unnamed(index) => format!("{base}.{}", index.index),
    }
}

/// The last word of a place: `state` of `self.inner.state`.
pub(crate) fn last_word(place: &str) -> &str {
    let end = place.trim_end_matches("()");
    end.rsplit(['.', ':']).next().unwrap_or(end)
}
