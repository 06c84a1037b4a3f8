//! What is known about the functions of a workspace: plain data, without syntax.

use std::ops::Range;
use std::path::PathBuf;

/// A file that has been read.
#[derive(Debug, Default)]
pub(crate) struct SourceFile {
    /// The path from the root of the workspace, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) on_disk: PathBuf,
    /// The folder of the package that the file belongs to.
    pub(crate) package: PathBuf,
    pub(crate) functions: Vec<Function>,
    /// The types that have a field with a `CancellationToken`.
    pub(crate) token_types: Vec<TokenType>,
    pub(crate) warnings: Vec<Warning>,
}

/// A type with a field that is a token.
#[derive(Debug)]
pub(crate) struct TokenType {
    pub(crate) name: String,
    pub(crate) field: String,
}

/// A file, or a part of one, that could not be read.
#[derive(Debug)]
pub(crate) struct Warning {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

/// A function with a body.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The name with the modules of its file and its type: `server::Server::start`.
    pub(crate) qualified: String,
    /// The type of the `impl` block around it.
    pub(crate) self_type: Option<String>,
    pub(crate) has_receiver: bool,
    /// The line of the `fn` keyword.
    pub(crate) line: usize,
    /// The parameter that is the token.
    pub(crate) token: Option<String>,
    /// Whether the body mentions it.
    pub(crate) mentions_token: bool,
    pub(crate) guard: Guard,
    pub(crate) comment: Comment,
    pub(crate) is_test: bool,
    /// Whether the macro would ask whether this is a start or a run, and so probably a run.
    pub(crate) is_run: bool,
    /// The bytes of its name.
    pub(crate) range: Range<usize>,
    pub(crate) events: Vec<Event>,
    /// The functions whose futures end here when a token is cancelled.
    pub(crate) raced: Vec<String>,
}

/// How a function is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    None,
    /// By the attribute.
    Attribute,
    /// By an `Attempt` that it begins.
    Attempt,
}

/// The comment that settles a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comment {
    None,
    /// It gives no reason.
    NoReason,
    Ok,
}

/// Something that a body does, in the order of its text.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    pub(crate) range: Range<usize>,
    /// A call or a variable, as the report names it.
    pub(crate) label: String,
    /// The awaits before this event in its task, since the last look at a token.
    pub(crate) since: Vec<usize>,
    /// The task that it is part of; 0 is the function itself.
    pub(crate) task: usize,
    pub(crate) in_loop: bool,
}

/// A call, as far as it may look at the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Callee {
    pub(crate) name: String,
    /// A token is among the arguments.
    pub(crate) takes_token: bool,
    /// It is a method of `self`.
    pub(crate) on_self: bool,
    /// It stands where it is awaited; otherwise it is a variable.
    pub(crate) is_call: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// An await of something that looks at no token, except perhaps in the callee.
    Await {
        callee: Callee,
        wait: Wait,
    },
    /// A look at a token: a check, or a wait for its cancellation.
    Look,
    Spawn(Spawn),
    Bind,
    Publish(Publication),
    /// A call that is named as the start of something, and is not awaited.
    StartCall {
        callee: Callee,
    },
    /// A `select!` that also waits for a token.
    Select {
        is_biased: bool,
    },
}

/// How long an await may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wait {
    /// A lock or a channel: mostly short.
    Short,
    Unknown,
    /// A network, a disk, a timer, another start.
    Long,
}

/// A task that is spawned.
#[derive(Clone, Debug)]
pub(crate) struct Spawn {
    /// The function whose future is spawned.
    pub(crate) function: Option<String>,
    pub(crate) first: First,
    /// It is part of a service, or of a set of tasks that ends with the function.
    pub(crate) is_owned: bool,
    /// The function awaits it.
    pub(crate) is_joined: bool,
}

/// The first thing that a spawned task does.
#[derive(Clone, Debug)]
pub(crate) enum First {
    /// It looks at a token.
    Look,
    /// It calls a function.
    Call(Callee),
    Other,
}

/// How something is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publication {
    /// A write of a state or of a flag.
    State,
    /// A message or a wake-up.
    Signal,
}
