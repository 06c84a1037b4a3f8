//! The error index, `runtime/docs/errors.md`, lists every message of the two libraries, and no
//! other.
//!
//! In the index each message is a quotation. Text in backticks varies, and is not compared:
//! `` `stat` is not an argument `` is the same message as `` `foo` is not an argument ``.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cancel_guarded::{
    CancellationToken, Lifecycle, StartError, State as _, StateCell, cancel_guarded,
};
use cancel_guarded_tests::{Service, TestError, now, panic_message, running_service};
use tokio_test::{assert_pending, task};

/// The beginnings of the messages in `tests/ui` that are from rustc.
const OF_RUSTC: &[&str] = &[
    "_ couldn't convert the error",
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
    "unused",
    "variable does not need to be mutable",
];

/// The literals of `sweep` that are parts of a message.
const PARTS_OF_SWEEP: &[&str] = &[
    "after the start had succeeded",
    "at suspension point",
    "before the first poll",
    "cancelled and refused",
    "cancelled once running",
    "cancelled {point}",
    "dropped at suspension point",
    "dropped before the first poll",
    "dropped while starting",
];

/// Messages of the macro without a case in `tests/ui`: the tests in `macros/src` have them.
const WITHOUT_A_CASE: &[&str] = &["expected an argument", "_ needs a path"];

#[test]
fn every_message_of_the_macros_is_in_the_index() {
    let (index, _) = index();
    let missing: Vec<String> = said_in_ui()
        .into_iter()
        .filter(|message| !begins_with_one_of(message, OF_RUSTC))
        .filter(|message| !index.contains(message))
        .collect();
    assert!(
        missing.is_empty(),
        "not in runtime/docs/errors.md:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_index_has_no_stale_message() {
    let (index, _) = index();
    let said = said_in_ui();
    let stale: Vec<&String> = index
        .iter()
        .filter(|message| !begins_with_one_of(message, WITHOUT_A_CASE))
        .filter(|message| !said.contains(*message))
        .collect();
    assert!(stale.is_empty(), "only in the index: {stale:#?}");
}

#[test]
fn every_message_of_the_library_is_in_the_index() {
    let (_, index) = index();
    for message in said_at_run_time() {
        assert!(index.contains(&message), "not in the index: {message}");
    }
}

#[test]
fn the_index_has_the_messages_of_sweep() {
    let (_, index) = index();
    let by_sweep = said_by_sweep();
    let missing: Vec<&String> = by_sweep.difference(&index).collect();
    assert!(missing.is_empty(), "not in the index: {missing:#?}");
    let said = &by_sweep | &said_at_run_time();
    let stale: Vec<&String> = index.difference(&said).collect();
    assert!(stale.is_empty(), "only in the index: {stale:#?}");
}

/// The messages in the index: those of the compiler, and those at run time.
fn index() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = read(&repository().join("runtime/docs/errors.md"));
    let (compiler, run_time) = text
        .split_once("\n# At run time\n")
        .expect("the index has two halves");
    let messages = |text: &str| -> BTreeSet<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("> "))
            .map(without_names)
            .collect()
    };
    let (compiler, run_time) = (messages(compiler), messages(run_time));
    assert!(compiler.len() > 50, "only {} were found", compiler.len());
    assert!(run_time.len() > 20, "only {} were found", run_time.len());
    (compiler, run_time)
}

/// The first lines of all errors in `tests/ui`.
fn said_in_ui() -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    let mut folders = vec![repository().join("tests/ui")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "stderr") {
                said.extend(read(&path).lines().filter_map(first_line));
            }
        }
    }
    assert!(said.len() > 80, "only {} messages were found", said.len());
    said
}

/// The message, if this is the first line of an error.
fn first_line(line: &str) -> Option<String> {
    let rest = line.strip_prefix("error")?;
    let (code, message) = rest.split_once(": ")?;
    let is_code = code.is_empty() || code.starts_with("[E") && code.ends_with(']');
    is_code.then(|| without_names(message))
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

/// The messages in the source of `sweep`. `tests/sweep.rs` has a start for each of them.
fn said_by_sweep() -> BTreeSet<String> {
    let source = read(&repository().join("runtime/src/testing.rs"));
    let lines = source.replace("\\\n", "\\");
    let code = lines
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let literals = code.flat_map(|line| line.split('"').skip(1).step_by(2));
    let said: BTreeSet<String> = literals
        .map(|literal| literal.strip_prefix("sweep: ").unwrap_or(literal))
        .filter(|literal| literal.split_whitespace().count() >= 4)
        .filter(|literal| !begins_with_one_of(literal, PARTS_OF_SWEEP))
        .map(|literal| {
            let joined: Vec<&str> = literal.split('\\').map(str::trim_start).collect();
            without_names(&joined.concat().replace(['{', '}'], "`"))
        })
        .collect();
    assert!(said.len() > 10, "only {} were found", said.len());
    said
}

fn begins_with_one_of(message: &str, beginnings: &[&str]) -> bool {
    beginnings
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

/// Every message of the library at run time, produced here.
fn said_at_run_time() -> BTreeSet<String> {
    let mut said: Vec<String> = Vec::new();

    said.push(StartError::Cancelled.to_string());
    said.push(StartError::Failed.to_string());
    let state = Lifecycle::Running.name();
    said.push(quoted(&StartError::NotStartable { state }.to_string()));

    let (running, _token) = running_service();
    for (cell, from, to) in [
        (running.state, Lifecycle::Stopping, Lifecycle::Stopped),
        (StateCell::new(), Lifecycle::Created, Lifecycle::Running),
    ] {
        let error = cell.transition(from, to).expect_err("not from there");
        said.push(quoted(&error.to_string()));
    }

    let failed = Service::new();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let waiting = failed.state.running();
    now(failed.start(cancelled, async { Ok(()) })).expect_err("refused");
    said.push(now(waiting).expect_err("it never ran").to_string());
    said.push(cause(&failed.state));

    let failed = Service::new();
    {
        let start = failed.start::<()>(CancellationToken::new(), std::future::pending());
        assert_pending!(task::spawn(start).poll());
    }
    said.push(cause(&failed.state));

    let (running, _token) = running_service();
    drop(running.state.serve(async {}));
    said.push(cause(&running.state));

    let failed = Service::new();
    let panics = async { panic!("`why`") };
    let start = failed.start::<()>(CancellationToken::new(), panics);
    panic_message(|| {
        let _ = now(start);
    })
    .expect("it goes on into the task");
    said.push(cause(&failed.state));

    let (running, _token) = running_service();
    now(running.state.serve(async { None::<()> }));
    said.push(cause(&running.state));

    let cell = StateCell::new();
    let start = stores(&cell, CancellationToken::new(), Lifecycle::Failed);
    let message = panic_message(|| {
        let _ = now(start);
    })
    .expect("not the body's to store");
    said.push(quoted(&message));

    assert_eq!(said.len(), 12, "{said:#?}");
    said.iter().map(|message| without_names(message)).collect()
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
