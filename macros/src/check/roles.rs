//! The role of a state, where its path tells.

use syn::Expr;

/// The role of `Lifecycle::Running`, and of `Phase::RUNNING`.
pub(crate) fn role(state: &Expr) -> Option<&'static str> {
    let Expr::Path(path) = state else {
        return None;
    };
    let mut segments = path.path.segments.iter().rev();
    let last = segments.next()?.ident.to_string();
    let ty = segments.next()?.ident.to_string();
    let is_lifecycle = ty == "Lifecycle";
    Some(match last.as_str() {
        "INITIAL" => "INITIAL",
        "STARTING" => "STARTING",
        "RUNNING" => "RUNNING",
        "STOPPING" => "STOPPING",
        "STOPPED" => "STOPPED",
        "FAILED" => "FAILED",
        "Created" if is_lifecycle => "INITIAL",
        "Starting" if is_lifecycle => "STARTING",
        "Running" if is_lifecycle => "RUNNING",
        "Stopping" if is_lifecycle => "STOPPING",
        "Stopped" if is_lifecycle => "STOPPED",
        "Failed" if is_lifecycle => "FAILED",
        _ => return None,
    })
}

/// The role of a state, if only the guard sets it.
pub(crate) fn reserved_role(state: &Expr) -> Option<&'static str> {
    role(state).filter(|role| !matches!(*role, "RUNNING" | "STOPPING"))
}
