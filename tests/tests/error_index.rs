//! The error index, `runtime/docs/errors.md`, lists every message of the attribute, of
//! `#[derive(State)]`, of the library and of `sweep`, and no other.
//!
//! In the index, each message is a quotation. Text in backticks varies, and is not compared:
//! `` `stat` is not an argument `` is the same message as `` `foo` is not an argument ``. An ellipsis
//! stands for any text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cancel_guarded::{
    CancellationToken, Failure, Lifecycle, StartError, State as _, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{TestError, now, panic_message, running_service};
use tokio_test::{assert_pending, assert_ready, task};

/// The beginnings of the messages in `tests/ui` that are from rustc.
const OF_RUSTC: &[&str] = &[
    "_ couldn't convert the error",
    "_ doesn't implement _",
    "_ does not live long enough",
    "_ is not a future",
    "cannot find",
    "closure is expected to take",
    "expected _, found",
    "expected expression",
    "expected function",
    "expected identifier",
    "expected one of",
    "expected type",
    "function _ is never used",
    "functions cannot be both",
    "future cannot be sent",
    "mismatched types",
    "missing parameters for function definition",
    "no field",
    "the method _ exists",
    "the trait bound",
    "unexpected token",
    "unreachable statement",
    "unresolved import",
    "unused",
    "variable does not need to be mutable",
];

#[test]
fn every_message_of_the_macros_is_in_the_index() {
    let index = index().compiler;
    let missing: Vec<String> = ui_messages()
        .into_iter()
        .filter(|message| !begins_with_one_of(message, OF_RUSTC))
        .filter(|message| !index.iter().any(|entry| is_entry_of(entry, message)))
        .collect();
    assert!(
        missing.is_empty(),
        "not in runtime/docs/errors.md:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_index_has_no_stale_message() {
    let index = index().compiler;
    let messages = ui_messages();
    let stale: Vec<&String> = index
        .iter()
        .filter(|entry| !messages.iter().any(|message| is_entry_of(entry, message)))
        .collect();
    assert!(stale.is_empty(), "only in the index: {stale:#?}");
}

#[test]
fn the_index_has_the_messages_of_the_library() {
    assert_eq!(index().run_time, library_messages());
}

#[test]
fn the_index_has_the_messages_of_sweep() {
    assert_eq!(index().sweep, sweep_messages());
}

/// The messages in the index.
struct Index {
    compiler: BTreeSet<String>,
    run_time: BTreeSet<String>,
    sweep: BTreeSet<String>,
}

fn index() -> Index {
    let text = read(&repository().join("runtime/docs/errors.md"));
    let before = |text: &str, heading: &str| -> (String, String) {
        let (before, after) = text
            .split_once(&format!("\n# {heading}\n"))
            .unwrap_or_else(|| panic!("the index has no section {heading}"));
        (before.to_owned(), after.to_owned())
    };
    let (compiler, rest) = before(&text, "From rustc");
    let (_, rest) = before(&rest, "At run time");
    let (run_time, sweep) = before(&rest, "From `sweep`");
    let messages = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("> "))
            .map(without_names)
            .collect()
    };
    let index = Index {
        compiler: messages(&compiler),
        run_time: messages(&run_time),
        sweep: messages(&sweep),
    };
    let lengths = [&index.compiler, &index.run_time, &index.sweep].map(BTreeSet::len);
    assert!(
        lengths[0] > 50 && lengths[1] > 10 && lengths[2] > 20,
        "only {lengths:?} were found"
    );
    index
}

/// The literals of the file that says what a sweep has found.
fn sweep_messages() -> BTreeSet<String> {
    let source = read(&repository().join("runtime/src/testing/problem.rs"));
    let (_, messages) = source
        .split_once("impl fmt::Display for Problem {")
        .expect("it displays the problems");
    let (messages, _) = messages.split_once("\n}\n").expect("it ends");
    let literals = messages.split('"').skip(1).step_by(2);
    literals
        .map(|literal| {
            let mut lines = literal.split("\\\n");
            let first = lines.next().unwrap_or_default().to_owned();
            lines.fold(first, |text, line| text + line.trim_start())
        })
        .filter(|literal| literal.split(' ').count() >= 4)
        .map(|literal| without_names(&with_example_values(&literal)))
        .collect()
}

/// Puts a value in backticks for each argument of a format string.
fn with_example_values(format: &str) -> String {
    let format = format.replace("{{", "(").replace("}}", ")");
    let format = format.replace("`{", "{").replace("}`", "}");
    let mut text = String::new();
    for (position, part) in format.split('{').enumerate() {
        let after = part.split_once('}').filter(|_| position > 0);
        text += &after.map_or_else(|| part.to_owned(), |(_, after)| format!("`_`{after}"));
    }
    text
}

/// The first lines of all errors in `tests/ui`.
fn ui_messages() -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    let mut folders = vec![repository().join("tests/ui")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "stderr") {
                messages.extend(read(&path).lines().filter_map(first_line));
            }
        }
    }
    assert!(messages.len() > 80, "only {} were found", messages.len());
    messages
}

/// The message, if this is the first line of an error.
fn first_line(line: &str) -> Option<String> {
    let rest = line.strip_prefix("error")?;
    let (code, message) = rest.split_once(": ")?;
    let is_code = code.is_empty() || code.starts_with("[E") && code.ends_with(']');
    is_code.then(|| without_names(message))
}

/// Whether `entry`, in which an ellipsis stands for any text, describes `message`.
fn is_entry_of(entry: &str, message: &str) -> bool {
    let mut rest = message;
    for (position, part) in entry.split('…').enumerate() {
        let found = if position == 0 {
            rest.starts_with(part).then_some(0)
        } else {
            rest.find(part)
        };
        let Some(start) = found else { return false };
        rest = &rest[start + part.len()..];
    }
    rest.is_empty() || entry.ends_with('…')
}

/// Replaces text in backticks, and lists of such text, by `_`.
fn without_names(message: &str) -> String {
    let mut text = String::new();
    for (position, part) in message.split('`').enumerate() {
        text.push_str(if position % 2 == 0 { part } else { "_" });
    }
    for separator in [", ", " or ", " and "] {
        let list = format!("_{separator}_");
        while text.contains(&list) {
            text = text.replace(&list, "_");
        }
    }
    text
}

fn begins_with_one_of(message: &str, beginnings: &[&str]) -> bool {
    beginnings
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

/// Every message of the library at run time, produced here.
fn library_messages() -> BTreeSet<String> {
    let state = Lifecycle::Running.name();
    let failure = Failure::new("`no disk`");
    let mut messages = vec![
        StartError::Cancelled.to_string(),
        StartError::StopRequested.to_string(),
        StartError::Failed(failure).to_string(),
        quoted(&StartError::NotStartable { state }.to_string()),
    ];

    let (running, _token) = running_service();
    for (cell, from, to) in [
        (running.state, Lifecycle::Stopping, Lifecycle::Stopped),
        (StateCell::new(), Lifecycle::Created, Lifecycle::Running),
    ] {
        let error = cell.transition(from, to).expect_err("not allowed");
        messages.push(quoted(&error.to_string()));
    }

    let cell: StateCell = StateCell::new();
    let waiting = cell.running();
    cell.fail("`no disk`");
    messages.push(now(waiting).expect_err("it never ran").to_string());
    let cell: StateCell = StateCell::new();
    cell.request_stop();
    messages.push(now(cell.running()).expect_err("stopped").to_string());

    let (cell, token) = (StateCell::new(), CancellationToken::new());
    token.cancel();
    cell.begin(&token).expect_err("the token is cancelled");
    messages.push(cause(&cell));

    let cell: StateCell = StateCell::new();
    drop(cell.begin(&CancellationToken::new()));
    messages.push(cause(&cell));

    let cell = StateCell::new();
    let waits = std::future::pending();
    let mut start = task::spawn(waits_for(&cell, CancellationToken::new(), waits));
    assert_pending!(start.poll());
    drop(start);
    messages.push(cause(&cell));

    let (running, _token) = running_service();
    drop(running.state.serve(async {}));
    messages.push(without_line(&cause(&running.state)));

    let (running, _token) = running_service();
    let mut served = task::spawn(running.state.serve(std::future::pending::<()>()));
    assert_pending!(served.poll());
    drop(served);
    messages.push(without_line(&cause(&running.state)));

    let (running, _token) = running_service();
    let mut served = task::spawn(running.state.serve(std::future::pending::<()>()));
    assert_pending!(served.poll());
    running.state.abort();
    assert_ready!(served.poll());
    messages.push(cause(&running.state));

    let (running, _token) = running_service();
    let guard = running.state.serve_guard();
    panic_message(|| {
        let _guard = guard;
        panic!("while the guard lives");
    });
    messages.push(cause(&running.state));

    let (running, _token) = running_service();
    let served = running.state.serve(async { panic!("`why`") });
    panic_message(|| {
        now(served);
    });
    messages.push(cause(&running.state));

    let (running, _token) = running_service();
    now(running.state.serve(async { None::<()> }));
    messages.push(cause(&running.state));

    for state in [Lifecycle::Failed, Lifecycle::Running] {
        let cell = StateCell::new();
        let start = stores(&cell, CancellationToken::new(), state);
        let message = panic_message(|| {
            let _ = now(start);
        });
        messages.push(quoted(&message.expect("the state cannot be stored")));
    }
    messages
        .iter()
        .map(|message| without_names(message))
        .collect()
}

/// Waits for `what`.
#[cancel_guarded(state = cell)]
async fn waits_for(
    cell: &StateCell,
    shutdown: CancellationToken,
    what: impl Future<Output = ()>,
) -> Result<(), TestError> {
    what.await;
    Ok(())
}

/// Stores `state`.
#[cancel_guarded(state = cell)]
async fn stores(
    cell: &StateCell,
    shutdown: CancellationToken,
    state: Lifecycle,
) -> Result<(), TestError> {
    cell.store(state);
    Ok(())
}

fn cause(cell: &StateCell) -> String {
    cell.failure().expect("a cause").to_string()
}

/// Puts the line of this file in backticks, as the index does.
fn without_line(message: &str) -> String {
    let (before, rest) = message.split_once(file!()).expect("names this file");
    let rest = rest.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    format!("{before}`_`{rest}")
}

/// Puts the names of states in backticks, as the index does.
fn quoted(message: &str) -> String {
    let names = Lifecycle::VARIANTS.iter().map(|state| state.name());
    names.fold(message.to_owned(), |text, name| text.replace(name, "`_`"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
