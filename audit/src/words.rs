//! The names of functions, variables and states that mean something to the audit.

/// The words of a name, in lower case: `is_running`, `IsRunning` and `IS_RUNNING` have the same.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && is_after_lower {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        is_after_lower = c.is_lowercase();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

fn first_is(name: &str, list: &[&str]) -> bool {
    words(name)
        .first()
        .is_some_and(|first| list.contains(&first.as_str()))
}

fn last_is(name: &str, list: &[&str]) -> bool {
    words(name)
        .last()
        .is_some_and(|last| list.contains(&last.as_str()))
}

fn any_is(name: &str, list: &[&str]) -> bool {
    words(name).iter().any(|word| list.contains(&word.as_str()))
}

const START_FIRST: [&str; 25] = [
    "start",
    "init",
    "initialize",
    "spawn",
    "run",
    "serve",
    "listen",
    "launch",
    "boot",
    "bootstrap",
    "setup",
    "begin",
    "open",
    "connect",
    "bind",
    "new",
    "build",
    "resume",
    "restart",
    "main",
    "activate",
    "enable",
    "mount",
    "attach",
    "establish",
];
const START_LAST: [&str; 7] = [
    "loop", "worker", "task", "server", "service", "main", "daemon",
];

/// Whether a function is named as one that starts or runs something.
pub(crate) fn is_start(name: &str) -> bool {
    first_is(name, &START_FIRST) || last_is(name, &START_LAST)
}

/// Whether a call is named as the start of something that goes on.
pub(crate) fn is_start_call(name: &str) -> bool {
    let words = words(name);
    !name.starts_with(char::is_uppercase)
        && words.len() > 1
        && words.first().is_some_and(|first| {
            ["start", "init", "spawn", "launch", "serve", "bootstrap"].contains(&first.as_str())
        })
        && !words.iter().any(|word| NO_START.contains(&word.as_str()))
        || name == "start"
}

/// Words of calls that are named as a start, and start no service: `start_draining`, `init_span`.
const NO_START: [&str; 12] = [
    "span", "stopping", "draining", "shutdown", "drain", "stop", "closing", "close", "time",
    "timer", "at", "tracing",
];

const OPERATIONS: [&str; 64] = [
    "heal",
    "repair",
    "rebuild",
    "replay",
    "list",
    "get",
    "gc",
    "download",
    "upload",
    "fetch",
    "read",
    "write",
    "flush",
    "compact",
    "delete",
    "remove",
    "query",
    "process",
    "handle",
    "send",
    "recv",
    "receive",
    "poll",
    "update",
    "check",
    "wait",
    "stop",
    "shutdown",
    "close",
    "cancel",
    "drop",
    "drain",
    "sync",
    "scan",
    "import",
    "export",
    "backup",
    "copy",
    "move",
    "request",
    "call",
    "execute",
    "apply",
    "commit",
    "abort",
    "test",
    "bench",
    "next",
    "try",
    "ensure",
    "find",
    "load",
    "save",
    "store",
    "push",
    "pull",
    "verify",
    "validate",
    "parse",
    "encode",
    "decode",
    "terminate",
    "disconnect",
    "join",
];

/// Whether a function is named as an operation, which a late end does not harm.
pub(crate) fn is_operation(name: &str) -> bool {
    first_is(name, &OPERATIONS)
}

const READY: [&str; 22] = [
    "ready",
    "running",
    "started",
    "up",
    "active",
    "connected",
    "open",
    "opened",
    "online",
    "serving",
    "listening",
    "alive",
    "healthy",
    "live",
    "initialized",
    "initialised",
    "established",
    "available",
    "readiness",
    "startup",
    "bound",
    "health",
];
const NOT_READY: [&str; 10] = [
    "not", "un", "dis", "stop", "stopped", "shutdown", "closed", "cancel", "failed", "last",
];

/// Whether a name says that something is up: `is_running`, `State::Ready`.
pub(crate) fn is_ready(name: &str) -> bool {
    any_is(name, &READY) && !any_is(name, &NOT_READY)
}

/// Whether a variable is named as one that holds a state.
pub(crate) fn is_state(name: &str) -> bool {
    last_is(
        name,
        &["state", "status", "phase", "lifecycle", "stage", "mode"],
    )
}

/// Whether a method is named as one that publishes: `mark_ready`, `set_running`.
pub(crate) fn is_publishing_method(name: &str) -> bool {
    let publishes = [
        "set", "mark", "notify", "signal", "report", "announce", "publish", "become",
    ];
    words(name).len() > 1 && first_is(name, &publishes) && is_ready(name)
}

/// Whether a method is named as one that sets a state: `set_state`, `transition_to`.
pub(crate) fn sets_state(name: &str) -> bool {
    first_is(
        name,
        &[
            "set",
            "update",
            "change",
            "transition",
            "swap",
            "replace",
            "store",
        ],
    ) && (is_state(name) || name.starts_with("transition"))
        || matches!(
            name,
            "store" | "swap" | "send_replace" | "set" | "compare_exchange"
        )
}

/// Whether a function binds a socket.
pub(crate) fn is_bind(name: &str) -> bool {
    name == "bind" || name.starts_with("bind_") || name == "listen_on"
}

/// Whether a variable, a field or a method is named as a way to learn of a shutdown.
pub(crate) fn is_stop_signal(name: &str) -> bool {
    any_is(
        name,
        &[
            "cancel",
            "cancellation",
            "cancelled",
            "canceled",
            "shutdown",
            "stop",
            "quit",
            "exit",
            "terminate",
            "token",
            "kill",
            "closing",
        ],
    )
}

/// Whether an await of this call is mostly short.
pub(crate) fn is_short_wait(name: &str) -> bool {
    matches!(
        name,
        "lock"
            | "read"
            | "write"
            | "lock_owned"
            | "read_owned"
            | "write_owned"
            | "send"
            | "acquire"
            | "acquire_owned"
            | "yield_now"
            | "get"
            | "insert"
            | "remove"
            | "set"
            | "reserve"
            | "ready"
            | "tick"
            | "push"
            | "contains_key"
            | "len"
            | "is_empty"
    ) || first_is(name, &["get", "is", "has"])
}

/// Whether an await of this call may take long.
pub(crate) fn is_long_wait(name: &str) -> bool {
    any_is(
        name,
        &[
            "connect",
            "bind",
            "handshake",
            "sleep",
            "timeout",
            "init",
            "initialize",
            "start",
            "open",
            "load",
            "fetch",
            "request",
            "subscribe",
            "register",
            "build",
            "new",
            "create",
            "setup",
            "migrate",
            "resolve",
            "lookup",
            "accept",
            "recv",
            "join",
            "dial",
            "listen",
            "download",
            "query",
            "execute",
            "wait",
            "discover",
            "call",
            "restore",
            "spawn",
            "login",
            "auth",
            "authenticate",
            "ping",
            "sync",
            "negotiate",
            "retry",
            "establish",
        ],
    )
}
