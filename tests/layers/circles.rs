//! Finds circles of imports between files.

use std::collections::BTreeSet;

use crate::{
    imports::{ImportPath, imports, re_exports},
    source_tree::{SourceFile, SourceTree},
};

/// Returns one line for each group of files that import each other, directly or over others.
pub fn circles(tree: &SourceTree) -> Vec<String> {
    let arrows: Vec<_> = tree.files().iter().map(|file| arrows(tree, file)).collect();
    let reached: Vec<_> = (0..arrows.len()).map(|file| reach(&arrows, file)).collect();
    let mut found = BTreeSet::new();
    for (file, reaches) in reached.iter().enumerate() {
        let circle: Vec<_> = reaches
            .iter()
            .filter(|other| **other != file && reached[**other].contains(&file))
            .chain([&file])
            .map(|file| tree.files()[*file].path.clone())
            .collect();
        if circle.len() > 1 {
            let circle: BTreeSet<_> = circle.into_iter().collect();
            found.insert(circle.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    found.into_iter().collect()
}

/// Returns the files that can be reached over one arrow or more.
fn reach(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        next.extend(
            arrows[file]
                .iter()
                .filter(|target| reached.insert(**target)),
        );
    }
    reached
}

/// Returns the files that a file imports from. Re-exports of a `mod.rs` are no arrows of its own: an import over them is an
/// arrow to the file that defines the item.
fn arrows(tree: &SourceTree, file: &SourceFile) -> BTreeSet<usize> {
    if file.is_tests() {
        return BTreeSet::new();
    }
    let text = if file.is_module_root {
        without_re_exports(&file.text)
    } else {
        file.text.clone()
    };
    let own = tree.find(&file.module);
    let children = match file.is_module_root {
        true => tree.children(&file.module),
        false => Vec::new(),
    };
    imports(&text, &children)
        .iter()
        .filter_map(|path| resolve(tree, &file.module, path))
        .filter(|target| Some(*target) != own && !tree.files()[*target].is_tests())
        .collect()
}

fn without_re_exports(text: &str) -> String {
    let statements = text.split_inclusive(';');
    let is_re_export = |statement: &&str| {
        let statement = statement.trim_start();
        statement.starts_with("pub use ")
            || statement.starts_with("pub(") && statement.contains(") use ")
    };
    statements
        .filter(|statement| !is_re_export(statement))
        .collect()
}

/// Returns the file that defines what a path names, seen from the module `from`.
fn resolve(tree: &SourceTree, from: &[String], path: &ImportPath) -> Option<usize> {
    let mut module = from.to_vec();
    let mut rest = path.as_slice();
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" => module.clear(),
            "super" => drop(module.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    resolve_from(tree, module, rest)
}

fn resolve_from(tree: &SourceTree, mut module: Vec<String>, mut rest: &[String]) -> Option<usize> {
    while let Some((first, after)) = rest.split_first() {
        module.push(first.clone());
        if !tree.has_module(&module) {
            module.pop();
            break;
        }
        rest = after;
    }
    let file = tree.find(&module)?;
    if let Some(name) = rest.first()
        && tree.files()[file].is_module_root
    {
        let mut exported = re_exports(&tree.files()[file].text).into_iter();
        if let Some(path) = exported.find(|path| path.len() > 1 && path.last() == Some(name)) {
            let path: Vec<_> = path.into_iter().skip_while(|part| part == "self").collect();
            let within = if path[0] == "crate" {
                Vec::new()
            } else {
                module
            };
            let path = if path[0] == "crate" {
                &path[1..]
            } else {
                &path[..]
            };
            return resolve_from(tree, within, path);
        }
    }
    Some(file)
}

#[test]
fn circles_are_found_between_siblings_and_between_a_module_and_its_children() {
    let tree = SourceTree::of(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::C;\n"),
        ("a.rs", "use crate::b::B;\n"),
        ("b.rs", "fn f() -> super::a::A {}\n"),
        (
            "c/mod.rs",
            "mod d;\nmod e;\npub use e::E;\nfn f() { d::g() }\n",
        ),
        ("c/d.rs", "use super::C;\n"),
        ("c/e.rs", "use super::d::D;\n"),
    ]);
    assert_eq!(circles(&tree), ["a.rs, b.rs", "c/d.rs, c/mod.rs"]);
}
