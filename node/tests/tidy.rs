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

#[path = "documents/page.rs"]
#[expect(dead_code, reason = "what runs the blocks is in documents.rs")]
mod page;

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
    ("benches", &["client", "cql-lite", "engine", "model", "node", "proto", "sys"]),
    ("fuzz", &["cql-lite", "proto", "query"]),
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

/// `.ci/docs` runs the consoles; here is what can be said of the others without running. `sh` repeats
/// what a console types, or `.ci/run`.
#[test]
fn every_block_of_a_document_is_run_or_compiled_or_quiet() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let examples = root().join("client/examples");
    let examples: Vec<String> = fs::read_dir(examples)
        .unwrap()
        .map(|it| fs::read_to_string(it.unwrap().path()).unwrap())
        .collect();
    let pages = page::pages(&root());
    let of = |page| page::Page::blocks(page).unwrap_or_else(|why| panic!("{why}"));
    let blocks: Vec<(&page::Page, page::Block<'_>)> =
        pages.iter().flat_map(|page| of(page).into_iter().map(move |it| (page, it))).collect();
    let run = blocks.iter().filter(|(_, it)| it.is_run()).flat_map(|(_, it)| it.steps().unwrap());
    let typed: BTreeSet<String> = run.map(|step| step.typed.join("\n")).collect();
    for (page, block) in &blocks {
        match block.words[0] {
            "sh" => {
                for line in &block.lines {
                    let line = line.split(" #").next().unwrap_or_default().trim_end();
                    let why = page.at(block.first, &format!("nobody runs this: {line}"));
                    assert!(ci.contains(line) || typed.contains(line), "{why}");
                }
            }
            "rust" => {
                let text = block.lines.join("\n");
                let why = page.at(block.first, "this is in no file of client/examples");
                assert!(examples.iter().any(|it| it.contains(&text)), "{why}");
            }
            _ => {}
        }
    }
}

/// A function is named as `path/file.rs::function` or `path/file.rs::Type::function`; paths are
/// from the root, or from `node/`.
#[test]
fn functions_and_tests_that_documents_name_exist() {
    let mut named = 0;
    for page in page::pages(&root()) {
        for (at, line) in page.text.lines().enumerate() {
            for span in line.split('`').skip(1).step_by(2) {
                let Some((file, names)) = span.split_once(".rs::") else { continue };
                let why = |what: &str| page.at(at, &format!("`{span}`: {what}"));
                let path = format!("{file}.rs");
                let path = [root().join(&path), root().join("node").join(&path)];
                let path = path.iter().find(|it| it.exists());
                let path = path.unwrap_or_else(|| panic!("{}", why("no such file")));
                let text = fs::read_to_string(path).unwrap();
                let (of, function) = names.rsplit_once("::").unwrap_or(("", names));
                assert!(text.contains(&format!("fn {function}")), "{}", why("no such function"));
                assert!(text.contains(of), "{}", why("no such type"));
                named += 1;
            }
        }
    }
    assert!(50 < named, "functions are named in another way than this test reads: {named}");
}

#[test]
fn flows_have_ten_steps_and_promises_have_tests() {
    for flow in ["write", "read", "hints"] {
        let text = fs::read_to_string(root().join(format!("docs/flows/{flow}.md"))).unwrap();
        let (_, steps) = text.split_once("\n1. **").unwrap();
        let steps: Vec<&str> = steps.split("\n\n").next().unwrap().split(". **").collect();
        assert_eq!(steps.len(), 10, "{flow}");
        for (at, step) in steps.iter().enumerate() {
            assert!(step.contains(".rs::"), "{flow}: step {} names no function", at + 1);
        }
    }
    let promises = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let rows: Vec<&str> = promises.lines().filter(|it| it.starts_with("| ")).skip(1).collect();
    assert!(8 < rows.len());
    for row in rows {
        assert!(row.contains(".rs::"), "no test shows this: {row}");
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
