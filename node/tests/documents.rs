//! Runs every block of commands in README.md and docs/, and compares what is printed with what is
//! shown there: `.ci/docs`.
//!
//! Blocks of `cql` are run too: those of a page from top to bottom, on a demo of their own.
//!
//! `documents [--compose] [--update] [WORD]`: blocks that need a container engine, or the others; those
//! of pages whose path contains WORD. `--update` writes what was printed into the page, to be read
//! and, where it differs from run to run, replaced by `…`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it runs programs and looks at what they print, and panics when the clone is no clone"
)]

#[path = "documents/compare.rs"]
mod compare;
#[path = "documents/page.rs"]
mod page;
#[path = "documents/session.rs"]
mod session;
#[path = "end_to_end/terminal.rs"]
mod terminal;

use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

use page::{Block, Page, Step};
use session::{Prompt, Session};

/// A page that shows what is not printed: whoever lets it pass compares nothing.
const CANARY: &str = include_str!("documents/canary.md");

/// What to run, and how.
struct Options {
    compose: bool,
    update: bool,
    word: String,
    /// The folder of `helenus` and `cql-lite`.
    programs: PathBuf,
    clone: PathBuf,
}

/// What a page shows and should not: the lines, and what was printed.
struct Wrong {
    place: Range<usize>,
    printed: Vec<String>,
    message: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|it| it == flag);
    let built = env!("CARGO_BIN_EXE_helenus").into();
    let program = env::var_os("HELENUS_BIN").map_or(built, PathBuf::from);
    let options = Options {
        compose: given("--compose"),
        update: given("--update"),
        word: arguments.iter().find(|it| !it.starts_with('-')).cloned().unwrap_or_default(),
        programs: program.parent().unwrap().to_path_buf(),
        clone: Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf(),
    };
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Whether everything printed what is shown.
fn run(options: &Options) -> Result<bool, String> {
    for program in ["helenus", "cql-lite"] {
        let path = options.programs.join(program);
        if !path.exists() {
            return Err(format!("{} is not there: cargo build --bin {program}", path.display()));
        }
    }
    let canary = Page { path: "canary.md".into(), text: CANARY.to_owned() };
    let found = check(options, &canary, false)?;
    if found.len() != canary.blocks()?.len() {
        return Err("a page that shows what is not printed passed".to_owned());
    }
    let mut all_agree = true;
    for page in page::pages(&options.clone) {
        if !page.path.to_string_lossy().contains(&options.word) {
            continue;
        }
        let begun = Instant::now();
        let wrong = check(options, &page, options.compose)?;
        for it in &wrong {
            println!("{}", page.at(it.place.start.saturating_sub(1), &it.message));
        }
        if !options.compose {
            all_agree &= statements_run(options, &page)?;
        }
        let blocks = runnable(&page, options.compose)?.len();
        if 0 < blocks {
            let took = begun.elapsed().as_secs_f64();
            println!("{took:6.1} s  {} ({blocks} blocks)", page.path.display());
        }
        all_agree &= wrong.is_empty();
        if options.update && !wrong.is_empty() {
            fs::write(options.clone.join(&page.path), updated(&page, &wrong)).unwrap();
        }
    }
    Ok(all_agree)
}

fn runnable(page: &Page, compose: bool) -> Result<Vec<Block<'_>>, String> {
    let blocks = page.blocks()?.into_iter();
    Ok(blocks.filter(|it| it.is_run() && it.is("compose") == compose).collect())
}

/// Runs the statements of a page, and tells which fail.
fn statements_run(options: &Options, page: &Page) -> Result<bool, String> {
    let mut script = vec![""; page.text.lines().count()];
    let mut blocks = 0;
    for block in page.blocks()?.iter().filter(|it| it.words[0] == "cql") {
        // At their own lines, so that failures name these.
        script[block.first..][..block.lines.len()].copy_from_slice(&block.lines);
        blocks += 1;
    }
    if blocks == 0 {
        return Ok(true);
    }
    let folder = tempfile::tempdir().unwrap();
    let name = page.path.file_name().unwrap();
    fs::write(folder.path().join(name), script.join("\n")).unwrap();
    let mut demo = Command::new(options.programs.join("helenus"));
    demo.args(["demo", "--on-error", "continue", "--file"]).arg(name);
    let output = demo.current_dir(folder.path()).output().map_err(|why| why.to_string())?;
    let path = page.path.display();
    if !output.status.success() {
        println!("{path}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        return Ok(false);
    }
    println!("         {path} ({blocks} blocks of cql)");
    Ok(true)
}

/// Runs the blocks of a page, one after the other in one terminal.
fn check(options: &Options, page: &Page, compose: bool) -> Result<Vec<Wrong>, String> {
    let blocks = runnable(page, compose)?;
    let mut wrong = Vec::new();
    if blocks.is_empty() {
        return Ok(wrong);
    }
    ports_are_free(page, &blocks)?;
    let scratch = tempfile::Builder::new().prefix("helenus-docs-").tempdir().unwrap();
    let mut session = Session::open(scratch.path(), &options.programs)?;
    let mut prompt = Prompt::Dollar(0);
    for block in blocks {
        let in_clone = compose || block.is("clone");
        let folder = if in_clone { &options.clone } else { scratch.path() };
        if matches!(prompt, Prompt::Dollar(_)) {
            session.enter(&format!("cd {}", folder.display()))?;
        }
        for step in block.steps()? {
            let place = step.place.start.saturating_sub(1);
            let tell = |why: String| page.at(place, &format!("{}: {why}", step.typed.join("\n")));
            let (printed, next) = take(&mut session, &step, &prompt).map_err(&tell)?;
            let text = match next {
                Prompt::Dollar(code) if code != 0 => format!("ended with exit code {code}"),
                Prompt::Dollar(_) | Prompt::Cql if compare::agree(&step.shown, &printed) => {
                    String::new()
                }
                Prompt::Dollar(_) | Prompt::Cql => "prints something else".to_owned(),
            };
            if !text.is_empty() {
                let difference = compare::difference(&step.shown, &printed);
                let message = format!("{text}: {}\n{difference}", step.typed.join("\n"));
                wrong.push(Wrong { place: step.place, printed, message });
            }
            prompt = next;
        }
    }
    session.close(&prompt)?;
    Ok(wrong)
}

/// Whether nobody listens where the commands of a page are going to: a stranger's node would answer
/// them, or what they start would not come up, and neither is the fault of the page.
fn ports_are_free(page: &Page, blocks: &[Block<'_>]) -> Result<(), String> {
    let taken: Vec<u16> = page::ports(blocks)
        .into_iter()
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_err())
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let list = |between: &str, before: &str| {
        let all: Vec<String> = taken.iter().map(|it| format!("{before}{it}")).collect();
        all.join(between)
    };
    Err(format!(
        "{}: not run, because something listens already on what its commands open: 127.0.0.1 port {}. \
         End that first: `ss -ltnp '{}'` says what it is.",
        page.path.display(),
        list(", ", ""),
        list(" or ", "sport = :")
    ))
}

/// Types all lines of a step.
fn take(
    session: &mut Session,
    step: &Step,
    prompt: &Prompt,
) -> Result<(Vec<String>, Prompt), String> {
    if step.at_dollar != matches!(prompt, Prompt::Dollar(_)) {
        return Err(format!("the terminal waits with another prompt, {prompt:?}"));
    }
    // The second line of a command gets no prompt of its own.
    session.enter(&step.typed.join("\n"))
}

/// The page with what was printed in place of what is shown.
fn updated(page: &Page, wrong: &[Wrong]) -> String {
    let mut lines: Vec<&str> = page.text.lines().collect();
    for it in wrong.iter().rev() {
        lines.splice(it.place.clone(), it.printed.iter().map(|line| line.trim_end()));
    }
    lines.join("\n") + "\n"
}
