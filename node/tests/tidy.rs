//! The repository checks itself: who may see whom, how long files get, what must be there.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads the repository itself, and may panic"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What each crate may see of the others. To widen a line, change `docs/architecture.md` with it.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("cql-lite", &[]),
    ("proto", &["cql-lite"]),
    ("client", &["cql-lite", "proto"]),
    ("cql-lite/shell", &["client", "cql-lite"]),
    ("node/sys", &[]),
    ("node/model", &["cql-lite"]),
    ("node/engine", &["model", "sys"]),
    ("node/cluster", &["model", "sys"]),
    ("node/coordinator", &["cluster", "model", "sys"]),
    ("node/query", &["coordinator", "cql-lite", "model", "sys"]),
    (
        "node",
        &[
            "client",
            "cluster",
            "coordinator",
            "cql-lite",
            "engine",
            "model",
            "proto",
            "query",
            "shell",
            "sys",
        ],
    ),
    ("sim-tests", &["client", "node", "proto", "sys"]),
    ("benches", &["client", "cql-lite", "engine", "model", "node", "sys"]),
];

/// Only here may `node` see the client and the shell.
const CLI: &str = "node/src/cli";

/// Longest file, tests not counted. A file over it asks whether it is one idea.
const LINES_MAX: usize = 500;

/// Files that are longer for a reason, with their size: the list may only shrink.
const LONGER: &[(&str, usize)] = &[];

#[test]
fn crates_see_only_what_they_may() {
    let ours: BTreeSet<&str> =
        MAY_SEE.iter().map(|(path, _)| path.rsplit('/').next().unwrap()).collect();
    for (path, allowed) in MAY_SEE {
        let manifest = fs::read_to_string(root().join(path).join("Cargo.toml")).unwrap();
        let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!ours.contains(name) || allowed.contains(&name), "{path} must not see {name}");
        }
        assert!(manifest.contains("[lints]\nworkspace = true"), "{path} skips the workspace lints");
    }
}

#[test]
fn only_the_command_line_sees_client_and_shell() {
    for (path, text) in sources() {
        if !path.starts_with("node/src") || path.starts_with(CLI) {
            continue;
        }
        for line in text.lines() {
            let line = line.trim_start();
            let sees = |name: &str| {
                line.starts_with(&format!("use {name}::"))
                    || line.starts_with(&format!("use {name};"))
            };
            assert!(!sees("shell"), "{}: the shell belongs to {CLI}", path.display());
            assert!(
                !sees("client") && !line.contains("client::Session"),
                "{}: the client crate belongs to {CLI}",
                path.display()
            );
        }
    }
}

#[test]
fn files_open_with_a_purpose_and_stay_short() {
    for (path, text) in sources() {
        let name = path.to_str().unwrap();
        if path.file_name().is_some_and(|it| it == "tests.rs") || name.contains("/tests/") {
            continue;
        }
        assert!(text.starts_with("//! "), "{name}: say in the first line what this file is for");
        let lines = text.split("#[cfg(test)]").next().unwrap_or_default().lines().count();
        let most = LONGER.iter().find(|(it, _)| *it == name).map_or(LINES_MAX, |(_, size)| *size);
        assert!(lines <= most, "{name}: {lines} lines, split it");
    }
}

#[test]
fn nothing_is_left_lying_about() {
    // In pieces, so that this file does not find itself.
    let banned = [["FIX", "ME"], ["todo", "!("], ["unimplemented", "!("], ["#[ign", "ore"]];
    for (path, text) in sources() {
        for pieces in &banned {
            let word = pieces.concat();
            assert!(!text.contains(&word), "{}: leftover {word}", path.display());
        }
    }
}

#[test]
fn every_source_file_is_compiled() {
    let sources = sources();
    let declared: BTreeSet<&str> = sources
        .values()
        .flat_map(|text| text.lines())
        .filter_map(|line| Some(line.trim().strip_suffix(';')?.rsplit_once("mod ")?.1))
        .collect();
    for path in sources.keys() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let stem = if stem == "mod" {
            path.parent().unwrap().file_name().unwrap().to_str().unwrap()
        } else {
            stem
        };
        let folder = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let entry = matches!(stem, "lib" | "main" | "build")
            || matches!(folder, "bin" | "tests" | "examples" | "benches");
        assert!(entry || declared.contains(stem), "{}: nobody declares it", path.display());
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let mut ours = false;
    for line in section.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with('#') {
            ours = line == "# Ours.";
        } else {
            assert!(ours || line.contains(" # "), "Cargo.toml: no reason beside `{line}`");
        }
    }
}

#[test]
fn the_documents_that_the_code_names_exist() {
    for (path, text) in sources() {
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, '`' | '(' | ')' | ',')) {
            let word = word.trim_end_matches(['.', ':', ';']);
            if word.starts_with("docs/") && word.ends_with(".md") {
                assert!(root().join(word).exists(), "{}: {word} is not there", path.display());
            }
        }
    }
}

/// Rust sources by path from the root.
fn sources() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
            if path.is_dir() && !hidden && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_path_buf(), text);
            }
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
