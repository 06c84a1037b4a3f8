//! Finds the files of a workspace, and reads them on all cores.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ignore::WalkBuilder;

use crate::config::Config;
use crate::model::{SourceFile, Warning};
use crate::source;

/// The parser and the walks recurse; real code needs far less.
const STACK: usize = 512 << 20;
const MOST_THREADS: usize = 8;

/// Reads all files, in the order of their paths.
pub(crate) fn read_all(config: &Config) -> Result<Vec<SourceFile>, String> {
    let mut paths = find(config);
    paths.sort();
    paths.dedup();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(paths.len()));
    let work = || {
        while let Some((path, package)) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let file = read(config, path, package);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(file);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for number in 0..threads.min(MOST_THREADS) {
            let builder = thread::Builder::new().stack_size(STACK);
            match builder.spawn_scoped(scope, work) {
                Err(error) if number == 0 => {
                    return Err(format!("no thread to read files: {error}"));
                }
                // The threads that run read the rest.
                Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    })?;
    let mut files = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read(config: &Config, path: &Path, package: &Path) -> SourceFile {
    let mut file = SourceFile {
        path: relative(&config.root, path),
        on_disk: path.to_owned(),
        package: package.to_owned(),
        ..SourceFile::default()
    };
    match fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => source::read(&text, &mut file),
            Err(error) => file.warnings.push(unreadable(&error)),
        },
        Err(error) => file.warnings.push(unreadable(&error)),
    }
    file
}

fn unreadable(error: &dyn std::error::Error) -> Warning {
    Warning {
        line: 1,
        column: 1,
        message: format!("cannot be read: {error}"),
    }
}

/// The Rust files of the configured paths, each with the folder of its package.
fn find(config: &Config) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for folder in &config.paths {
        let excluded = config.exclude.clone();
        let walk = WalkBuilder::new(config.root.join(folder))
            .filter_entry(move |entry| {
                let path = entry.path();
                let is_other = entry.depth() > 0 && is_workspace(path);
                entry.file_name() != "target"
                    && !is_other
                    && !excluded.iter().any(|out| path == out)
            })
            .sort_by_file_name(Ord::cmp)
            .build();
        for entry in walk.flatten() {
            let path = entry.path();
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            if !is_rust || !path.is_file() {
                continue;
            }
            let package = package_of(path, &config.root);
            if !is_test_file(path, &package) {
                found.push((path.to_owned(), package));
            }
        }
    }
    found
}

/// Whether a folder is the root of a workspace: inside another one, it is not part of that.
fn is_workspace(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml"));
    manifest.is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}

fn package_of(path: &Path, root: &Path) -> PathBuf {
    path.ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(root))
        .find(|folder| folder.join("Cargo.toml").is_file())
        .unwrap_or(root)
        .to_owned()
}

/// Whether a file holds tests or benchmarks, by its name or the name of a folder.
fn is_test_file(path: &Path, package: &Path) -> bool {
    let inside = path.strip_prefix(package).unwrap_or(path);
    let is_test_folder = inside.parent().is_some_and(|folder| {
        folder.iter().any(|name| {
            ["tests", "test", "benches"]
                .iter()
                .any(|test| name == *test)
        })
    });
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("");
    is_test_folder
        || matches!(stem, "tests" | "test")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
}

/// A path from the root, with `/` between its parts on every system.
fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts = inside.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}
