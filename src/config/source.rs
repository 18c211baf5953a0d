//! Where a service's configuration comes from, so that it can be read again while the service runs: the same file, over the
//! same defaults, under the same variables.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, DEFAULT_FILE, environment};

/// A file, or none, and the process's environment.
#[derive(Clone, Debug)]
pub struct Source {
    file: Option<PathBuf>,
    for_demo: bool,
    was_read: bool,
}

impl Source {
    /// What [`Config::load`] reads.
    pub fn new(file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            for_demo: false,
            was_read: false,
        }
    }

    /// What [`Config::load_for_demo`] reads.
    pub fn for_demo(file: Option<&Path>) -> Self {
        Self {
            for_demo: true,
            ..Self::new(file)
        }
    }

    /// Reads it. A file that was there once has to be there ever after: while somebody puts another in its place, it
    /// must not look as if everything were at its default.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(&mut self) -> Result<Config, ConfigError> {
        if self.file.is_none() && Path::new(DEFAULT_FILE).exists() {
            self.file = Some(DEFAULT_FILE.into());
        }
        if self.was_read {
            self.is_whole()?;
        }
        self.was_read = true;
        match self.for_demo {
            false => Config::load(self.file(), environment()),
            true => Config::load_for_demo(self.file(), environment()),
        }
    }

    /// A file that is read again must not hold up the service, as a pipe would, nor be one that somebody has only begun
    /// to write.
    fn is_whole(&self) -> Result<(), ConfigError> {
        let Some((file, found)) = self
            .file()
            .and_then(|file| Some((file, file.metadata().ok()?)))
        else {
            return Ok(());
        };
        let problem = match (found.is_file(), found.len()) {
            (false, _) => "is no file",
            (true, 0) => "is empty",
            (true, _) => return Ok(()),
        };
        let file = file.display().to_string();
        Err(ConfigError::Vanished { file, problem })
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_read_again_is_a_file_with_something_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        fs::write(&file, "[limits]\nsockets = 7\n").unwrap();
        let mut source = Source::new(Some(&file));
        assert!(source.read().is_ok());
        fs::write(&file, "").unwrap();
        let emptied = source.read().unwrap_err().to_string();
        assert!(
            emptied.ends_with("it was read at the start, and is empty now"),
            "{emptied}"
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let replaced = source.read().unwrap_err().to_string();
        assert!(replaced.ends_with("and is no file now"), "{replaced}");
        fs::remove_dir(&file).unwrap();
        fs::write(&file, "[limits]\nsockets = 9\n").unwrap();
        assert_eq!(source.read().unwrap().limits.sockets, 9);
    }
}
