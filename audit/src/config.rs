//! `[workspace.metadata.cancel-guarded]` in the manifest of a workspace.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Findings with fewer points are left out.
const THRESHOLD: i64 = 60;
const BASELINE: &str = "cancel-guarded.baseline";

pub(crate) struct Config {
    pub(crate) root: PathBuf,
    /// The folders to read, from the root.
    pub(crate) paths: Vec<String>,
    /// The files and folders to leave out.
    pub(crate) exclude: Vec<PathBuf>,
    pub(crate) baseline: PathBuf,
    pub(crate) threshold: i64,
}

impl Config {
    /// Reads the manifest of the workspace around a folder or a manifest.
    pub(crate) fn find(start: &Path) -> Result<Self, String> {
        let start = start
            .canonicalize()
            .map_err(|error| format!("{}: {error}", start.display()))?;
        let mut nearest = None;
        for folder in start.ancestors() {
            let manifest = folder.join("Cargo.toml");
            if !manifest.is_file() {
                continue;
            }
            let text = fs::read_to_string(&manifest)
                .map_err(|error| format!("{}: {error}", manifest.display()))?;
            let table: Table = text
                .parse()
                .map_err(|error| format!("{}: {error}", manifest.display()))?;
            let is_workspace = table.contains_key("workspace");
            if is_workspace || nearest.is_none() {
                nearest = Some((folder.to_owned(), table));
            }
            if is_workspace {
                break;
            }
        }
        let Some((root, table)) = nearest else {
            return Err(format!("no Cargo.toml at or above {}", start.display()));
        };
        Self::from_manifest(root, &table)
    }

    fn from_manifest(root: PathBuf, manifest: &Table) -> Result<Self, String> {
        let owner = ["workspace", "package"].into_iter();
        let metadata = owner
            .filter_map(|owner| manifest.get(owner)?.get("metadata")?.get("cancel-guarded"))
            .find_map(Value::as_table);
        let mut config = Self {
            paths: vec![String::new()],
            exclude: Vec::new(),
            baseline: root.join(BASELINE),
            threshold: THRESHOLD,
            root,
        };
        let workspace_excludes = manifest
            .get("workspace")
            .and_then(|workspace| workspace.get("exclude"));
        config.exclude_all(
            workspace_excludes
                .map(strings)
                .transpose()?
                .unwrap_or_default(),
        );
        for (key, value) in metadata.into_iter().flatten() {
            match key.as_str() {
                "paths" => config.paths = strings(value)?,
                "exclude" => config.exclude_all(strings(value)?),
                "baseline" => config.baseline = config.root.join(string(value)?),
                "threshold" => {
                    config.threshold = value
                        .as_integer()
                        .ok_or("`threshold` in [workspace.metadata.cancel-guarded] is a number")?;
                }
                key => {
                    return Err(format!(
                        "`{key}` in [workspace.metadata.cancel-guarded] is unknown; write `paths`, \
                         `exclude`, `baseline` or `threshold`"
                    ));
                }
            }
        }
        Ok(config)
    }

    fn exclude_all(&mut self, paths: Vec<String>) {
        for path in paths {
            self.exclude
                .push(self.root.join(path.trim_end_matches('/')));
        }
    }
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or("a list of paths is expected")?;
    list.iter().map(string).collect()
}

fn string(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("a path in quotes is expected")?;
    Ok(text.to_owned())
}
