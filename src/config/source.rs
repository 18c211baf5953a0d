//! Where a service's configuration comes from, so that it can be read again while the service runs: the same file, over the
//! same defaults, under the same variables.

use std::path::{Path, PathBuf};

use super::{Config, ConfigError, DEFAULT_FILE, environment};

/// A file, or none, and the process's environment.
#[derive(Clone, Debug)]
pub struct Source {
    file: Option<PathBuf>,
    for_demo: bool,
}

impl Source {
    /// What [`Config::load`] reads.
    pub fn new(file: Option<&Path>) -> Self {
        Self {
            file: file.map(Path::to_owned),
            for_demo: false,
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
        match self.for_demo {
            false => Config::load(self.file(), environment()),
            true => Config::load_for_demo(self.file(), environment()),
        }
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}
