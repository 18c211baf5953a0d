//! The source of a configuration, which is read at startup and again at each reload: the same file, over the same
//! defaults, under the same variables.

use std::path::{Path, PathBuf};

use super::effective::Config;
use super::environment::environment;
use super::error::ConfigError;
use super::load::DEFAULT_FILE;

/// An optional file and the environment of the process.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    file: Option<PathBuf>,
    profile: ConfigProfile,
    next_read: ReadPhase,
}

/// Which defaults a configuration has.
#[derive(Clone, Copy, Debug)]
enum ConfigProfile {
    Service,
    Demo,
}

/// Whether the next read is the first one.
#[derive(Clone, Copy, Debug)]
enum ReadPhase {
    Startup,
    Reload,
}

impl ConfigSource {
    /// Returns the source that [`Config::load`] reads.
    pub fn new(file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            profile: ConfigProfile::Service,
            next_read: ReadPhase::Startup,
        }
    }

    /// Returns the source that [`Config::load_for_demo`] reads.
    pub fn for_demo(file: Option<&Path>) -> Self {
        Self {
            profile: ConfigProfile::Demo,
            ..Self::new(file)
        }
    }

    /// Reads the configuration. A default file that was found once must exist at every later read: while it is being
    /// replaced, the service must not fall back to the defaults.
    ///
    /// # Errors
    /// As [`Config::load`]; [`ConfigError::Vanished`] if the file of an earlier read is empty or not a regular file.
    pub fn read(&mut self) -> Result<Config, ConfigError> {
        if self.file.is_none() && Path::new(DEFAULT_FILE).exists() {
            self.file = Some(DEFAULT_FILE.into());
        }
        match self.next_read {
            ReadPhase::Startup => self.next_read = ReadPhase::Reload,
            ReadPhase::Reload => self.check_file()?,
        }
        match self.profile {
            ConfigProfile::Service => Config::load(self.file(), environment()),
            ConfigProfile::Demo => Config::load_for_demo(self.file(), environment()),
        }
    }

    /// Rejects a file that would block the read, such as a pipe, and one that is empty because it is being written.
    fn check_file(&self) -> Result<(), ConfigError> {
        let Some((file, metadata)) = self
            .file()
            .and_then(|file| Some((file, file.metadata().ok()?)))
        else {
            return Ok(());
        };
        let problem = match (metadata.is_file(), metadata.len()) {
            (false, _) => "is not a regular file",
            (true, 0) => "is empty",
            (true, _) => return Ok(()),
        };
        let file = file.display().to_string();
        Err(ConfigError::Vanished { file, problem })
    }

    /// Returns the file, if one is read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reload_requires_a_regular_file_that_is_not_empty() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        fs::write(&file, "[limits]\nsockets = 7\n").unwrap();
        let mut source = ConfigSource::new(Some(&file));
        assert!(source.read().is_ok());
        fs::write(&file, "").unwrap();
        let emptied = source.read().unwrap_err().to_string();
        assert!(
            emptied.ends_with("was read at startup, but is empty now"),
            "{emptied}"
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let replaced = source.read().unwrap_err().to_string();
        assert!(
            replaced.ends_with("but is not a regular file now"),
            "{replaced}"
        );
        fs::remove_dir(&file).unwrap();
        fs::write(&file, "[limits]\nsockets = 9\n").unwrap();
        assert_eq!(source.read().unwrap().limits.sockets, 9);
    }
}
