//! The names of functions and macros that mean something to the analysis.

use syn::{Expr, Path};

/// Callees that set something up, by their first word.
const SETUP_FIRST: [&str; 11] = [
    "start",
    "init",
    "spawn",
    "new",
    "open",
    "connect",
    "bind",
    "setup",
    "bootstrap",
    "build",
    "load",
];
const RUN_FIRST: [&str; 4] = ["run", "serve", "listen", "main"];
const RUN_LAST: [&str; 6] = ["loop", "worker", "task", "main", "forever", "run"];

fn first_word(name: &str) -> &str {
    name.trim_start_matches('_').split('_').next().unwrap_or("")
}

fn last_word(name: &str) -> &str {
    name.trim_end_matches('_').rsplit('_').next().unwrap_or("")
}

/// Whether a callee is named as one that sets something up: `start_worker`, `new`.
pub(crate) fn is_setup(name: &str) -> bool {
    SETUP_FIRST.contains(&first_word(name))
}

/// Whether a function is named as one that returns when the service is over: `run`,
/// `serve_clients`, `accept_loop`. `spawn_worker` is not: its first word counts more.
pub(crate) fn is_run(name: &str) -> bool {
    RUN_FIRST.contains(&first_word(name)) || RUN_LAST.contains(&last_word(name)) && !is_setup(name)
}

/// The methods of a token that wait for its cancellation.
pub(crate) fn is_wait(name: &str) -> bool {
    matches!(
        name,
        "cancelled" | "cancelled_owned" | "run_until_cancelled" | "run_until_cancelled_owned"
    )
}

/// The methods of a future that end it when the token in their argument is cancelled.
pub(crate) fn is_wait_on_argument(name: &str) -> bool {
    matches!(
        name,
        "with_cancellation_token" | "with_cancellation_token_owned"
    )
}

pub(crate) fn is_cancel(name: &str) -> bool {
    matches!(name, "cancel" | "drop_guard" | "drop_guard_ref")
}

pub(crate) fn is_spawn(name: &str) -> bool {
    first_word(name) == "spawn"
}

/// Whether a function that is named as a spawn spawns exactly what it is given. A helper such as
/// `spawn_acceptor(cell, listener)` may serve what it spawns.
pub(crate) fn is_plain_spawn(name: &str) -> bool {
    matches!(
        name,
        "spawn" | "spawn_local" | "spawn_blocking" | "spawn_on" | "spawn_pinned"
    )
}

pub(crate) fn is_serve(name: &str) -> bool {
    matches!(name, "serve" | "serve_local" | "serve_guard" | "track")
}

/// The methods of a guard that return something else than a part of it.
pub(crate) fn is_guard_getter(name: &str) -> bool {
    matches!(name, "token" | "published")
}

/// Whether a field is named as a token.
pub(crate) fn is_token(name: &str) -> bool {
    ["token", "cancel", "shutdown", "stop", "quit", "exit"]
        .iter()
        .any(|word| name.contains(word))
}

/// Methods and functions that return the value they are called on, or its inside.
pub(crate) fn returns_same(name: &str) -> bool {
    matches!(
        name,
        "clone"
            | "cloned"
            | "to_owned"
            | "as_ref"
            | "as_mut"
            | "as_deref"
            | "as_deref_mut"
            | "borrow"
            | "borrow_mut"
            | "deref"
            | "get_ref"
            | "into_inner"
            | "into"
            | "from"
            | "unwrap"
            | "expect"
            | "unwrap_or"
            | "unwrap_or_default"
            | "unwrap_or_else"
            | "ok_or"
            | "ok_or_else"
            | "ok"
            | "take"
            | "get_or_insert_with"
            | "Some"
            | "Ok"
            | "iter"
            | "into_iter"
    )
}

/// Methods that turn a result or a value into another form.
pub(crate) fn converts(name: &str) -> bool {
    returns_same(name)
        || matches!(
            name,
            "map"
                | "map_err"
                | "context"
                | "with_context"
                | "wrap_err"
                | "wrap_err_with"
                | "to_string"
                | "and"
                | "is_err"
                | "is_ok"
                | "is_some"
                | "is_none"
                | "is_cancelled"
                | "elapsed"
        )
}

/// Functions that return what they are given in another form.
pub(crate) fn is_wrapper(path: &Path) -> bool {
    let mut segments = path.segments.iter().rev().map(|segment| &segment.ident);
    let Some(last) = segments.next() else {
        return false;
    };
    let owner = segments.next();
    match last.to_string().as_str() {
        "Some" | "Ok" | "Err" | "pin" | "take" | "AssertUnwindSafe" | "Pin" => true,
        "new" | "pin_in" | "new_unchecked" | "from" => owner.is_some_and(|owner| {
            ["Box", "Arc", "Rc", "Pin", "Some", "Cow"]
                .iter()
                .any(|name| owner == name)
        }),
        _ => false,
    }
}

/// Functions and methods that await the futures that they are given, and return what these do.
pub(crate) fn forwards_future(name: &str) -> bool {
    matches!(
        name,
        "timeout"
            | "timeout_at"
            | "with_timeout"
            | "retry"
            | "instrument"
            | "in_current_span"
            | "or_current"
            | "with_subscriber"
            | "with_current_subscriber"
            | "boxed"
            | "boxed_local"
            | "fuse"
            | "into_future"
            | "unconstrained"
            | "catch_unwind"
            | "scope"
            | "select"
            | "select_all"
            | "join"
            | "join3"
            | "join4"
            | "join_all"
            | "try_join"
            | "try_join_all"
            | "race"
    )
}

/// Those of them that end only when the future, or each of the futures, has ended.
pub(crate) fn waits_for_all(name: &str) -> bool {
    forwards_future(name)
        && !matches!(
            name,
            "timeout"
                | "timeout_at"
                | "with_timeout"
                | "retry"
                | "scope"
                | "select"
                | "select_all"
                | "race"
        )
}

/// The methods of a set of tasks that wait for all of them.
pub(crate) fn joins_set(name: &str, in_loop: bool) -> bool {
    matches!(name, "join_all" | "wait") || name == "join_next" && in_loop
}

/// Functions and methods that run a future or a closure to its end before they return.
pub(crate) fn runs_argument(name: &str) -> bool {
    matches!(
        name,
        "block_on" | "block_in_place" | "catch_unwind" | "in_scope" | "run_until"
    )
}

/// Methods that put their arguments into the value that they are called on.
pub(crate) fn stores_argument(name: &str) -> bool {
    matches!(
        first_word(name),
        "push"
            | "insert"
            | "extend"
            | "append"
            | "add"
            | "set"
            | "with"
            | "spawn"
            | "register"
            | "attach"
            | "put"
            | "replace"
    )
}

/// Macros that write a log or a text, and wait for nothing.
pub(crate) fn is_log(name: &str) -> bool {
    matches!(
        name,
        "trace"
            | "debug"
            | "info"
            | "warn"
            | "error"
            | "log"
            | "event"
            | "print"
            | "println"
            | "eprint"
            | "eprintln"
            | "dbg"
    ) || name.starts_with("debug_assert")
}

/// Macros that use their arguments as values and await none of them.
pub(crate) fn only_evaluates(name: &str) -> bool {
    is_log(name)
        || matches!(
            name,
            "pin"
                | "pin_mut"
                | "vec"
                | "format"
                | "format_args"
                | "write"
                | "writeln"
                | "panic"
                | "matches"
                | "assert"
                | "assert_eq"
                | "assert_ne"
                | "anyhow"
                | "bail"
                | "ensure"
                | "eyre"
                | "todo"
                | "unimplemented"
                | "unreachable"
                | "info_span"
                | "debug_span"
                | "trace_span"
                | "warn_span"
                | "error_span"
                | "span"
                | "smallvec"
                | "json"
                | "clone"
        )
}

/// Macros whose input runs when the value that they make is polled.
pub(crate) fn makes_future(name: &str) -> bool {
    matches!(name, "stream" | "try_stream" | "async_block" | "gen")
}

/// Whether a receiver is named as a runtime, or as a handle of one.
pub(crate) fn is_runtime(receiver: &Expr) -> bool {
    let name = match receiver {
        Expr::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name),
            syn::Member::Unnamed(_) => None,
        },
        Expr::Call(call) => {
            return matches!(&*call.func, Expr::Path(path)
                if path.path.segments.last().is_some_and(|last| last.ident == "current"));
        }
        Expr::MethodCall(call) if call.method == "clone" => return is_runtime(&call.receiver),
        Expr::MethodCall(call) => Some(&call.method),
        Expr::Reference(reference) => return is_runtime(&reference.expr),
        Expr::Paren(paren) => return is_runtime(&paren.expr),
        _ => None,
    };
    name.is_some_and(|name| {
        let name = name.to_string();
        name == "rt" || name.ends_with("runtime") || name.ends_with("handle")
    })
}
