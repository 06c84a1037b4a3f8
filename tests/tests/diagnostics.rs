//! rustc reports the same errors and warnings for a guarded function as without the attribute, and
//! neither rustc nor clippy offers to change it otherwise.
//!
//! Each program is compiled twice, with and without the attribute, and the reports are compared:
//! code, message, place and label of every error and warning. Notes and helps may differ, but never
//! point at generated code. The changes of `cargo fix` and `cargo clippy --fix` are compared, too.
//!
//! The programs are binaries of one package in the target folder, checked in one run of each tool.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use serde_json::Value;

/// A function, and what rustc reports without the attribute.
struct Program {
    name: &'static str,
    /// The codes of all errors and warnings, in order.
    says: &'static [&'static str],
    differs: Differs,
    /// The attribute.
    guard: &'static str,
    /// `@guard` stands for the attribute, `@token` for the parameter of the token, `@shield` for a
    /// `#[shielded]`, and `@cell` for the type of a cell that has a `store` without the attribute.
    text: &'static str,
}

/// Which differences are accepted, because they could not be avoided.
#[derive(PartialEq)]
enum Differs {
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
type Said = BTreeMap<String, Vec<Diagnostic>>;

/// An error or a warning, in a form that can be compared and read.
struct Diagnostic {
    code: String,
    /// Its code and message.
    message: String,
    /// Where it is.
    place: String,
    /// Its code, message, place and label.
    main: String,
    /// The whole report.
    whole: String,
    /// The changes that `--fix` would make.
    fixes: Vec<String>,
}

fn said() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(|| check("check", PROGRAMS))
}

fn check(tool: &str, programs: &[Program]) -> Said {
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

fn binary(program: &str, is_guarded: bool) -> String {
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

fn hold(program: &Program) {
    let [plain, guarded] =
        [false, true].map(|is_guarded| &said()[&binary(program.name, is_guarded)]);
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
fn no_other_fixes(plain: &[Diagnostic], guarded: &[Diagnostic]) {
    let before: Vec<&String> = plain.iter().flat_map(|said| &said.fixes).collect();
    let mut now = guarded.iter().flat_map(|said| &said.fixes);
    let other = now.find(|fix| !before.contains(fix));
    assert!(
        other.is_none(),
        "`--fix` would write {other:?}:\n{}",
        whole(guarded)
    );
}

fn whole(said: &[Diagnostic]) -> String {
    let wholes: Vec<&str> = said.iter().map(|said| &*said.whole).collect();
    wholes.join("\n")
}

/// `cargo clippy --fix` makes no change to a guarded function that it does not make to a plain one:
/// it cannot write into generated code, and must not write around it.
#[test]
fn clippy_offers_no_other_fixes() {
    let said = check("clippy", TO_FIX);
    for program in TO_FIX {
        let [plain, guarded] =
            [false, true].map(|is_guarded| &said[&binary(program.name, is_guarded)]);
        let errors = guarded.iter().find(|said| said.code.starts_with('E'));
        assert!(errors.is_none(), "{}:\n{}", program.name, whole(guarded));
        let offered = plain.iter().any(|said| !said.fixes.is_empty());
        assert!(offered, "{}: there is something to fix", program.name);
        no_other_fixes(plain, guarded);
    }
}

/// Code that clippy offers to change, with awaits and stores in it.
const TO_FIX: &[Program] = &[
    Program {
        name: "fix_awaits",
        says: &[],
        differs: Differs::Nothing,
        guard: "#[cancel_guarded]",
        text: "
#![warn(clippy::pedantic, clippy::nursery)]
@guard
async fn start(@token
) -> Result<u32, Error> {
    for _ in 0..1 { number().await; }
    let y = match fallible().await { Ok(v) => v, Err(e) => return Err(e) };
    let z = fallible().await.or_else(|e| Err(Error::from(e)))?;
    let w = { let r = fallible().await?; r };
    if let Some(x) = Some(fallible().await?) { drop(x); } else { () }
    while let Some(_) = None::<u32> { number().await; }
    let q = Box::pin(async { let z = fallible().await; z }).await?;
    let s = format!(\"{}\", fallible().await?);
    println!(\"{}\", s);
    let n = fallible().await?.clone();
    let k = (fallible().await?).min(n);
    let m = fallible().await.map(|x| x + 1).unwrap_or(0);
    let c = takes(String::from(\"x\").to_string()).await as u32;
    return Ok(y + z + w + q + k + m + c);
}
",
    },
    Program {
        name: "fix_stores",
        says: &[],
        differs: Differs::Nothing,
        guard: "#[cancel_guarded(state = self.state)]",
        text: "
#![warn(clippy::pedantic, clippy::nursery)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, cancel_guarded::State)]
enum Phase {
    #[state(initial, stopped)] Idle,
    #[state(starting)] Opening,
    Migrating,
    #[state(running)] Up,
    #[state(stopping)] Draining,
    #[state(failed)] Broken,
}
struct PlainCell;
impl PlainCell { fn store(&self, _: Phase) {} }
struct Database { state: @cell }
impl Database {
    @guard
    async fn start(&self, migrate: bool, @token
    ) -> Result<u32, Error> {
        let after = self.state.store(Phase::Migrating);
        let _ = after;
        if migrate {
            self.state.store(Phase::Migrating)
        }
        { self.state.store(Phase::Migrating) }
        let p = Phase::Migrating;
        self.state.store(p.clone());
        (self.state).store(Phase::Migrating.into());
        match 1 { 1 => { self.state.store(Phase::Migrating) } _ => () }
        if fallible().await? == 1 { (self.state.store(Phase::Migrating)); }
        let _r = self.state.store(Phase::Migrating);
        return Ok(number().await);
    }
}
",
    },
];

/// Makes a test of each program.
macro_rules! programs {
    ($(
        $name:ident $([$guard:literal])? says [$($code:literal),*] $(but $differs:ident)?: $text:literal
    )*) => {
        const PROGRAMS: &[Program] = &[$(Program {
            name: stringify!($name),
            says: &[$($code),*],
            differs: programs!(@differs $($differs)?),
            guard: programs!(@guard $($guard)?),
            text: $text,
        }),*];

        $(
            #[test]
            fn $name() {
                let named = |program: &&Program| program.name == stringify!($name);
                hold(PROGRAMS.iter().find(named).expect("it is in the list"));
            }
        )*
    };
    (@differs) => { Differs::Nothing };
    (@differs $differs:ident) => { Differs::$differs };
    (@guard) => { "#[cancel_guarded]" };
    (@guard $guard:literal) => { $guard };
}

programs! {
    the_type_of_a_binding says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    let x: u8 = number().await;
    let _ = x;
    Ok(())
}
"
    the_type_of_a_binding_of_an_awaited_method says ["E0308"]: "
impl Service {
    async fn number(&self) -> u32 { self.count }
    @guard
    async fn start(&self, @token
    ) -> Result<(), Error> {
        let x: String = self.number().await;
        drop(x);
        Ok(())
    }
}
"
    an_error_that_does_not_convert says ["E0277"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    strange().await?;
    let _x = 1;
    Ok(())
}
"
    a_bound_error_that_does_not_convert says ["E0277"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = strange().await?;
    Ok(x)
}
"
    a_missing_ok says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    let x = fallible().await?;
    drop(x);
}
"
    a_missing_ok_behind_an_await says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    number().await;
}
"
    a_missing_ok_behind_a_question says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {
    fallible().await?;
}
"
    a_missing_ok_in_a_method says ["E0308"]: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<(), Error> {
        if self.count > 0 {
            fallible().await?;
        }
    }
}
"
    an_empty_body says ["E0308"]: "
@guard
async fn start(@token
) -> Result<(), Error> {}
"
    a_tail_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await
}
"
    a_tail_of_another_result says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    strange().await
}
"
    a_tail_that_is_a_literal says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await;
    5
}
"
    a_value_within_ok_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u8, Error> {
    Ok(number().await)
}
"
    a_returned_value_of_another_type says ["E0308", "E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    if number().await == 1 {
        return 5;
    }
    return fallible().await?;
}
"
    a_value_where_none_is_returned says ["E0308"]: "
@guard
async fn start(@token
) {
    number().await
}
"
    an_unknown_variable says ["E0425"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(takes(nothing).await)
}
"
    an_unknown_future says ["E0425"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    nothing().await;
    Ok(1)
}
"
    an_unknown_method says ["E0599"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await.nothing().await;
    Ok(x)
}
"
    an_unknown_type_to_return says ["E0425"]: "
@guard
async fn start(@token
) -> Result<Nothing, Error> {
    Ok(number().await)
}
"
    an_unknown_type_of_a_parameter says ["E0425"]: "
@guard
async fn start(@token
    _n: Nothing,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    too_many_arguments says ["E0061"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(number(1).await)
}
"
    an_argument_of_another_type says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(takes(5).await)
}
"
    a_type_that_nothing_tells says ["E0282"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut v = Vec::new();
    number().await;
    v.clear();
    Ok(1)
}
"
    no_future says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    Ok(no_future().await)
}
"
    no_future_in_a_statement says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    no_future().await;
    Ok(1)
}
"
    no_future_in_a_binding says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = 5.await;
    Ok(x)
}
"
    a_result_that_is_awaited_and_no_future says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let file = std::fs::read(\"x\").await;
    drop(file);
    Ok(1)
}
"
    a_forgotten_await says ["E0277"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = fallible()?;
    Ok(x)
}
"
    a_use_after_a_move_into_an_await says ["E0382"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let text = String::new();
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_parameter_used_after_a_move says ["E0382"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_parameter_moved_in_a_loop ["#[cancel_guarded(start)]"] says ["E0382"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    loop {
        takes(text).await;
    }
}
"
    a_field_moved_out_of_a_borrow says ["E0507"] but Label: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<u32, Error> {
        Ok(takes(self.name).await)
    }
}
"
    a_borrow_across_an_await says ["E0499"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut text = String::new();
    let first = &mut text;
    borrows(&mut text).await;
    first.push('!');
    Ok(1)
}
"
    two_borrows_in_a_binding says ["E0502"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut text = String::new();
    let first = &text;
    let x = borrows(&mut text).await;
    drop((first, x));
    Ok(1)
}
"
    a_borrow_that_ends_too_soon says ["E0597"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let outer;
    {
        let inner = takes(String::new()).await;
        outer = &inner;
    }
    Ok(*outer)
}
"
    a_temporary_that_ends_too_soon says ["E0716"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let text: &str = std::future::ready(String::new()).await.as_str();
    number().await;
    Ok(u32::from(text.is_empty()))
}
"
    a_reference_to_a_local_returned says ["E0515"]: "
@guard
async fn start(@token
) -> Result<&'static str, Error> {
    let text = String::new();
    number().await;
    Ok(&text)
}
"
    a_reference_to_a_parameter_returned says ["E0515"]: "
@guard
async fn start(@token
    text: String,
) -> Result<&'static str, Error> {
    number().await;
    Ok(&text)
}
"
    a_second_assignment says ["E0384"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    x += number().await;
    Ok(x)
}
"
    a_parameter_that_is_not_mutable says ["E0384"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    n += number().await;
    Ok(n)
}
"
    a_parameter_borrowed_as_mutable says ["E0596"]: "
@guard
async fn start(@token
    text: String,
) -> Result<u32, Error> {
    borrows(&mut text).await;
    Ok(1)
}
"
    a_receiver_that_is_not_mutable says ["E0594"] but Label: "
impl Service {
    @guard
    async fn start(&self, @token
    ) -> Result<u32, Error> {
        self.count = number().await;
        Ok(1)
    }
}
"
    a_receiver_by_value_that_is_not_mutable says ["E0594"] but Label: "
impl Service {
    @guard
    async fn start(self, @token
    ) -> Result<u32, Error> {
        self.count = number().await;
        Ok(1)
    }
}
"
    a_receiver_borrowed_twice says ["E0502"]: "
impl Service {
    @guard
    async fn start(&mut self, @token
    ) -> Result<u32, Error> {
        let name = &self.name;
        borrows(&mut self.name).await;
        drop(name.clone());
        Ok(1)
    }
}
"
    a_missing_lifetime says ["E0106"]: "
@guard
async fn start(@token
    _a: &str,
    _b: &str,
) -> Result<&str, Error> {
    number().await;
    Ok(\"\")
}
"
    a_lifetime_that_is_too_short says ["-"]: "
@guard
async fn start<'a, 'b>(@token
    _a: &'a str,
    b: &'b str,
) -> Result<&'a str, Error> {
    number().await;
    Ok(b)
}
"
    a_future_that_is_not_send says ["-"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let rc = std::rc::Rc::new(1);
    number().await;
    Ok(*rc)
}
fn is_sent() { send(start(CancellationToken::new())) }
"
    a_future_whose_operand_is_not_send says ["-"]: "
async fn of_rc(_: std::rc::Rc<u32>) -> u32 { number().await }
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = of_rc(std::rc::Rc::new(1)).await;
    Ok(x)
}
fn is_sent() { send(start(CancellationToken::new())) }
"
    a_half_typed_line says ["-", "E0425", "E0599", "E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().
    Ok(x)
}
"
    a_half_typed_match says ["-"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    match number().await {
        1 =>
    }
    Ok(1)
}
"

    warns_of_an_unused_local says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    Ok(1)
}
"
    warns_of_an_unused_parameter says ["unused_variables"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_reference says ["unused_variables"]: "
@guard
async fn start(@token
    n: &u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_mutable_parameter says ["unused_mut", "unused_variables"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    Ok(number().await)
}
"
    warns_of_an_unused_part_of_a_pattern says ["unused_variables"]: "
@guard
async fn start(@token
    (a, b): (u32, u32),
) -> Result<u32, Error> {
    number().await;
    Ok(a)
}
"
    warns_of_an_unused_part_of_a_pattern_with_rest says ["unused_variables"]: "
@guard
async fn start(@token
    (a, b, ..): (u32, u32, u32),
) -> Result<u32, Error> {
    number().await;
    Ok(a)
}
"
    warns_of_an_unused_field_of_a_pattern says ["unused_variables"]: "
struct Point { x: u32, y: u32 }
@guard
async fn start(@token
    Point { x, y }: Point,
) -> Result<u32, Error> {
    number().await;
    Ok(x)
}
"
    warns_of_an_unused_mut_of_a_parameter says ["unused_mut"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    Ok(number().await + n)
}
"
    warns_of_an_unused_mut_in_a_pattern says ["unused_mut"]: "
@guard
async fn start(@token
    (mut a, b): (u32, u32),
) -> Result<u32, Error> {
    Ok(number().await + a + b)
}
"
    warns_of_an_unused_mut_of_a_receiver says ["unused_mut"]: "
impl Service {
    @guard
    async fn start(mut self, @token
    ) -> Result<u32, Error> {
        Ok(number().await + self.count)
    }
}
"
    warns_of_an_unused_mut_of_a_local says ["unused_mut"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut x = number().await;
    Ok(x)
}
"
    warns_of_an_unused_assignment says ["unused_assignments"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut x = 0;
    x = number().await;
    Ok(x)
}
"
    warns_of_an_unused_assignment_to_a_parameter says ["unused_assignments"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let x = n;
    n = 5;
    n = number().await;
    Ok(n + x)
}
"
    warns_of_an_unused_result says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    fallible().await;
    Ok(1)
}
"
    warns_of_an_unused_result_at_the_end_of_a_block says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    if number().await == 1 {
        fallible().await;
    }
    Ok(1)
}
"
    warns_of_an_unused_result_at_the_end says ["unused_must_use"]: "
@guard
async fn start(@token
) {
    fallible().await;
}
"
    warns_of_an_unused_future says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number();
    Ok(1)
}
"
    warns_of_a_dear_value_that_is_not_awaited says ["unused_must_use", "unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    dear();
    Ok(1)
}
"
    a_dear_value_that_is_awaited says ["unused_must_use"] but Unheard: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    dear().await;
    Ok(1)
}
"
    warns_of_a_deprecated_function says ["deprecated"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = old().await;
    Ok(x)
}
"
    warns_of_what_cannot_be_reached says ["unreachable_code"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    return Ok(number().await);
    number().await;
}
"
    warns_of_what_is_behind_a_panic says ["unreachable_code"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    panic!();
    let x = number().await;
    Ok(x)
}
"
    warns_of_an_unreachable_pattern says ["unreachable_patterns"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    match number().await {
        x => Ok(x),
        _ => Ok(1),
    }
}
"
    warns_of_unused_parentheses says ["unused_parens", "unused_parens"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = (number().await);
    if (x == number().await) { return Ok(1) }
    Ok(x)
}
"
    warns_of_an_unused_import_within says ["unused_imports"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    use std::collections::HashMap;
    Ok(number().await)
}
"
    warns_of_a_variable_unused_in_a_closure says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let f = |x: u32| 1;
    number().await;
    Ok(f(1))
}
"
    warns_of_names_that_are_not_snake_case says ["non_snake_case"]: "
@guard
async fn start(@token
    Camel: u32,
) -> Result<u32, Error> {
    Ok(number().await + Camel)
}
"

    accepts_a_parenthesised_operand says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut future = Box::pin(number());
    let x = (&mut future).await;
    let boxed = || -> Box<dyn Future<Output = u32> + Unpin> { Box::new(Box::pin(number())) };
    let y = (boxed)().await;
    let z = (boxed()).await;
    (boxed()).await;
    Ok(x + y + z + (if x == y { boxed() } else { boxed() }).await)
}
"
    accepts_an_operand_that_is_a_block says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = { number() }.await;
    let y = async { 1 }.await;
    Ok(x + y)
}
"
    accepts_blocks says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    { number().await; }
    {
        number().await
    };
    let x = { number().await };
    match x { _ => { number().await } };
    Ok(x)
}
"
    accepts_a_mutable_receiver_written_last says []: "
impl Service {
    @guard
    async fn start(mut self, @token
    ) -> Result<u32, Error> {
        let x = number().await;
        self.name = String::new();
        Ok(x)
    }
}
"
    accepts_a_pattern_that_borrows_as_mutable says []: "
@guard
async fn start(@token
    ref mut text: String,
    (ref mut n, _): (u32, u32),
) -> Result<u32, Error> {
    borrows(text).await;
    *n += number().await;
    Ok(*n)
}
"
    accepts_a_body_from_a_macro says []: "
macro_rules! written {
    ($body:block) => {
        @guard
        async fn start(@token
        ) -> Result<u32, Error> $body
    };
}
written!({ Ok(number().await) });
"
    accepts_a_path_that_is_longer_than_needed
    ["#[cancel_guarded(crate = crate::outer::inner::guard)]"] says []: "
mod outer { pub mod inner { #[allow(unused_imports)] pub use cancel_guarded as guard; } }
#[allow(unused_imports)]
use outer::inner;
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = number().await;
    Ok(x)
}
"
    warns_of_nothing_new_in_a_body_to_be_written says ["unused_variables"]: "
@guard
async fn start(@token
    n: u32,
) -> Result<u32, Error> {
    todo!()
}
"
    accepts_a_body_without_end ["#[cancel_guarded(run)]"] says []: "
@guard
async fn start(@token
) -> Result<std::convert::Infallible, Error> {
    loop {
        number().await;
    }
}
"
    accepts_a_body_that_always_fails says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    number().await;
    Err(Error)
}
"
    accepts_a_return_at_the_end says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    loop {
        if number().await == 1 {
            return Ok(1);
        }
    }
}
"
    accepts_what_inference_finds_later says []: "
@guard
async fn start(@token
) -> Result<Vec<u8>, Error> {
    let mut v = Vec::new();
    let n = Default::default();
    std::future::ready(n).await;
    v.push(n);
    let text = \"1\".parse().map_err(|_| Error)?;
    v.push(text);
    Ok(v)
}
"
    accepts_shields says []: "
struct Lease { id: u32 }
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    number().await;
    @shield
    let mut x = number().await;
    @shield
    x += number().await;
    let mut lease = Lease { id: x };
    @shield
    lease.id = number().await;
    if lease.id == 2 { return Ok(2) }
    @shield
    fallible().await?;
    @shield
    { number().await; }
    @shield
    if x == 1 { number().await; }
    @shield
    fallible().await
}
"
    accepts_shields_on_what_leaves says []: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = loop {
        @shield
        break number().await;
    };
    if x == 1 {
        @shield
        return fallible().await;
    }
    @shield
    return fallible().await;
}
"
    warns_of_an_unused_result_under_a_shield says ["unused_must_use"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    fallible().await;
    number().await;
    Ok(1)
}
"
    warns_of_an_unused_local_under_a_shield says ["unused_variables"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    let x = number().await;
    Ok(1)
}
"
    the_type_of_a_shielded_binding says ["E0308"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    @shield
    let x: u8 = number().await;
    Ok(x.into())
}
"
    a_tail_of_another_type_in_a_sync_start says ["E0308"]: "
@guard
fn start(@token
) -> Result<u32, Error> {
    5
}
"
    an_error_that_does_not_convert_in_a_sync_start says ["E0277"]: "
fn strangely() -> Result<u32, Stranger> { Ok(1) }
impl Service {
    @guard
    fn start(&self, @token
    ) -> Result<u32, Error> {
        let x = strangely()?;
        Ok(x + self.count)
    }
}
"
    a_receiver_that_is_not_mutable_in_a_sync_start says ["E0594"] but Label: "
impl Service {
    @guard
    fn start(&self, @token
    ) -> Result<u32, Error> {
        self.count = 1;
        Ok(1)
    }
}
"
    a_use_after_a_move_in_a_sync_start says ["E0382"]: "
@guard
fn start(@token
    text: String,
) -> Result<u32, Error> {
    drop(text);
    drop(text);
    Ok(1)
}
"
    warns_of_what_is_unused_in_a_sync_start says ["unused_mut", "unused_variables", "unused_must_use"]: "
fn failing() -> Result<u32, Error> { Ok(1) }
@guard
fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let x = 1;
    failing();
    Ok(n)
}
"
    the_type_of_a_binding_in_a_run ["#[cancel_guarded(run)]"] says ["E0308"]: "
@guard
async fn serve(@token
) -> Result<(), Error> {
    let x: u8 = number().await;
    let _ = x;
    Ok(())
}
"
    a_use_after_a_move_in_a_run ["#[cancel_guarded(run, state = cell)]"] says ["E0382"]: "
@guard
async fn serve(@token
    cell: &StateCell,
    text: String,
) -> Result<u32, Error> {
    let _ = cell;
    takes(text).await;
    Ok(takes(text).await)
}
"
    a_stream_that_is_not_unpin says ["E0277", "E0277"] but Note: "
struct Stream(std::marker::PhantomPinned);
struct Next<'a, S>(&'a mut S);
impl<S: Unpin> Future for Next<'_, S> {
    type Output = Option<u32>;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<u32>> {
        std::task::Poll::Ready(None)
    }
}
trait StreamExt: Sized { fn next(&mut self) -> Next<'_, Self> where Self: Unpin { Next(self) } }
impl StreamExt for Stream {}
@guard
async fn start(@token
) -> Result<u32, Error> {
    let mut stream = Stream(std::marker::PhantomPinned);
    let mut n = 0;
    while let Some(x) = stream.next().await { n += x; }
    Ok(n)
}
"
    a_boxed_future_that_is_not_unpin says ["E0277"] but Note: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let boxed: Box<dyn Future<Output = u32>> = Box::new(number());
    let x = boxed.await;
    Ok(x)
}
"
    accepts_what_is_forbidden says []: "
#[forbid(unused_variables, unused_mut, unused_assignments, unused_must_use, unreachable_code)]
mod strict {
    use super::*;
    @guard
    async fn start(_shutdown: CancellationToken) -> Result<u32, Error> {
        let mut n = number().await;
        @shield
        number().await;
        @shield
        { n += number().await; }
        if n == 2 {
            @shield
            return fallible().await;
        }
        println!(\"{}\", number().await);
        Ok(n)
    }
    @guard
    async fn with_a_mutable_parameter(mut n: u32, _shutdown: CancellationToken) -> Result<u32, Error> {
        n += number().await;
        Ok(n)
    }
    impl Service {
        @guard
        async fn by_mutable_value(mut self, _shutdown: CancellationToken) -> Result<u32, Error> {
            self.count = number().await;
            number().await;
            Ok(self.count)
        }
    }
}
"
    accepts_a_chain_of_starts says []: "
macro_rules! chain {
    ($last:ident) => {
        @guard
        async fn $last(shutdown: &CancellationToken) -> Result<u32, Error> {
            let _seen = shutdown.child_token();
            fallible().await
        }
    };
    ($name:ident $next:ident $($rest:ident)*) => {
        @guard
        async fn $name(shutdown: &CancellationToken) -> Result<u32, Error> {
            let n = $next(shutdown).await?;
            Ok(n + 1)
        }
        chain! { $next $($rest)* }
    };
}
chain! { f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 }
fn is_sent(token: &CancellationToken) { send(f0(token)) }
"
    offers_no_other_parentheses says ["unused_parens", "unused_braces", "unused_parens", "dropping_copy_types"]: "
@guard
async fn start(@token
) -> Result<u32, Error> {
    let x = (fallible().await)?;
    if (fallible().await? == 1) { (drop(x)); }
    let y = { number().await };
    takes({ String::new() }).await;
    match (number().await) { _ => Ok(y) }
}
"
    offers_no_other_mut says ["unused_mut", "unused_mut", "unused_variables"]: "
@guard
async fn start(@token
    mut n: u32,
) -> Result<u32, Error> {
    let mut x = fallible().await?;
    let unused = fallible().await?;
    Ok(x + n)
}
"
}
