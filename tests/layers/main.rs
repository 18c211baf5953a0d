//! Checks the imports of the workspace: between the modules of the service they point down only, as ARCHITECTURE.md draws
//! it, and between the files of one module they form no circle.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod circles;
mod imports;
mod names;
mod source_tree;

use std::collections::{BTreeMap, BTreeSet};

use imports::imports;
use source_tree::SourceTree;

/// The modules and crates that each module may import from, listed from the lowest layer to the highest. A module imports only
/// from earlier rows.
const LAYERS: &[(&str, &[&str])] = &[
    ("actix_socketio", &[]),
    ("entity", &[]),
    ("migration", &[]),
    ("config", &[]),
    ("telemetry", &["config"]),
    ("domain", &[]),
    ("journal", &["domain", "entity", "migration", "telemetry"]),
    ("vault", &["domain", "journal", "telemetry"]),
    ("cluster", &["domain", "journal", "telemetry", "vault"]),
    ("verify", &["domain", "entity", "journal", "migration"]),
    ("auth", &["config", "domain", "journal", "telemetry"]),
    ("access", &["config", "domain", "telemetry"]),
    (
        "contract",
        &["access", "auth", "domain", "journal", "vault"],
    ),
    (
        "api",
        &[
            "access",
            "actix_socketio",
            "auth",
            "contract",
            "domain",
            "journal",
            "telemetry",
            "vault",
        ],
    ),
    (
        "gateway",
        &[
            "access",
            "actix_socketio",
            "auth",
            "cluster",
            "contract",
            "domain",
            "journal",
            "telemetry",
            "vault",
        ],
    ),
    (
        "import",
        &["auth", "config", "contract", "domain", "entity", "journal"],
    ),
    (
        "server",
        &[
            "access",
            "actix_socketio",
            "api",
            "auth",
            "cluster",
            "config",
            "contract",
            "domain",
            "gateway",
            "journal",
            "telemetry",
            "vault",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "auth",
            "config",
            "domain",
            "import",
            "journal",
            "server",
            "telemetry",
            "verify",
        ],
    ),
];

/// The crates of the workspace that modules of the service may import from.
const LIBRARIES: &[&str] = &["actix_socketio", "entity", "migration"];

/// The source folders of the crates whose files must form no circle.
const CRATES: &[&str] = &["migration/src", "socketio/src", "src"];

/// The folders whose type names must be unique.
const NAMED: &[&str] = &["entity/src", "migration/src", "socketio", "src", "tests"];

/// Returns, for each module of the service, the modules and crates that it imports from, and one file that does.
fn module_imports() -> BTreeMap<String, BTreeMap<String, String>> {
    let tree = SourceTree::read("src");
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for file in tree.files() {
        let Some(module) = file.module.first() else {
            continue; // lib.rs
        };
        let used = found.entry(module.clone()).or_default();
        for path in imports(&file.text_with_tests, LIBRARIES) {
            let target = match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["crate", target, ..] if tree.has_module(&[target.to_owned()]) => target,
                [library, ..] if LIBRARIES.contains(&library) => library,
                _ => continue,
            };
            if target != module {
                used.insert(target.to_owned(), file.path.clone());
            }
        }
    }
    found
}

#[test]
fn modules_import_from_lower_layers_only() {
    let mut wrong = Vec::new();
    for (module, used) in module_imports() {
        let row = LAYERS.iter().find(|(name, _)| *name == module);
        let allowed = row.map(|(_, allowed)| *allowed).unwrap_or_default();
        for (target, file) in used {
            if !allowed.contains(&target.as_str()) {
                wrong.push(format!("{file}: {module} must not import from {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "upward imports:\n{}", wrong.join("\n"));
}

#[test]
fn table_is_ordered_and_names_every_module() {
    let names: Vec<_> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (row, (name, allowed)) in LAYERS.iter().enumerate() {
        for used in *allowed {
            let is_lower = names[..row].contains(used);
            assert!(
                is_lower,
                "{name} imports from {used}, which is not below it"
            );
        }
    }
    let libraries = LIBRARIES.iter().map(|name| (*name).to_owned());
    let modules: BTreeSet<_> = module_imports().into_keys().chain(libraries).collect();
    let names: BTreeSet<_> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(modules, names);
}

#[test]
fn files_of_a_crate_form_no_circle() {
    let circles: Vec<_> = CRATES
        .iter()
        .flat_map(|root| circles::circles(&SourceTree::read(root)))
        .collect();
    assert!(circles.is_empty(), "circles:\n{}", circles.join("\n"));
}

#[test]
fn type_names_are_unique_in_the_workspace() {
    let trees: Vec<_> = NAMED.iter().map(|root| SourceTree::read(root)).collect();
    let duplicates = names::duplicates(&trees);
    assert!(
        duplicates.is_empty(),
        "defined twice:\n{}",
        duplicates.join("\n")
    );
}
