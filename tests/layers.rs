//! The house holds: every `crate::…` in `src/` points down, as ARCHITECTURE.md draws it.

#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What each module may use, from the bottom up. A module uses only what stands before it.
const HOUSE: &[(&str, &[&str])] = &[
    // What is set, as plain values; what is counted.
    ("config", &[]),
    ("metrics", &[]),
    ("panics", &["metrics"]),
    ("watchdog", &["metrics"]),
    // What is logged, and what is looked at before a start.
    ("telemetry", &["config", "panics"]),
    ("startup", &["config"]),
    // What would repeat is said once.
    ("seldom", &[]),
    // What a vault is, remembers, and does.
    ("domain", &[]),
    ("journal", &["seldom", "domain", "metrics"]),
    (
        "vault",
        &["seldom", "domain", "journal", "metrics", "panics"],
    ),
    // Whether what is remembered can be true.
    ("verify", &["domain", "journal"]),
    // Who is speaking, from where, and how much.
    ("auth", &["config", "seldom", "domain", "journal"]),
    ("proxies", &["config"]),
    ("origin", &["config", "proxies"]),
    ("limits", &["config", "domain", "metrics"]),
    ("readiness", &[]),
    // A Socket.IO server that knows no vault.
    ("engineio", &["metrics"]),
    ("socketio", &["engineio"]),
    // What both doors share: what people write, and what they are told.
    ("problem", &["domain", "journal", "vault", "auth", "limits"]),
    ("forms", &["domain", "problem"]),
    // The doors.
    (
        "api",
        &[
            "seldom",
            "domain",
            "journal",
            "vault",
            "auth",
            "proxies",
            "origin",
            "limits",
            "readiness",
            "problem",
            "forms",
            "engineio",
            "metrics",
        ],
    ),
    (
        "gateway",
        &[
            "seldom",
            "domain",
            "journal",
            "vault",
            "auth",
            "limits",
            "readiness",
            "engineio",
            "socketio",
            "problem",
            "forms",
            "metrics",
        ],
    ),
    (
        "demo",
        &["domain", "journal", "vault", "auth", "problem", "api"],
    ),
    (
        "door",
        &["vault", "proxies", "limits", "readiness", "engineio", "api"],
    ),
    ("listener", &["seldom", "engineio"]),
    // How all of it is asked for and wired.
    ("actors", &["api"]),
    ("cli", &["domain", "api"]),
    ("supervisor", &[]),
    (
        "app",
        &[
            "config",
            "telemetry",
            "startup",
            "domain",
            "journal",
            "vault",
            "auth",
            "proxies",
            "origin",
            "limits",
            "readiness",
            "engineio",
            "socketio",
            "problem",
            "api",
            "gateway",
            "demo",
            "door",
            "cli",
            "metrics",
            "supervisor",
            "verify",
            "listener",
            "panics",
            "watchdog",
        ],
    ),
];

#[test]
fn imports_point_down_only() {
    let mut wrong = Vec::new();
    for (module, used) in uses_in(Path::new("src")) {
        let allowed: BTreeSet<_> = HOUSE
            .iter()
            .filter(|(name, _)| *name == module)
            .flat_map(|(_, below)| below.iter().copied())
            .chain([module.as_str()])
            .collect();
        for (target, file) in used {
            if !allowed.contains(target.as_str()) {
                wrong.push(format!("{file}: {module} must not use {target}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "arrows that point up:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_table_itself_points_down_and_names_every_module() {
    let names: Vec<_> = HOUSE.iter().map(|(name, _)| *name).collect();
    for (place, (name, below)) in HOUSE.iter().enumerate() {
        for used in *below {
            assert!(
                names[..place].contains(used),
                "{name} uses {used}, which is not below it"
            );
        }
    }
    let modules: BTreeSet<_> = uses_in(Path::new("src")).into_keys().collect();
    assert_eq!(
        modules,
        names.iter().map(|name| (*name).to_owned()).collect()
    );
}

#[test]
fn every_way_to_write_an_import_is_seen() {
    let text = "use crate::{\n    vault::{Vaults, VaultError},\n    domain::Seq,\n};\n\
                use crate::journal::Record;\nfn f() -> crate::auth::Gate {}\n// crate::api::Api\n";
    let seen: Vec<_> = uses(text).into_iter().collect();
    assert_eq!(seen, ["auth", "domain", "journal", "vault"]);
}

/// For each top module, the modules that it uses and a file in which it does.
fn uses_in(root: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(root).unwrap().with_extension("");
            let module = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_none_or(|e| e != "rs") || module == "lib" || module == "main" {
                continue;
            }
            let used = found.entry(module).or_default();
            for target in uses(&fs::read_to_string(&path).unwrap()) {
                used.insert(target, path.display().to_string());
            }
        }
    }
    found
}

/// The top modules that a text names after `crate::`, comments aside.
fn uses(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            None => found.extend(word(rest)),
            Some(group) => {
                // The first word of every item at the group's own depth.
                let (mut depth, mut item) = (0, true);
                for (place, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => item = true,
                        c if item && depth == 0 && c.is_alphabetic() => {
                            found.extend(word(&group[place..]));
                            item = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

/// The module name that a text begins with; types and macros begin otherwise.
fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let word = &text[..end];
    word.starts_with(|c: char| c.is_ascii_lowercase())
        .then(|| word.to_owned())
}
