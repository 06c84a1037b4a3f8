//! What the attribute costs at compile time, beside other attributes on async functions.
//!
//! ```text
//! cargo bench -p cancel-guarded --bench compile
//! ```
//!
//! Generates one crate a contestant, with a thousand starts, and takes the time of its first
//! `cargo check`, and of one after an edit. It depends on tokio-util, which has the token.
//!
//! A second crate a contestant is a service that depends on tokio, serde and thiserror already. A
//! build of it from nothing shows what the attribute adds. One more such service shows what could
//! be added at least: its attributes do nothing.

mod side_by_side;
mod table;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use side_by_side::{Samples, is_bench, measure};
use table::{Target, figure, number, print, print_targets};

const FUNCTIONS: usize = 1000;

/// A crate of annotated functions.
struct Contestant {
    name: &'static str,
    dependency: &'static str,
    head: &'static str,
    /// On each `impl`.
    of_impl: &'static str,
    /// On each function.
    of_fn: &'static str,
    /// The trait that is implemented, if there is one.
    interface: &'static str,
    /// The type of the field of each service.
    state: &'static str,
}

const CONTESTANTS: [Contestant; 4] = [
    Contestant {
        name: "bare",
        dependency: "",
        head: "",
        of_impl: "",
        of_fn: "pub ",
        interface: "",
        state: "()",
    },
    Contestant {
        name: "`#[async_trait]`",
        dependency: "async-trait = '0.1'",
        head: "#[async_trait::async_trait]
            pub trait Start {
                async fn start(&self, token: CancellationToken) -> io::Result<u64>;
            }",
        of_impl: "#[async_trait::async_trait]",
        of_fn: "",
        interface: "Start for ",
        state: "()",
    },
    Contestant {
        name: "`#[tracing::instrument]`",
        dependency: "tracing = { version = '0.1', default-features = false, features = ['attributes'] }",
        head: "",
        of_impl: "",
        of_fn: "#[tracing::instrument(skip_all)] pub ",
        interface: "",
        state: "()",
    },
    Contestant {
        name: "`#[cancel_guarded]`",
        dependency: concat!(
            "cancel-guarded = { path = '",
            env!("CARGO_MANIFEST_DIR"),
            "' }"
        ),
        head: "",
        of_impl: "",
        of_fn: "#[cancel_guarded::cancel_guarded(state = self.state)] pub ",
        interface: "",
        state: "cancel_guarded::StateCell",
    },
];

/// The least that a crate of attributes is which reads Rust: it parses a function, and no more.
const IDLE_ATTRIBUTES: &str = "
    use proc_macro::TokenStream;

    #[proc_macro_attribute]
    pub fn cancel_guarded(_: TokenStream, item: TokenStream) -> TokenStream {
        let function = syn::parse_macro_input!(item as syn::ItemFn);
        quote::quote!(#function).into()
    }

    #[proc_macro_derive(State, attributes(state))]
    pub fn state(_: TokenStream) -> TokenStream {
        TokenStream::new()
    }";

/// A dependency of every crate.
const TOKIO_UTIL: &str = "tokio-util = { version = '0.7.20', default-features = false }";

/// What a service depends on before it has any of the attributes.
const SERVICE_NEEDS: &str = "
    serde = { version = '1', features = ['derive'] }
    thiserror = '2'
    tokio = { version = '1', features = ['macros', 'net', 'rt-multi-thread', 'signal', 'sync', 'time'] }";

/// The dependencies of this library and of its attributes.
const ATTRIBUTES_NEED: &str = include_str!("../../macros/Cargo.toml");
const LIBRARY_NEEDS: &str = include_str!("../Cargo.toml");

fn main() {
    if !is_bench() {
        return;
    }
    let crates = CONTESTANTS.map(|each| Crate::generate(each, "alone", ""));
    let services = CONTESTANTS.map(|each| Crate::generate(each, "service", SERVICE_NEEDS));
    let idle = Crate::generate_idle();

    let mut edits = crates.each_ref().map(|each| (each, 0..));
    let checks = measure(
        7,
        edits.each_mut().map(|(each, edits)| {
            each.check();
            move || {
                each.edit(edits.next().unwrap_or_default());
                each.check()
            }
        }),
    );
    let first_checks = measure(
        5,
        crates.each_ref().map(|each| || each.check_from_nothing()),
    );
    let [a, b, c, d] = &services;
    let in_service = measure(5, [a, b, c, d, &idle].map(|each| || each.build()));
    let alone = measure(3, crates.each_ref().map(|each| || each.build()));

    println!("### Compile time\n");
    print_checks(&checks, &first_checks);
    print_builds(&in_service, &alone);
}

fn print_checks(checks: &[Samples; 4], first_checks: &[Samples; 4]) {
    println!(
        "Seconds: `cargo check` of {FUNCTIONS} starts after an edit elsewhere in their crate, and the first one.\n"
    );
    let [bare, async_trait, _, guarded] = checks;
    let [first_bare, first_async_trait, _, first_guarded] = first_checks;
    let for_each = |samples: &Samples, bare: &Samples| {
        number((samples.median() - bare.median()) * 1e6 / figure(FUNCTIONS))
    };
    let rows = CONTESTANTS.iter().zip(checks).zip(first_checks);
    let rows = rows.map(|((contestant, check), first)| {
        [
            contestant.name.to_owned(),
            number(check.median()),
            number(check.ratio(bare)),
            for_each(check, bare),
            number(first.median()),
            number(first.ratio(first_bare)),
            for_each(first, first_bare),
        ]
    });
    print(
        [
            "attribute",
            "check",
            "× bare",
            "µs for each attribute",
            "first check",
            "× bare",
            "µs for each attribute",
        ],
        rows.collect(),
    );
    print_targets(&[
        Target("check / `#[async_trait]`", guarded.ratio(async_trait), 1.0),
        Target(
            "first check / `#[async_trait]`",
            first_guarded.ratio(first_async_trait),
            1.0,
        ),
    ]);
}

fn print_builds(in_service: &[Samples; 5], alone: &[Samples; 4]) {
    println!(
        "Seconds: `cargo build` from nothing of the dependencies of a service that has tokio, serde with `derive` and thiserror, and of those of a crate that has nothing but tokio-util.\n"
    );
    let [service, async_trait, instrument, guarded, idle] = in_service;
    let names = CONTESTANTS.iter().map(|contestant| contestant.name);
    let rows = names.zip([service, async_trait, instrument, guarded]);
    let rows = rows.zip(alone).map(|((name, build), alone)| {
        [
            name.to_owned(),
            number(build.median()),
            number(build.more_than(service)),
            number(alone.median()),
        ]
    });
    print(["attribute", "service", "added", "alone"], rows.collect());
    print_targets(&[Target(
        "added / `#[async_trait]`",
        guarded.more_than(service) / async_trait.more_than(service),
        1.0,
    )]);
    println!(
        "With attributes that parse a function and do nothing, this library adds {} s.\n",
        number(idle.more_than(service))
    );
}

/// A contestant on the disk.
struct Crate {
    contestant: Contestant,
    folder: PathBuf,
}

impl Crate {
    fn generate(contestant: Contestant, kind: &str, needs: &str) -> Self {
        let name = |c: char| !c.is_ascii_alphanumeric();
        let folder = folder(kind).join(contestant.name.replace(name, ""));
        fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
        let manifest = format!(
            "[package]
            name = 'contestant'
            edition = '2024'
            [workspace]
            [dependencies]
            {TOKIO_UTIL}
            {needs}
            {}",
            contestant.dependency
        );
        write(&folder.join("Cargo.toml"), &manifest);
        let this = Self::locked(contestant, folder);
        this.edit(0);
        this.cargo(&["check"]);
        this
    }

    /// A service and this library, with attributes that do nothing.
    fn generate_idle() -> Self {
        let folder = folder("idle");
        for each in ["src", "attributes/src", "library"] {
            fs::create_dir_all(folder.join(each)).expect("the target folder can be written");
        }
        let manifest = |name: &str, rest: &str| {
            format!("[package]\nname = '{name}'\nedition = '2024'\n{rest}\n")
        };
        let attributes = format!(
            "[lib]\nproc-macro = true\n[dependencies]\n{}",
            dependencies(ATTRIBUTES_NEED)
        );
        write(
            &folder.join("attributes/Cargo.toml"),
            &manifest("cancel-guarded-macros", &attributes),
        );
        write(&folder.join("attributes/src/lib.rs"), IDLE_ATTRIBUTES);
        let library = format!(
            "[lib]\npath = '{}/src/lib.rs'\n[features]\ntesting = []\ntracing = []\n[dependencies]\n\
             cancel-guarded-macros = {{ path = '../attributes' }}\n{TOKIO_UTIL}\n{}",
            env!("CARGO_MANIFEST_DIR"),
            dependencies(LIBRARY_NEEDS)
        );
        write(
            &folder.join("library/Cargo.toml"),
            &manifest("cancel-guarded", &library),
        );
        let rest = format!(
            "[workspace]\n[dependencies]\n{TOKIO_UTIL}\n{SERVICE_NEEDS}\n\
             cancel-guarded = {{ path = 'library' }}"
        );
        write(&folder.join("Cargo.toml"), &manifest("contestant", &rest));
        write(&folder.join("src/lib.rs"), "");
        let [.., contestant] = CONTESTANTS;
        Self::locked(contestant, folder)
    }

    /// With the same versions as all the others have, those of the workspace.
    fn locked(contestant: Contestant, folder: PathBuf) -> Self {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("the workspace has a lock file");
        Self { contestant, folder }
    }

    /// Writes the source, with something in it that was not there before.
    fn edit(&self, edit: u32) {
        let Contestant {
            head,
            of_impl,
            of_fn,
            interface,
            state,
            ..
        } = &self.contestant;
        let mut source = format!(
            "use std::io;
            use tokio_util::sync::CancellationToken;
            {head}
            async fn step(n: u64) -> io::Result<u64> {{ Ok(n) }}
            "
        );
        for n in 0..FUNCTIONS {
            let written = write!(
                source,
                "pub struct Service{n} {{ pub state: {state} }}
                {of_impl}
                impl {interface}Service{n} {{
                    {of_fn}async fn start(&self, token: CancellationToken) -> io::Result<u64> {{
                        let first = step({n}).await?;
                        let second = step(first).await?;
                        let third = step(second).await?;
                        drop(token);
                        Ok(third)
                    }}
                }}
                "
            );
            written.expect("a string takes everything");
        }
        let written = write!(source, "pub const EDIT: u32 = {edit};");
        written.expect("a string takes everything");
        write(&self.folder.join("src/lib.rs"), &source);
    }

    /// Seconds of a check of what changed.
    fn check(&self) -> f64 {
        self.cargo(&["check"])
    }

    /// Seconds of a check of the whole crate, the dependencies of which are built.
    fn check_from_nothing(&self) -> f64 {
        let incremental = self.folder.join("target/debug/incremental");
        fs::remove_dir_all(incremental).expect("cargo checks incrementally");
        self.edit(0);
        self.check()
    }

    /// Seconds of a build of the dependencies alone.
    ///
    /// None of them is compiled incrementally: cargo does that to a dependency with a path, as
    /// this crate is here, and never to one from a registry, as it is to its users and as the
    /// other contestants are.
    fn build(&self) -> f64 {
        write(&self.folder.join("src/lib.rs"), "");
        self.cargo(&["clean"]);
        self.timed(self.command(&["build"]).env("CARGO_INCREMENTAL", "0"))
    }

    /// Seconds that cargo takes.
    fn cargo(&self, arguments: &[&str]) -> f64 {
        self.timed(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(arguments)
            .args(["--quiet", "--target-dir", "target"])
            .current_dir(&self.folder);
        command
    }

    fn timed(&self, command: &mut Command) -> f64 {
        let begun = Instant::now();
        let output = command.output().expect("cargo runs, as it runs this");
        let time = begun.elapsed().as_secs_f64();
        assert!(
            output.status.success(),
            "{command:?} for {}:\n{}",
            self.contestant.name,
            String::from_utf8_lossy(&output.stderr)
        );
        time
    }
}

fn folder(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.join("compile").join(name)
}

/// The dependencies that everybody has who depends on `manifest`'s crate, as far as they come from
/// the registry and stand there with their versions.
fn dependencies(manifest: &str) -> String {
    let lines = manifest.lines();
    let section = lines.skip_while(|line| *line != "[dependencies]").skip(1);
    let section = section.take_while(|line| !line.starts_with('[') && !line.is_empty());
    let theirs = section.filter(|line| !line.contains("workspace") && !line.contains("optional"));
    theirs.collect::<Vec<_>>().join("\n")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the target folder can be written");
}
