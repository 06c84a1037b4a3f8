//! The command, run on small packages, prints what stands in the files beside these.
//!
//! With `UPDATE=1`, the tests write these files.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs the command in a fixture; returns its output, its warnings and its exit code as text.
fn run(fixture: &str, args: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(fixture);
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-cancel-guarded"))
        .arg("cancel-guarded")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    if !stderr.is_empty() {
        write!(text, "\n--- stderr\n{stderr}").unwrap();
    }
    // The expected files outlive a release.
    text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    writeln!(text, "\n--- exit code {}", output.status.code().unwrap()).unwrap();
    text
}

fn expect(fixture: &str, file: &str, args: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(fixture);
    let path = folder.join(file);
    let text = run(fixture, args);
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    assert!(text == expected, "{} differs from:\n{text}", path.display());
    assert_eq!(text, run(fixture, args), "the output is the same each time");
}

#[test]
fn the_befores_of_the_guide_are_found_and_the_afters_are_not() {
    expect("befores", "audit.txt", &["audit"]);
    expect("befores", "check.txt", &["check"]);
}

#[test]
fn each_signal_is_found() {
    expect("late", "audit.txt", &["audit", "--all"]);
    expect("late", "check.txt", &["check"]);
}

#[test]
fn harmless_functions_are_left_out() {
    expect("harmless", "audit.txt", &["audit"]);
    expect("harmless", "check.txt", &["check"]);
}

#[test]
fn settled_functions_are_left_out() {
    expect("settled", "audit.txt", &["audit"]);
    expect("settled", "check.txt", &["check"]);
}

#[test]
fn the_manifest_configures_the_command() {
    expect("configured", "audit.txt", &["audit"]);
    expect("configured", "check.txt", &["check"]);
    expect("misspelt", "check.txt", &["check"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_warning_with_its_place() {
    expect("broken", "check.txt", &["check"]);
}

#[test]
fn the_report_has_colours_on_demand() {
    expect(
        "broken",
        "audit_in_colour.txt",
        &["audit", "--color", "always"],
    );
}

#[test]
fn machines_get_json_or_sarif() {
    expect("befores", "audit.json.txt", &["audit", "--json"]);
    expect("befores", "audit.sarif.txt", &["audit", "--sarif"]);
}

#[test]
fn a_written_baseline_settles_all() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("baseline");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/late");
    fs::create_dir_all(folder.join("src")).unwrap();
    for file in ["Cargo.toml", "src/lib.rs"] {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-cancel-guarded"));
        command
            .args(args)
            .arg("--path")
            .arg(&folder)
            .output()
            .unwrap()
    };
    let _ = fs::remove_file(folder.join("cancel-guarded.baseline"));
    assert_eq!(run(&["check"]).status.code(), Some(1));
    assert_eq!(run(&["check", "--write-baseline"]).status.code(), Some(0));
    let settled = run(&["check"]);
    assert_eq!(settled.status.code(), Some(0));
    assert!(settled.stdout.is_empty() && settled.stderr.is_empty());
}

#[test]
fn this_workspace_is_settled() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-cancel-guarded"))
        .arg("check")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert_eq!((found.as_str(), warnings.as_str()), ("", ""));
    assert!(output.status.success());
}

#[test]
fn the_examples_show_no_finding() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-cancel-guarded"))
        .args(["audit", "--json"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("\"findings\": []"), "{report}");
}
