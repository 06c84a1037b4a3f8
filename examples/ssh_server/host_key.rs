//! Keys that are kept in files.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use russh::keys::ssh_key::{self, LineEnding};
use russh::keys::{Algorithm, PrivateKey};
use tempfile::NamedTempFile;

#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Key(#[from] ssh_key::Error),
}

/// The key in the file at `path`. Made, and kept there, if there is none.
pub(crate) fn load_or_make(path: &Path) -> Result<PrivateKey, KeyError> {
    match load(path) {
        Err(KeyError::Io(error)) if error.kind() == io::ErrorKind::NotFound => make(path),
        loaded => loaded,
    }
}

fn load(path: &Path) -> Result<PrivateKey, KeyError> {
    Ok(PrivateKey::from_openssh(fs::read(path)?)?)
}

/// The file appears as a whole, readable for its owner only. If somebody else was faster, it is
/// their key that counts.
fn make(path: &Path) -> Result<PrivateKey, KeyError> {
    let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(key.to_openssh(LineEnding::LF)?.as_bytes())?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => load(path),
        Err(lost) => Err(lost.error.into()),
    }
}
