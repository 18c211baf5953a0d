//! Reads the paths that a Rust file names: `use` trees, and inline paths that begin with `crate`, `super`, `self` or a module
//! that the file declares.

/// A path as its segments, such as `["super", "actor", "VaultActor"]`.
pub type ImportPath = Vec<String>;

/// Returns every path of a file that begins with `crate`, `super`, `self` or one of the `children`, the modules that the file
/// declares. A `use` tree gives one path per leaf.
pub fn imports(text: &str, children: &[&str]) -> Vec<ImportPath> {
    let mut found = Vec::new();
    for root in ["crate", "super", "self"].iter().chain(children) {
        for (at, _) in text.match_indices(&format!("{root}::")) {
            let follows_a_word =
                text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !follows_a_word {
                read_tree(&text[at..], &mut Vec::new(), &mut found);
            }
        }
    }
    found
}

/// Returns the paths that a `mod.rs` re-exports, each with the name that it gets there.
pub fn re_exports(text: &str) -> Vec<ImportPath> {
    let mut found = Vec::new();
    for (at, keyword) in text.match_indices("use ") {
        let before = text[..at].trim_end_matches(' ');
        let is_public = before.ends_with("pub") || before.ends_with(')') && before.contains("pub(");
        if is_public && !before.ends_with('\n') {
            read_tree(&text[at + keyword.len()..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one tree into paths and returns the text behind it.
fn read_tree<'a>(text: &'a str, prefix: &mut Vec<String>, found: &mut Vec<ImportPath>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            let before = rest.len();
            rest = read_tree(rest, &mut prefix.clone(), found).trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
            if rest.len() == before {
                return rest; // not a use tree
            }
        }
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if !word.is_empty() {
        prefix.push(word.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) => read_tree(rest, prefix, found),
        None => {
            found.push(prefix.clone());
            rest.strip_prefix('*').unwrap_or(rest)
        }
    }
}

#[test]
fn every_form_of_import_is_read() {
    let text = "use crate::{\n    vault::{Vaults, VaultError},\n    domain::Seq,\n};\n\
                use super::{ring::Ring, *};\nfn f() -> crate::auth::Authenticator { child::f(stepchild::g()) }\n";
    let found: Vec<_> = imports(text, &["child"])
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(
        found,
        [
            "crate::vault::Vaults",
            "crate::vault::VaultError",
            "crate::domain::Seq",
            "crate::auth::Authenticator",
            "super::ring::Ring",
            "super",
            "child::f",
        ]
    );
    let text = "mod a;\npub use a::{B, c::D};\nuse private::E;\npub(super) use f::G;\n";
    let found: Vec<_> = re_exports(text)
        .iter()
        .map(|path| path.join("::"))
        .collect();
    assert_eq!(found, ["a::B", "a::c::D", "f::G"]);
}
