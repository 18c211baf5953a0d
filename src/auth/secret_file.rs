//! The file of a generated secret: created once, readable by its owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why no secret could be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("cannot read the secret file {}: {source}", file.display())]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file cannot be created.
    #[error("cannot create the secret file {}: {source}; set AUTH_SECRET", file.display())]
    Unwritable {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// Other users of the machine may read or change the file.
    #[error("the secret file {0} is accessible to other users (mode {mode:03o}): chmod 600 {0}", file.display())]
    Exposed {
        /// The path of the file.
        file: PathBuf,
        /// The permissions of the file.
        mode: u32,
    },
    /// The file is empty.
    #[error("the secret file {} is empty: write a secret to it, or remove it", file.display())]
    Empty {
        /// The path of the file.
        file: PathBuf,
    },
}

/// The content of the file.
pub(super) struct SecretFile {
    pub(super) text: String,
    /// Whether the file was created now.
    pub(super) created: bool,
}

/// Reads the file; creates it with a new secret if it does not exist.
///
/// # Errors
/// If the file cannot be read or created, or other users may access it.
pub(super) fn read_or_create(file: &Path) -> Result<SecretFile, SecretsError> {
    if let Some(text) = read(file)? {
        let created = false;
        return Ok(SecretFile { text, created });
    }
    // Another service that starts at the same time may create the file first: its secret is used.
    let created = create_secret_file(file).map_err(|source| SecretsError::Unwritable {
        file: file.to_owned(),
        source,
    })?;
    match read(file)? {
        Some(text) => Ok(SecretFile { text, created }),
        None => Err(SecretsError::Unreadable {
            file: file.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        }),
    }
}

/// Reads the file; `None` if it does not exist.
fn read(file: &Path) -> Result<Option<String>, SecretsError> {
    let (mode, text) = match open_and_read(file) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(SecretsError::Unreadable {
                file: file.to_owned(),
                source,
            });
        }
    };
    if mode & 0o077 != 0 {
        return Err(SecretsError::Exposed {
            file: file.to_owned(),
            mode,
        });
    }
    Ok(Some(text))
}

/// Returns the permissions and the content of a file. Both are of one open file, even if the path is replaced meanwhile.
fn open_and_read(file: &Path) -> io::Result<(u32, String)> {
    let mut file = File::open(file)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((mode, text))
}

/// Creates the file with a new secret, unless it exists by now. Returns whether it was created.
///
/// The secret is written to a temporary file, which is then hard-linked to the path. The link fails if the path exists,
/// so that the file appears with its whole content, and the first of several concurrent starts creates it.
fn create_secret_file(file: &Path) -> io::Result<bool> {
    let secret: [u8; 32] = rand::random();
    let secret = secret.map(|byte| format!("{byte:02x}")).concat();
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(format!(".{:016x}", rand::random::<u64>()));
    let temporary = PathBuf::from(temporary);
    let linked = write_private(&temporary, &secret).and_then(|()| fs::hard_link(&temporary, file));
    let removed = fs::remove_file(&temporary);
    match linked {
        Ok(()) => removed.map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed.map(|()| false),
        Err(error) => Err(error),
    }
}

/// Creates a file that only its owner may access.
pub(super) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
