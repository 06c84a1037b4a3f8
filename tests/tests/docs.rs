//! The README and the guides show code that tests compile and run, read well on a code host, and
//! link to files that exist.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_code_of_each_page_is_in_an_example() {
    let mut sources = files(&repository().join("examples"), "rs");
    sources.push(repository().join("tests/tests/testing_guide.rs"));
    let sources: Vec<String> = sources
        .iter()
        .map(|path| without_indentation(&read(path)))
        .collect();
    let mut blocks = 0;
    for page in pages() {
        for block in rust_blocks(&read(&page)) {
            blocks += 1;
            for item in block.split("\n\n") {
                let item = without_indentation(item);
                let is_there = sources.iter().any(|source| source.contains(&item));
                assert!(is_there, "{}: in no example:\n{item}", page.display());
            }
        }
    }
    assert!(blocks > 20, "only {blocks} blocks were found");
}

#[test]
fn no_page_has_lines_that_only_rustdoc_hides() {
    for page in pages() {
        for block in rust_blocks(&read(&page)) {
            let hidden = block.lines().find(|line| line.starts_with("# "));
            assert_eq!(hidden, None, "{}", page.display());
        }
    }
}

#[test]
fn each_link_leads_to_a_file() {
    for page in pages() {
        let text = read(&page);
        assert!(
            !text.contains("](crate::"),
            "{}: only rustdoc resolves this",
            page.display()
        );
        let folder = page.parent().expect("a page is in a folder");
        let mut names = Vec::new();
        for line in text.lines() {
            let Some((name, target)) = definition(line) else {
                continue;
            };
            names.push(name);
            let target = match target.strip_prefix('/') {
                Some(target) => repository().join(target),
                None => folder.join(target),
            };
            assert!(target.exists(), "{}: {line}", page.display());
        }
        for (position, _) in text.match_indices("][") {
            let name = text[position + 2..].split(']').next().expect("a name");
            assert!(
                names.contains(&name),
                "{}: [{name}] has no link",
                page.display()
            );
        }
    }
}

#[test]
fn the_docs_have_a_target_for_each_link() {
    let links = read(&repository().join("runtime/docs/links.md"));
    let known: Vec<&str> = links.lines().filter_map(name_of_link).collect();
    for page in pages() {
        for (name, _) in read(&page).lines().filter_map(definition) {
            assert!(
                known.contains(&name),
                "{}: [{name}] is not in links.md",
                page.display()
            );
        }
    }
}

#[test]
fn the_readme_is_short() {
    let words = read(&repository().join("README.md"))
        .split_whitespace()
        .count();
    assert!(words <= 900, "{words} words");
}

#[test]
fn the_readme_has_the_quickstart_first() {
    let readme = read(&repository().join("README.md"));
    let (_, first) = readme.split_once("## ").expect("the README has sections");
    assert!(first.starts_with("Try it"), "{first}");
    let quickstart = read(&repository().join("examples/quickstart/main.rs"));
    assert!(
        quickstart.lines().count() <= 80,
        "the quickstart is too long"
    );
}

#[test]
fn the_readme_asks_for_the_version_of_the_library() {
    let (major, minor) = (
        env!("CARGO_PKG_VERSION_MAJOR"),
        env!("CARGO_PKG_VERSION_MINOR"),
    );
    let line = format!("cancel-guarded = \"{major}.{minor}\"");
    assert!(
        read(&repository().join("README.md")).contains(&line),
        "{line}"
    );
}

#[test]
fn each_test_that_the_architecture_names_exists() {
    let page = read(&repository().join("ARCHITECTURE.md"));
    let mut found = 0;
    for code in page.split('`') {
        let Some((file, test)) = code.split_once("::") else {
            continue;
        };
        let path = repository().join(format!("tests/tests/{file}.rs"));
        if path.exists() {
            found += 1;
            assert!(
                read(&path).contains(&format!("fn {test}(")),
                "no test {code}"
            );
        }
    }
    assert!(found > 16, "only {found} were found");
}

/// The README and the guides.
fn pages() -> Vec<PathBuf> {
    let mut pages = files(&repository().join("runtime/docs"), "md");
    pages.retain(|page| !page.ends_with("links.md"));
    pages.push(repository().join("README.md"));
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The files under `folder` with this extension. Does not follow links.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            let kind = entry.file_type().expect("the entry has a type");
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|it| it == extension) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn rust_blocks(page: &str) -> Vec<String> {
    let parts = page.split("```rust\n").skip(1);
    let blocks = parts.filter_map(|part| part.split_once("\n```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

/// The name and the target of `[name]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ")
}

fn name_of_link(line: &str) -> Option<&str> {
    definition(line).map(|(name, _)| name)
}

fn without_indentation(code: &str) -> String {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    lines.join("\n").trim().to_owned()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
