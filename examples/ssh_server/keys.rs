//! Keys in files.

use std::path::Path;

use russh::keys::ssh_key::{Error, LineEnding};
use russh::keys::{Algorithm, PrivateKey};

/// Loads the key at `path`. Makes one if there is none.
pub(crate) fn load_or_make(path: &Path) -> Result<PrivateKey, Error> {
    if !path.exists() {
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)?;
        key.write_openssh_file(path, LineEnding::LF)?;
    }
    PrivateKey::read_openssh_file(path)
}
