//! A page of documentation as blocks, and a block of commands as what is typed and what is shown.
//!
//! ````text
//! ```console            typed at a terminal, and compared with what is printed
//! $ helenus version     a command; it goes on in the next line where this one ends with \
//! helenus …             `…` stands for any text, a line of nothing but `…` for any lines
//! $ cql-lite
//! cql-lite> USE chat;   typed into the shell; a statement goes on to its `;`
//! ```
//! ````
//!
//! `console clone` begins in the clone instead of an empty folder, `console compose` runs where a
//! container engine answers. `sh` repeats, for whoever is in a hurry, what a console or `.ci/run`
//! runs, and `cql` is a page of statements.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Blocks that hold no command: drawings, bytes that tests decode, examples that tests compile.
const QUIET: [&str; 13] = [
    "answer",
    "answer-partial",
    "block",
    "command",
    "command-partial",
    "components",
    "cql",
    "everything",
    "hex",
    "insert",
    "rust",
    "text",
    "toml",
];

/// What the shell asks before data goes away.
pub(crate) const QUESTION: &str = "? [y/N] ";

/// A document and its path from the root of the clone.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// What stands between two fences.
pub(crate) struct Block<'p> {
    /// What follows the opening fence, word by word.
    pub(crate) words: Vec<&'p str>,
    /// The line of the page on which it begins behind the fence, from 0.
    pub(crate) first: usize,
    pub(crate) lines: Vec<&'p str>,
}

/// What is typed at once, and what is shown until the next prompt.
pub(crate) struct Step {
    /// At a shell's `$`, or at a prompt of `cql-lite`.
    pub(crate) at_dollar: bool,
    pub(crate) typed: Vec<String>,
    pub(crate) shown: Vec<String>,
    /// The lines of the page that show it, from 0.
    pub(crate) place: Range<usize>,
}

/// README.md and everything below docs/, in order.
pub(crate) fn pages(root: &Path) -> Vec<Page> {
    let mut found = vec![root.join("README.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found[1..].sort();
    let page = |path: PathBuf| Page {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root).unwrap().to_path_buf(),
    };
    found.into_iter().map(page).collect()
}

impl Page {
    /// Its blocks, or what is wrong with one.
    pub(crate) fn blocks(&self) -> Result<Vec<Block<'_>>, String> {
        let mut blocks = Vec::new();
        let mut open: Option<Block<'_>> = None;
        for (at, line) in self.text.lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), open.take()) {
                (Some(info), None) => {
                    let words = info.split_whitespace().collect();
                    open = Some(Block { words, first: at + 1, lines: Vec::new() });
                }
                (Some(_), Some(block)) => {
                    block.check().map_err(|why| self.at(block.first - 1, &why))?;
                    blocks.push(block);
                }
                (None, Some(mut block)) => {
                    block.lines.push(line);
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        match open {
            Some(block) => Err(self.at(block.first - 1, "nothing closes this block")),
            None => Ok(blocks),
        }
    }

    /// A message with its place; `line` counts from 0.
    pub(crate) fn at(&self, line: usize, message: &str) -> String {
        format!("{}:{}: {message}", self.path.display(), line + 1)
    }
}

impl Block<'_> {
    /// Whether it is run and compared.
    pub(crate) fn is_run(&self) -> bool {
        self.words.first() == Some(&"console")
    }

    /// Whether `word` follows `console`.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.words[1..].contains(&word)
    }

    fn check(&self) -> Result<(), String> {
        let Some((kind, words)) = self.words.split_first() else {
            return Err("say what this block is: console, sh, text, …".to_owned());
        };
        let prompts = self.lines.iter().any(|it| typed(it).is_some());
        match *kind {
            "console" => {
                if let Some(word) = words.iter().find(|it| !["clone", "compose"].contains(it)) {
                    return Err(format!("`console {word}` is unknown"));
                }
                self.steps().map(drop)
            }
            "sh" => Ok(()),
            kind if QUIET.contains(&kind) && prompts => {
                Err(format!("commands that nobody runs: {kind} should be console"))
            }
            kind if QUIET.contains(&kind) => Ok(()),
            kind => Err(format!("no block is called {kind}")),
        }
    }

    /// What is typed, in order.
    pub(crate) fn steps(&self) -> Result<Vec<Step>, String> {
        let mut steps: Vec<Step> = Vec::new();
        let mut unfinished = false;
        for (at, line) in (self.first..).zip(&self.lines) {
            let begun = if unfinished { None } else { typed(line) };
            match (begun, steps.last_mut()) {
                (Some((at_dollar, text)), _) => {
                    unfinished = goes_on(at_dollar, text);
                    let typed = vec![text.to_owned()];
                    let place = at + 1..at + 1;
                    steps.push(Step { at_dollar, typed, shown: Vec::new(), place });
                }
                (None, Some(step)) if unfinished => {
                    step.typed.push((*line).to_owned());
                    let ends = if step.at_dollar { !line.ends_with('\\') } else { ends_cql(line) };
                    unfinished = !ends;
                    step.place = at + 1..at + 1;
                }
                (None, Some(step)) => {
                    step.shown.push((*line).to_owned());
                    step.place.end = at + 1;
                }
                (None, None) => return Err("a console begins with a prompt".to_owned()),
            }
        }
        if unfinished { Err("the last command has no end".to_owned()) } else { Ok(steps) }
    }
}

/// The ports that commands of these blocks open: what follows `--peer-port` and the like.
pub(crate) fn ports(blocks: &[Block<'_>]) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for line in blocks.iter().flat_map(|block| &block.lines).filter(|line| typed(line).is_some()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2).filter(|it| it[0].ends_with("-port")) {
            ports.extend(pair[1].parse::<u16>().ok().filter(|it| *it != 0));
        }
    }
    ports
}

/// What a line types, behind its prompt, and whether that is the `$`.
fn typed(line: &str) -> Option<(bool, &str)> {
    if let Some(command) = line.strip_prefix("$ ") {
        return Some((true, command));
    }
    if let Some(rest) = line.strip_prefix("cql-lite")
        && let Some((keyspace, statement)) = rest.split_once("> ")
        && (keyspace.is_empty() || keyspace.starts_with(':'))
    {
        return Some((false, statement));
    }
    line.split_once(QUESTION).map(|(_, answer)| (false, answer))
}

/// Whether a first line is not all of it.
fn goes_on(at_dollar: bool, text: &str) -> bool {
    const STATEMENTS: [&str; 10] = [
        "ALTER", "BEGIN", "CREATE", "DELETE", "DROP", "INSERT", "SELECT", "TRUNCATE", "UPDATE",
        "USE",
    ];
    let first = text.split_whitespace().next().unwrap_or_default();
    if at_dollar { text.ends_with('\\') } else { STATEMENTS.contains(&first) && !ends_cql(text) }
}

fn ends_cql(line: &str) -> bool {
    line.trim_end().ends_with(';')
}
