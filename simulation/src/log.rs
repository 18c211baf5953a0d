//! The story of a run: one line per step, with its effects below.

/// Collects the lines of a story, or nothing.
#[derive(Debug, Default)]
pub struct Log(Option<Vec<String>>);

impl Log {
    /// Returns a log that keeps its lines.
    pub fn recording() -> Self {
        Self(Some(Vec::new()))
    }

    /// Adds a line. It is formatted only if the log keeps it.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    /// Returns the lines.
    pub fn lines(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }
}
