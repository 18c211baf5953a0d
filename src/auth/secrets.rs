//! The secrets that sessions are signed with: from the environment, or made here and kept in a
//! file.
//!
//! The environment is meant: `AUTH_SECRET`, or `NEXTAUTH_SECRET`, as the application beside the
//! service has it, with several of them separated by commas while one is replaced by the next. A
//! service that was given none makes one at its first start, so that trying it takes no
//! preparation; such a service may be reached from its own machine only (see
//! [`LoopbackOnly`](crate::config::LoopbackOnly)).

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The variables that may hold secrets; the first that holds one counts.
const VARIABLES: [&str; 2] = ["AUTH_SECRET", "NEXTAUTH_SECRET"];

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("cannot read the secret in {}: {source}", file.display())]
    Unreadable {
        /// The secret's file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot keep a secret in {}: {source}; set AUTH_SECRET", file.display())]
    Unwritable {
        /// The secret's file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the service's own user may read or change the file.
    #[error("the secret in {0} is open to others (mode {mode:03o}): chmod 600 {0}", file.display())]
    Exposed {
        /// The secret's file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no secret.
    #[error("there is no secret in {}: put one in, or remove the file", file.display())]
    Empty {
        /// The secret's file.
        file: PathBuf,
    },
}

/// One or more secrets, the newest first. They never show themselves.
#[derive(Clone)]
pub struct Secrets {
    newest: String,
    older: Vec<String>,
    generated_file: Option<PathBuf>,
}

impl Secrets {
    /// The secrets of the environment; where it has none, the one in `file`, which is made when it
    /// is not there.
    pub fn obtain<K, V>(
        env: impl IntoIterator<Item = (K, V)>,
        file: &Path,
    ) -> Result<Self, SecretsError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        match Self::from_env(env) {
            Some(secrets) => Ok(secrets),
            None => Self::from_file(file),
        }
    }

    /// The secrets of a comma-separated list, the newest first; none in an empty one.
    pub fn from_list(list: &str) -> Option<Self> {
        let mut secrets = list
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned);
        let newest = secrets.next()?;
        Some(Self {
            newest,
            older: secrets.collect(),
            generated_file: None,
        })
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .map(String::as_str)
    }

    /// The one that new tokens are signed with.
    pub fn newest(&self) -> &str {
        &self.newest
    }

    /// The file that the secret is kept in, when the service made it itself.
    pub fn generated_file(&self) -> Option<&Path> {
        self.generated_file.as_deref()
    }

    fn from_env<K, V>(env: impl IntoIterator<Item = (K, V)>) -> Option<Self>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut found = VARIABLES.map(|_| None);
        for (name, value) in env {
            if let Some(place) = VARIABLES
                .iter()
                .position(|variable| *variable == name.as_ref())
            {
                found[place] = Self::from_list(value.as_ref());
            }
        }
        found.into_iter().flatten().next()
    }

    fn from_file(file: &Path) -> Result<Self, SecretsError> {
        if let Some(secrets) = Self::read(file)? {
            return Ok(secrets);
        }
        make(file).map_err(|source| SecretsError::Unwritable {
            file: file.to_owned(),
            source,
        })?;
        // Read back what is there: where two services start at once, it is the other's.
        match Self::read(file)? {
            Some(secrets) => Ok(secrets),
            None => Err(SecretsError::Unreadable {
                file: file.to_owned(),
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// The secret in the file, if there is such a file.
    fn read(file: &Path) -> Result<Option<Self>, SecretsError> {
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
        match Self::from_list(&text) {
            Some(secrets) => Ok(Some(Self {
                generated_file: Some(file.to_owned()),
                ..secrets
            })),
            None => Err(SecretsError::Empty {
                file: file.to_owned(),
            }),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("count", &(1 + self.older.len()))
            .field("generated_file", &self.generated_file)
            .finish_non_exhaustive()
    }
}

/// Permissions and content of one and the same file, whatever happens to its name meanwhile.
fn open_and_read(file: &Path) -> io::Result<(u32, String)> {
    let mut file = File::open(file)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((mode, text))
}

/// Makes the file with a new secret in it, unless there is one by now.
///
/// The secret is written elsewhere and then linked to its place, which fails when something is
/// there: so the file appears with its whole content or not at all, and the first of several starts
/// wins.
fn make(file: &Path) -> io::Result<()> {
    let secret: [u8; 32] = rand::random();
    let secret = secret.map(|byte| format!("{byte:02x}")).concat();
    let mut draft = file.as_os_str().to_owned();
    draft.push(format!(".{:016x}", rand::random::<u64>()));
    let draft = PathBuf::from(draft);
    let linked = write_private(&draft, &secret).and_then(|()| fs::hard_link(&draft, file));
    let removed = fs::remove_file(&draft);
    match linked {
        Ok(()) => removed,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => removed,
        Err(error) => Err(error),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: &str = "/nowhere/vaultcast.secret";

    fn obtain(env: &[(&str, &str)], file: &Path) -> Result<Secrets, String> {
        Secrets::obtain(env.iter().copied(), file).map_err(|error| error.to_string())
    }

    fn from_env(env: &[(&str, &str)]) -> Vec<String> {
        let secrets = obtain(env, Path::new(NOWHERE)).unwrap();
        assert_eq!(secrets.generated_file(), None);
        secrets.iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_environment_gives_one_or_several_the_newest_first() {
        assert_eq!(from_env(&[("AUTH_SECRET", "one")]), ["one"]);
        assert_eq!(from_env(&[("NEXTAUTH_SECRET", "one")]), ["one"]);
        assert_eq!(
            from_env(&[("AUTH_SECRET", " new , old,, older ,")]),
            ["new", "old", "older"]
        );
    }

    #[test]
    fn auth_secret_comes_before_nextauth_secret_unless_it_is_empty() {
        assert_eq!(
            from_env(&[("NEXTAUTH_SECRET", "two"), ("AUTH_SECRET", "one")]),
            ["one"]
        );
        assert_eq!(
            from_env(&[("AUTH_SECRET", " , "), ("NEXTAUTH_SECRET", "two")]),
            ["two"]
        );
    }

    #[test]
    fn a_secret_that_is_missing_is_made_once_and_kept_private() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        let first = obtain(&[("AUTH_SECRET", "")], &file).unwrap();
        let second = obtain(&[], &file).unwrap();
        assert_eq!(first.newest().len(), 64);
        assert_eq!(first.newest(), second.newest());
        assert_eq!(second.generated_file(), Some(file.as_path()));
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn many_starts_at_once_end_with_one_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| obtain(&[], &file).unwrap()))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert!(
            secrets
                .iter()
                .all(|one| one.newest() == secrets[0].newest())
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        write_private(&file, "secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let name = file.display();
        assert_eq!(
            obtain(&[], &file).unwrap_err(),
            format!("the secret in {name} is open to others (mode 640): chmod 600 {name}")
        );
    }

    #[test]
    fn an_empty_file_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        write_private(&file, " ").unwrap();
        let error = obtain(&[], &file).unwrap_err();
        assert!(error.starts_with("there is no secret in "), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), " \n");
    }

    #[test]
    fn where_no_file_can_be_kept_the_way_out_is_told() {
        let error = obtain(&[], Path::new(NOWHERE)).unwrap_err();
        assert!(
            error.starts_with("cannot keep a secret in /nowhere/vaultcast.secret: "),
            "{error}"
        );
        assert!(error.ends_with("; set AUTH_SECRET"), "{error}");
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        let secrets = Secrets::from_list("hunter2,hunter3").unwrap();
        assert_eq!(
            format!("{secrets:?}"),
            "Secrets { count: 2, generated_file: None, .. }"
        );
    }
}
