//! Programs, what a tool says about them, and the comparison.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// A function, and what rustc reports without the attribute.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// The codes of all errors and warnings, in order.
    pub(crate) says: &'static [&'static str],
    pub(crate) differs: Differs,
    /// The attribute.
    pub(crate) guard: &'static str,
    /// `@guard` stands for the attribute, `@token` for the parameter of the token, `@shield` for a
    /// `#[shielded]`, and `@cell` for the type of a cell that has a `store` without the attribute.
    pub(crate) text: &'static str,
}

/// Which differences are accepted, because they could not be avoided.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Differs {
    /// No difference.
    Nothing,
    /// The label, and further warnings: rustc knows less about a receiver in an async block, in
    /// which the body is passed to the runtime, than in an `async fn`.
    Label,
    /// A note: the value of the `.await` is that of the runtime's future around the operand, which
    /// the note names.
    Note,
    /// The warning is not given: the attribute's `.await` is not that of an `async fn`, and a second
    /// await that rustc would know makes long bodies slow to compile.
    Unheard,
}

impl Program {
    /// The function within its file. Both variants have the same lines.
    fn file(&self, is_guarded: bool) -> String {
        // The token is used by the attribute alone.
        let (guard, token) = if is_guarded {
            (self.guard, "shutdown: CancellationToken,")
        } else {
            (
                "",
                "#[allow(unused_variables)] shutdown: CancellationToken,",
            )
        };
        let shield = if is_guarded { "#[shielded]" } else { "" };
        let cell = if is_guarded {
            "StateCell<Phase>"
        } else {
            "PlainCell"
        };
        let text = self
            .text
            .replace("@guard", guard)
            .replace("@token", token)
            .replace("@shield", shield)
            .replace("@cell", cell);
        format!("{PRELUDE}{text}")
    }
}

/// The items that all programs share.
const PRELUDE: &str = "
#![allow(dead_code)]
#![warn(unused_qualifications)]
#[allow(unused_imports)]
use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
fn main() {}
#[derive(Debug)]
struct Error;
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(\"no\") }
}
impl From<cancel_guarded::StartError> for Error {
    fn from(_: cancel_guarded::StartError) -> Self { Self }
}
struct Stranger;
async fn number() -> u32 { 1 }
async fn fallible() -> Result<u32, Error> { Ok(1) }
async fn strange() -> Result<u32, Stranger> { Ok(1) }
async fn borrows(_: &mut String) {}
async fn takes(_: String) -> u32 { 1 }
fn no_future() -> u32 { 1 }
#[must_use = \"it is dear\"]
async fn dear() -> u32 { 1 }
#[deprecated = \"it is old\"]
async fn old() -> u32 { 1 }
fn send(_: impl Send) {}
struct Service { state: StateCell, count: u32, name: String }
";

/// The reports of each binary.
pub(crate) type Said = BTreeMap<String, Vec<Diagnostic>>;

/// An error or a warning, in a form that can be compared and read.
pub(crate) struct Diagnostic {
    pub(crate) code: String,
    /// Its code and message.
    message: String,
    /// Where it is.
    place: String,
    /// Its code, message, place and label.
    main: String,
    /// The whole report.
    whole: String,
    /// The changes that `--fix` would make.
    pub(crate) fixes: Vec<String>,
}

pub(crate) fn check(tool: &str, programs: &[Program]) -> Said {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let package = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("diagnostics")
        .join(tool);
    let binaries = package.join("src/bin");
    // An earlier run may have written programs that no longer exist.
    let _ = fs::remove_dir_all(&binaries);
    fs::create_dir_all(&binaries).expect("the target folder can be written to");
    let manifest = format!(
        "[package]\nname = \"diagnostics\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\ncancel-guarded = {{ path = '{}' }}\n",
        root.join("runtime").display()
    );
    fs::write(package.join("Cargo.toml"), manifest).expect("the manifest can be written");
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("there is a lock file");
    for program in programs {
        for is_guarded in [false, true] {
            let file = binaries.join(format!("{}.rs", binary(program.name, is_guarded)));
            fs::write(file, program.file(is_guarded)).expect("a program can be written");
        }
    }

    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([tool, "--bins", "--offline", "--keep-going"])
        .args(["--message-format=json", "--target-dir"])
        .arg(package.join("../target"))
        .current_dir(&package)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo runs");
    let output_text = String::from_utf8_lossy(&output.stdout);
    let mut said: Said = programs
        .iter()
        .flat_map(|program| [false, true].map(|guarded| binary(program.name, guarded)))
        .map(|name| (name, Vec::new()))
        .collect();
    let mut heard = 0;
    for line in output_text.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        if message["reason"] != "compiler-message" {
            continue;
        }
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let Some(of_binary) = said.get_mut(name) else {
            panic!("of the libraries: {}", message["message"]["rendered"]);
        };
        heard += 1;
        of_binary.extend(diagnostic(&message["message"]));
    }
    assert!(
        heard > 0,
        "cargo checked nothing:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

pub(crate) fn binary(program: &str, is_guarded: bool) -> String {
    let variant = if is_guarded { "guarded" } else { "plain" };
    format!("{program}-{variant}")
}

fn diagnostic(message: &Value) -> Option<Diagnostic> {
    let text = message["message"].as_str().unwrap_or_default();
    // The count of errors, at the end.
    let is_summary = text.contains(" warning emitted")
        || text.contains(" warnings emitted")
        || text.starts_with("aborting due to")
        || message["level"] == "failure-note";
    if is_summary {
        return None;
    }
    let code = message["code"]["code"].as_str().unwrap_or("-");
    let first = format!("{code} {}: {text}\n", message["level"].as_str()?);
    let places = spans(message);
    let is_primary = |place: &&String| place.starts_with("    ^");
    let primary: String = places.iter().filter(is_primary).cloned().collect();
    let place = primary.split_whitespace().take(2).collect();
    let mut whole = format!("{first}{}", places.concat());
    let children = message["children"].as_array()?;
    for child in children {
        let (level, text) = (child["level"].as_str()?, child["message"].as_str()?);
        whole.extend([format!("  {level}: {text}\n")]);
        whole.extend(spans(child));
    }
    let parts = std::iter::once(message).chain(children);
    let fixes = parts.flat_map(fixes).collect();
    Some(Diagnostic {
        fixes,
        code: code.to_owned(),
        message: first.clone(),
        place,
        main: first + &primary,
        whole,
    })
}

/// The places of a message, with their labels.
fn spans(message: &Value) -> Vec<String> {
    let mut lines: Vec<String> = message["spans"]
        .as_array()
        .into_iter()
        .flatten()
        // The paths of libraries differ between machines.
        .filter(|span| {
            let file = span["file_name"].as_str();
            file.is_some_and(|name| name.starts_with("src"))
        })
        .map(|span| {
            let is_primary = span["is_primary"] == true;
            let sign = if is_primary { "^" } else { "-" };
            let is_ours = is_expanded_by_us(span);
            let ours = if is_ours {
                " (of #[cancel_guarded])"
            } else {
                ""
            };
            let label = span["label"].as_str().unwrap_or_default();
            let instead = span["suggested_replacement"].as_str();
            let instead = instead
                .map(|text| format!(" => {text:?}"))
                .unwrap_or_default();
            format!(
                "    {sign} {}:{}-{}:{}{ours} {label}{instead}\n",
                span["line_start"], span["column_start"], span["line_end"], span["column_end"],
            )
        })
        .collect();
    lines.sort();
    lines
}

/// The changes that `--fix` would make for one part of a message.
fn fixes(part: &Value) -> Vec<String> {
    let fixes = part["spans"].as_array().into_iter().flatten();
    fixes
        .filter(|span| span["suggestion_applicability"] == "MachineApplicable")
        .map(|span| {
            format!(
                "{}:{}-{}:{} => {}",
                span["line_start"],
                span["column_start"],
                span["line_end"],
                span["column_end"],
                span["suggested_replacement"],
            )
        })
        .collect()
}

/// Whether a place is in generated code.
fn is_expanded_by_us(span: &Value) -> bool {
    let expansion = &span["expansion"];
    let by = expansion["macro_decl_name"].as_str().unwrap_or_default();
    by.contains("cancel_guarded") || !expansion.is_null() && is_expanded_by_us(&expansion["span"])
}

pub(crate) fn hold(program: &Program, said: &Said) {
    let [plain, guarded] = [false, true].map(|is_guarded| &said[&binary(program.name, is_guarded)]);
    let codes: Vec<&str> = plain.iter().map(|said| &*said.code).collect();
    assert_eq!(codes, program.says, "without it:\n{}", whole(plain));

    let compared = |said: &[Diagnostic]| -> Vec<String> {
        said.iter()
            .filter(|said| program.differs != Differs::Label || said.code.starts_with('E'))
            .map(|said| match program.differs {
                Differs::Nothing | Differs::Note | Differs::Unheard => said.main.clone(),
                Differs::Label => format!("{}{}", said.message, said.place),
            })
            .collect()
    };
    no_other_fixes(plain, guarded);
    if program.differs == Differs::Unheard {
        assert!(guarded.is_empty(), "it is heard:\n{}", whole(guarded));
        return;
    }
    assert!(
        compared(plain) == compared(guarded),
        "without the attribute:\n{}\nwith it:\n{}",
        whole(plain),
        whole(guarded)
    );
    if program.differs == Differs::Note {
        return;
    }
    for ours in ["__", "(of #[cancel_guarded])", "cancel_guarded::"] {
        let before = whole(plain).matches(ours).count();
        let now = whole(guarded).matches(ours).count();
        assert_eq!(now, before, "it speaks of {ours}:\n{}", whole(guarded));
    }
}

/// What is offered for the guarded function is offered for the plain one as well.
pub(crate) fn no_other_fixes(plain: &[Diagnostic], guarded: &[Diagnostic]) {
    let before: Vec<&String> = plain.iter().flat_map(|said| &said.fixes).collect();
    let mut now = guarded.iter().flat_map(|said| &said.fixes);
    let other = now.find(|fix| !before.contains(fix));
    assert!(
        other.is_none(),
        "`--fix` would write {other:?}:\n{}",
        whole(guarded)
    );
}

pub(crate) fn whole(said: &[Diagnostic]) -> String {
    let wholes: Vec<&str> = said.iter().map(|said| &*said.whole).collect();
    wholes.join("\n")
}

/// Makes a test of each program.
macro_rules! programs {
    ($(
        $name:ident $([$guard:literal])? says [$($code:literal),*] $(but $differs:ident)?: $text:literal
    )*) => {
        pub(crate) const PROGRAMS: &[$crate::harness::Program] = &[$($crate::harness::Program {
            name: stringify!($name),
            says: &[$($code),*],
            differs: $crate::harness::programs!(@differs $($differs)?),
            guard: $crate::harness::programs!(@guard $($guard)?),
            text: $text,
        }),*];

        $(
            #[test]
            fn $name() {
                let named = |program: &&$crate::harness::Program| program.name == stringify!($name);
                let program = PROGRAMS.iter().find(named).expect("it is in the list");
                $crate::harness::hold(program, $crate::said());
            }
        )*
    };
    (@differs) => { $crate::harness::Differs::Nothing };
    (@differs $differs:ident) => { $crate::harness::Differs::$differs };
    (@guard) => { "#[cancel_guarded]" };
    (@guard $guard:literal) => { $guard };
}

pub(crate) use programs;
