//! Finds type names that are defined twice.

use std::collections::BTreeMap;

use crate::source_tree::SourceTree;

/// Names that the frameworks prescribe: rows of sea-orm, and its migrations.
const PRESCRIBED: &[&str] = &["ActiveModel", "Entity", "Migration", "Model", "Relation"];

/// Macros that define the type that they are called with.
const DEFINING_MACROS: &[&str] = &["cuid_id!", "name_type!"];

/// Returns one line for each type name that is defined more than once, with the files that define it.
pub fn duplicates(trees: &[SourceTree]) -> Vec<String> {
    let mut definitions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for file in trees.iter().flat_map(SourceTree::files) {
        let text = &file.text_with_tests;
        for name in text
            .lines()
            .filter_map(defined_type)
            .chain(types_of_macros(text))
        {
            definitions.entry(name).or_default().push(&file.path);
        }
    }
    definitions
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !PRESCRIBED.contains(name))
        .map(|(name, files)| format!("{name}: {}", files.join(", ")))
        .collect()
}

/// Returns the name of the type that a line defines. An indented `type` is an associated type, which has a prescribed name.
fn defined_type(line: &str) -> Option<&str> {
    let is_indented = line.starts_with(' ');
    let words: Vec<_> = line.split_whitespace().collect();
    let words = match words.as_slice() {
        [visibility, rest @ ..] if visibility.starts_with("pub") => rest,
        rest => rest,
    };
    let [keyword, name, ..] = words else {
        return None;
    };
    let defines = match *keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !is_indented,
        _ => false,
    };
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &name[..end.unwrap_or(name.len())];
    (defines && name.starts_with(|c: char| c.is_ascii_uppercase())).then_some(name)
}

/// Returns the names of the types that are defined by calls of [`DEFINING_MACROS`].
fn types_of_macros(text: &str) -> impl Iterator<Item = &str> {
    let calls = DEFINING_MACROS
        .iter()
        .flat_map(|name| text.split(*name).skip(1));
    calls.filter_map(|call| {
        let name = call.strip_prefix('(')?.trim_start();
        let end = name.find(|c: char| !c.is_alphanumeric())?;
        (end > 0).then_some(&name[..end])
    })
}

#[test]
fn types_defined_by_macros_are_recognized() {
    let text = "macro_rules! name_type {\nname_type!(\n    Audience,\n    |text| true\n);\ncuid_id!(\n    VaultId\n);\n";
    let mut found: Vec<_> = types_of_macros(text).collect();
    found.sort_unstable();
    assert_eq!(found, ["Audience", "VaultId"]);
}

#[test]
fn definitions_are_recognized() {
    for (line, name) in [
        ("pub struct Vault {", Some("Vault")),
        ("pub(super) enum State<'a> {", Some("State")),
        ("    struct Local;", Some("Local")),
        ("type Alias = u8;", Some("Alias")),
        ("    type Error = ();", None),
        ("let a = b;", None),
    ] {
        assert_eq!(defined_type(line), name, "{line}");
    }
}
