//! The command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, io};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::audit::audit;
use crate::baseline::Baseline;
use crate::config::Config;
use crate::model::SourceFile;
use crate::{enforce, files, report};

const SETTLE: &str = "\
A function is settled by `#[cancel_guarded]`, by a comment above it,
    // cancel-guarded: ok because it ends with the process.
or by a line in the baseline. [workspace.metadata.cancel-guarded] in Cargo.toml has `paths`,
`exclude`, `baseline` and `threshold`.";

/// Runs the command; returns its exit code: 1 for findings of `check`, 2 for an error.
pub(crate) fn run() -> ExitCode {
    // `cargo cancel-guarded` passes its own name first.
    let args = env::args_os().enumerate();
    let args = args.filter(|(index, arg)| *index != 1 || arg != "cancel-guarded");
    let matches = command().get_matches_from(args.map(|(_, arg)| arg));
    let result = match matches.subcommand() {
        Some(("audit", matches)) => run_audit(matches),
        Some(("check", matches)) => run_check(matches),
        _ => Ok(ExitCode::from(2)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn command() -> Command {
    let common = [
        Arg::new("path")
            .long("path")
            .value_name("FOLDER")
            .default_value(".")
            .value_parser(value_parser!(PathBuf))
            .help("A folder of the workspace to read"),
        Arg::new("write-baseline")
            .long("write-baseline")
            .action(ArgAction::SetTrue)
            .help("Adds what is found to the baseline, and reports nothing"),
    ];
    let audit = Command::new("audit")
        .about("Shows starts that may go on after their token is cancelled")
        .args(common.clone())
        .arg(flag("all", "Shows the findings below the threshold too"))
        .arg(flag("json", "Prints the findings as JSON"))
        .arg(flag("sarif", "Prints the findings as SARIF").conflicts_with("json"))
        .arg(
            Arg::new("color")
                .long("color")
                .value_parser(["auto", "always", "never"])
                .default_value("auto")
                .help("Whether the report has colours"),
        );
    let check = Command::new("check")
        .about("Fails unless each function that has a token, and spawns or publishes, is settled")
        .args(common);
    Command::new("cargo-cancel-guarded")
        .bin_name("cargo cancel-guarded")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Finds the starts that nothing guards; reads the workspace as text")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(SETTLE)
        .subcommand(audit)
        .subcommand(check)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// A workspace that has been read.
struct Workspace {
    config: Config,
    baseline: Baseline,
    files: Vec<SourceFile>,
}

fn read(matches: &ArgMatches) -> Result<Workspace, String> {
    let here = PathBuf::from(".");
    let path: &Path = matches.get_one::<PathBuf>("path").unwrap_or(&here);
    let config = Config::find(path)?;
    let baseline = Baseline::read(&config.baseline)?;
    let files = files::read_all(&config)?;
    for file in &files {
        for warning in &file.warnings {
            let (line, column) = (warning.line, warning.column);
            eprintln!(
                "warning: {}:{line}:{column}: {}",
                file.path, warning.message
            );
        }
    }
    Ok(Workspace {
        config,
        baseline,
        files,
    })
}

fn run_audit(matches: &ArgMatches) -> Result<ExitCode, String> {
    let Workspace {
        config,
        baseline,
        files,
    } = read(matches)?;
    let audit = audit(&files, &config, &baseline, matches.get_flag("all"));
    if matches.get_flag("write-baseline") {
        let found = audit.shown.iter();
        return write_baseline(
            &config,
            &files,
            baseline,
            found.map(|finding| (finding.file, finding.function)),
        );
    }
    let text = if matches.get_flag("json") {
        report::json::report(&audit)
    } else if matches.get_flag("sarif") {
        report::sarif::report(&audit)
    } else {
        let has_colours = match matches.get_one::<String>("color").map(String::as_str) {
            Some("always") => true,
            Some("never") => false,
            _ => io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none(),
        };
        report::human::report(&audit, config.threshold, has_colours)
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn run_check(matches: &ArgMatches) -> Result<ExitCode, String> {
    let Workspace {
        config,
        baseline,
        files,
    } = read(matches)?;
    let violations = enforce::violations(&files, &baseline);
    if matches.get_flag("write-baseline") {
        let found = violations.iter();
        return write_baseline(
            &config,
            &files,
            baseline,
            found.map(|found| (found.file, found.function)),
        );
    }
    let mut text = String::new();
    for violation in &violations {
        text.push_str(&violation.message());
        text.push('\n');
    }
    print(&text)?;
    for line in baseline.unused(&files) {
        eprintln!("warning: the baseline names a function that is not there: {line}");
    }
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn write_baseline<'a>(
    config: &Config,
    files: &[SourceFile],
    mut baseline: Baseline,
    found: impl Iterator<Item = (&'a SourceFile, &'a crate::model::Function)>,
) -> Result<ExitCode, String> {
    baseline.remove_unused(files);
    for (file, function) in found {
        baseline.insert(file, function);
    }
    let path = &config.baseline;
    baseline
        .write(path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    eprintln!("{} functions written to {}", baseline.len(), path.display());
    Ok(ExitCode::SUCCESS)
}

/// A closed pipe, as after `| head`, is no error.
fn print(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
