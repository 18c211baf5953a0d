//! The secrets that are shared with the application: from the environment, or generated and stored in a file.
//!
//! In production the variables of NextAuth and Auth.js are set as for the application; a list in one of them rotates the
//! secret. Without any, the service generates a secret at its first start, so that it can be tried without preparation;
//! it then listens on loopback only (see [`LoopbackReason`](crate::config::LoopbackReason)).

use std::fmt;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::secret_file::{self, SecretsError};
use super::secret_value::{SHORTEST_SECRET, SecretFlaw, flaws, split_list};

/// The variables that may contain secrets, the newest first. Auth.js 5 tries `AUTH_SECRET_3` first, and `AUTH_SECRET` last.
const VARIABLES: [SecretVariable; 5] = [
    SecretVariable::single("AUTH_SECRET_3"),
    SecretVariable::single("AUTH_SECRET_2"),
    SecretVariable::single("AUTH_SECRET_1"),
    SecretVariable::list("AUTH_SECRET"),
    SecretVariable::list("NEXTAUTH_SECRET"),
];

/// A variable that may contain secrets.
struct SecretVariable {
    name: &'static str,
    notation: SecretNotation,
}

/// What a comma in a value means.
#[derive(Clone, Copy)]
enum SecretNotation {
    /// The value is one secret.
    Single,
    /// The value is one secret, or several separated by commas.
    List,
}

impl SecretVariable {
    const fn single(name: &'static str) -> Self {
        let notation = SecretNotation::Single;
        Self { name, notation }
    }

    const fn list(name: &'static str) -> Self {
        let notation = SecretNotation::List;
        Self { name, notation }
    }
}

/// Where secrets were loaded from. Displayed as messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretsOrigin {
    /// A list that the caller passed.
    List,
    /// An environment variable.
    Variable(&'static str),
    /// A file with a secret that the service generated.
    GeneratedFile {
        /// The path of the file.
        file: PathBuf,
        /// Whether this load has created the file.
        created: bool,
    },
}

/// One or more secrets, the newest first. The debug output does not contain them.
#[derive(Clone)]
pub struct Secrets {
    newest: String,
    older: Vec<String>,
    /// The origins of the secrets, the newest first, with what is probably not intended there.
    origins: Vec<(SecretsOrigin, Vec<SecretFlaw>)>,
}

impl Secrets {
    /// Loads the secrets of the environment or, without any, the one in `file`, which is created if it does not exist.
    ///
    /// # Errors
    /// [`SecretsError`] if the environment has no secret, and the file cannot be read or created.
    pub fn load<K, V>(
        env: impl IntoIterator<Item = (K, V)>,
        file: &Path,
    ) -> Result<Self, SecretsError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        match Self::from_env(env) {
            Some(secrets) => Ok(secrets),
            None => {
                let secret_file::SecretFile { text, created } = secret_file::read_or_create(file)?;
                let file = file.to_owned();
                let empty = SecretsError::Empty { file: file.clone() };
                let origin = SecretsOrigin::GeneratedFile { file, created };
                // An editor may have added a line break, or a byte order mark.
                let is_blank = |char: char| char.is_whitespace() || char == '\u{feff}';
                let text = text.trim_matches(is_blank);
                Self::from_value(text, SecretNotation::List, origin).ok_or(empty)
            }
        }
    }

    /// Returns the secrets of the environment, or `None` if no variable has one. A value is used to the letter, as by
    /// NextAuth and Auth.js; an empty one counts as not set.
    pub fn from_env<K, V>(env: impl IntoIterator<Item = (K, V)>) -> Option<Self>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut found = VARIABLES.map(|_| None);
        for (name, value) in env {
            let mut variables = VARIABLES.iter().enumerate();
            let variable = variables.find(|(_, variable)| variable.name == name.as_ref());
            if let Some((index, variable)) = variable {
                let origin = SecretsOrigin::Variable(variable.name);
                found[index] = Self::from_value(value.as_ref(), variable.notation, origin);
            }
        }
        found.into_iter().flatten().reduce(Self::or)
    }

    /// Returns the secrets of a value: one to the letter, or several separated by commas, the newest first. Returns `None`
    /// for an empty value.
    pub fn from_list(list: &str) -> Option<Self> {
        Self::from_value(list, SecretNotation::List, SecretsOrigin::List)
    }

    /// Returns all secrets, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .map(String::as_str)
    }

    /// Returns the secret that signs new tokens.
    pub fn newest(&self) -> &str {
        &self.newest
    }

    /// Returns where the newest secret was loaded from.
    pub fn origin(&self) -> &SecretsOrigin {
        let (origin, _) = self.origins.first().expect("secrets have an origin");
        origin
    }

    /// Returns the file of a generated secret.
    pub fn generated_file(&self) -> Option<&Path> {
        match self.origin() {
            SecretsOrigin::GeneratedFile { file, .. } => Some(file),
            SecretsOrigin::List | SecretsOrigin::Variable(_) => None,
        }
    }

    /// Returns whether one of the secrets is so short that it could be found by brute force.
    pub fn has_short_secret(&self) -> bool {
        self.iter().any(|secret| secret.len() < SHORTEST_SECRET)
    }

    /// Logs what is probably not intended in the variables. The secrets are used nevertheless, as by NextAuth.
    pub fn log_flaws(&self) {
        for (origin, flaws) in &self.origins {
            for problem in flaws {
                warn!(secret = %origin, %problem, "secret may not be as intended; it is used to the letter");
            }
        }
    }

    /// Returns the origins of the secrets and what is probably not intended there, for a log line. Contains no secret.
    pub(super) fn summary(&self) -> String {
        let describe = |(origin, flaws): &(SecretsOrigin, Vec<SecretFlaw>)| {
            let flaws = flaws.iter().map(|flaw| format!(", which {flaw}"));
            format!("{origin}{}", flaws.collect::<String>())
        };
        self.origins
            .iter()
            .map(describe)
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn from_value(value: &str, notation: SecretNotation, origin: SecretsOrigin) -> Option<Self> {
        let mut flaws = flaws(value);
        let secrets = match notation {
            SecretNotation::Single => {
                flaws.retain(|flaw| *flaw != SecretFlaw::ShortPart);
                vec![value.to_owned()]
            }
            SecretNotation::List => split_list(value),
        };
        let mut secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        Some(Self {
            newest: secrets.next()?,
            older: secrets.collect(),
            origins: vec![(origin, flaws)],
        })
    }

    /// Returns these secrets and older ones.
    fn or(mut self, older: Self) -> Self {
        for secret in older.iter() {
            if self.iter().all(|known| known != secret) {
                self.older.push(secret.to_owned());
            }
        }
        self.origins.extend(older.origins);
        self
    }
}

impl fmt::Display for SecretsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("the given secret"),
            Self::Variable(name) => write!(f, "the secret in {name}"),
            Self::GeneratedFile { file, created } => {
                let when = if *created { ", generated just now" } else { "" };
                write!(f, "the secret in {}{when}", file.display())
            }
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("count", &(1 + self.older.len()))
            .field("origin", self.origin())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::secret_file::write_private;
    use super::*;

    const NOWHERE: &str = "/nowhere/vaultcast.secret";

    fn load(env: &[(&str, &str)], file: &Path) -> Result<Secrets, String> {
        Secrets::load(env.iter().copied(), file).map_err(|error| error.to_string())
    }

    fn from_env(env: &[(&str, &str)]) -> Vec<String> {
        let secrets = load(env, Path::new(NOWHERE)).unwrap();
        assert_eq!(secrets.generated_file(), None);
        secrets.iter().map(str::to_owned).collect()
    }

    fn origin(env: &[(&str, &str)], file: &Path) -> String {
        load(env, file).unwrap().origin().to_string()
    }

    #[test]
    fn environment_sets_one_or_more_secrets_the_newest_first() {
        assert_eq!(from_env(&[("AUTH_SECRET", "one")]), ["one"]);
        assert_eq!(from_env(&[("NEXTAUTH_SECRET", "one")]), ["one"]);
        assert_eq!(
            from_env(&[("AUTH_SECRET", "new,old")]),
            ["new", "old", "new,old"]
        );
    }

    #[test]
    fn secret_is_used_to_the_letter() {
        for variable in VARIABLES {
            for value in ["one\n", " one", "\n", "\"one\""] {
                assert_eq!(from_env(&[(variable.name, value)]), [value]);
            }
        }
        assert_eq!(from_env(&[("AUTH_SECRET_1", "a,b")]), ["a,b"]);
    }

    #[test]
    fn rotated_secrets_of_authjs_are_tried_from_the_highest_number_down() {
        let env = [
            ("AUTH_SECRET", "zero"),
            ("AUTH_SECRET_1", "one"),
            ("NEXTAUTH_SECRET", "next"),
            ("AUTH_SECRET_3", "three"),
            ("AUTH_SECRET_2", ""),
            ("AUTH_SECRET_4", "four"),
        ];
        assert_eq!(from_env(&env), ["three", "one", "zero", "next"]);
        assert_eq!(
            origin(&env, Path::new(NOWHERE)),
            "the secret in AUTH_SECRET_3"
        );
        assert_eq!(from_env(&[("AUTH_SECRET_2", "two")]), ["two"]);
    }

    #[test]
    fn auth_secret_comes_before_nextauth_secret_and_an_empty_value_is_not_set() {
        let env = [("NEXTAUTH_SECRET", "two"), ("AUTH_SECRET", "one")];
        assert_eq!(from_env(&env), ["one", "two"]);
        let env = [("AUTH_SECRET", ""), ("NEXTAUTH_SECRET", "two")];
        assert_eq!(from_env(&env), ["two"]);
        let env = [("AUTH_SECRET", "one"), ("NEXTAUTH_SECRET", "one")];
        assert_eq!(from_env(&env), ["one"]);
    }

    #[test]
    fn summary_names_variables_and_flaws_without_a_secret() {
        let env = [("AUTH_SECRET", "hunter2\n"), ("AUTH_SECRET_1", "hunter3")];
        let secrets = load(&env, Path::new(NOWHERE)).unwrap();
        assert_eq!(
            secrets.summary(),
            "the secret in AUTH_SECRET_1; the secret in AUTH_SECRET, which has a line break at an end"
        );
    }

    #[test]
    fn line_break_and_byte_order_mark_in_the_file_are_not_part_of_the_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        write_private(&file, "\u{feff}secret\r\n").unwrap();
        assert_eq!(load(&[], &file).unwrap().newest(), "secret");
    }

    #[test]
    fn missing_secret_is_generated_once_in_a_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        let first = load(&[("AUTH_SECRET", "")], &file).unwrap();
        let second = load(&[], &file).unwrap();
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
    fn origin_names_the_variable_or_the_file_and_whether_the_file_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        let name = file.display();
        for variable in VARIABLES {
            let expected = format!("the secret in {}", variable.name);
            assert_eq!(origin(&[(variable.name, "one,two")], &file), expected);
        }
        let expected = format!("the secret in {name}, generated just now");
        assert_eq!(origin(&[], &file), expected);
        assert_eq!(origin(&[], &file), format!("the secret in {name}"));
    }

    #[test]
    fn concurrent_starts_agree_on_one_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| load(&[], &file).unwrap()))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert!(
            secrets
                .iter()
                .all(|secret| secret.newest() == secrets[0].newest())
        );
        let created = |secrets: &&Secrets| matches!(secrets.origin(), SecretsOrigin::GeneratedFile { created, .. } if *created);
        assert_eq!(secrets.iter().filter(created).count(), 1);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn file_that_other_users_may_read_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        write_private(&file, "secret").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let name = file.display();
        assert_eq!(
            load(&[], &file).unwrap_err(),
            format!(
                "the secret file {name} is accessible to other users (mode 640): chmod 600 {name}"
            )
        );
    }

    #[test]
    fn empty_file_is_rejected_and_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("v.db.secret");
        write_private(&file, " ").unwrap();
        let error = load(&[], &file).unwrap_err();
        assert!(
            error.ends_with(" is empty: write a secret to it, or remove it"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), " \n");
    }

    #[test]
    fn error_for_an_uncreatable_file_suggests_auth_secret() {
        let error = load(&[], Path::new(NOWHERE)).unwrap_err();
        assert!(
            error.starts_with("cannot create the secret file /nowhere/vaultcast.secret: "),
            "{error}"
        );
        assert!(error.ends_with("; set AUTH_SECRET"), "{error}");
    }

    #[test]
    fn debug_output_contains_no_secret() {
        let secrets = Secrets::from_list("hunter2,hunter3").unwrap();
        assert_eq!(
            format!("{secrets:?}"),
            "Secrets { count: 3, origin: List, .. }"
        );
    }
}
