//! The two libraries have the same version, and `cancel-guarded` pins `cancel-guarded-macros` to
//! it.

use std::env;
use std::process::Command;

use serde_json::Value;

#[test]
fn the_libraries_are_pinned_to_each_other() {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs this"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.output().expect("cargo can be run");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let find = |list: &Value, name: &str| {
        let mut entries = list.as_array().into_iter().flatten();
        let found = entries.find(|entry| entry["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {list}"))
    };
    let library = find(&metadata["packages"], "cancel-guarded");
    let macros = find(&metadata["packages"], "cancel-guarded-macros");
    assert_eq!(library["version"], macros["version"]);

    let version = macros["version"].as_str().expect("a version");
    let requirement = find(&library["dependencies"], "cancel-guarded-macros");
    assert_eq!(requirement["req"], format!("={version}"));
}
