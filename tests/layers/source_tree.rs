//! The Rust files of a crate, by module path.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of a crate.
pub struct SourceFile {
    pub path: String,
    /// Module path, such as `["vault", "directory"]`; empty for `lib.rs`.
    pub module: Vec<String>,
    /// Whether the file is a `mod.rs` or `lib.rs`, which may re-export items of its children.
    pub is_module_root: bool,
    /// The code without comments and without the unit tests at its end.
    pub text: String,
    /// The code without comments.
    pub text_with_tests: String,
}

/// All files of a crate.
pub struct SourceTree(Vec<SourceFile>);

impl SourceTree {
    /// Reads the crate whose sources are in this folder. Build directories are left out.
    pub fn read(root: &str) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::from(root)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    if !path.ends_with("target") {
                        folders.push(path);
                    }
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push(SourceFile::read(Path::new(root), &path));
                }
            }
        }
        assert!(!files.is_empty(), "{root} has no Rust files");
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.retain(|file| file.module != ["main"]);
        Self(files)
    }

    /// Returns a crate of these files, each a path and a text.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let read =
            |(path, text): &(&str, &str)| SourceFile::new(Path::new(""), Path::new(path), text);
        Self(files.iter().map(read).collect())
    }

    pub fn files(&self) -> &[SourceFile] {
        &self.0
    }

    /// Returns the names of the modules directly below a module.
    pub fn children(&self, module: &[String]) -> Vec<&str> {
        let below = self.0.iter().filter_map(|file| match &file.module[..] {
            [parents @ .., name] if parents == module => Some(name.as_str()),
            _ => None,
        });
        below.collect()
    }

    pub fn has_module(&self, module: &[String]) -> bool {
        self.find(module).is_some()
    }

    /// Returns the index of the file of a module.
    pub fn find(&self, module: &[String]) -> Option<usize> {
        self.0.iter().position(|file| file.module == module)
    }
}

impl SourceFile {
    fn read(root: &Path, path: &Path) -> Self {
        Self::new(root, path, &fs::read_to_string(path).unwrap())
    }

    fn new(root: &Path, path: &Path, text: &str) -> Self {
        let inside = path.strip_prefix(root).unwrap().with_extension("");
        let mut module: Vec<_> = inside
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        let is_module_root = module
            .last()
            .is_some_and(|last| last == "mod" || last == "lib");
        if is_module_root {
            module.pop();
        }
        let text_with_tests = without_comments(text);
        let tests = text_with_tests.find("#[cfg(test)]\nmod tests {");
        let text = text_with_tests[..tests.unwrap_or(text_with_tests.len())].to_owned();
        Self {
            path: path.display().to_string(),
            module,
            is_module_root,
            text,
            text_with_tests,
        }
    }

    /// Whether the file holds unit tests only.
    pub fn is_tests(&self) -> bool {
        let name = self.module.last().map(String::as_str);
        matches!(name, Some("tests" | "properties" | "user_session_vectors"))
    }
}

fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}
