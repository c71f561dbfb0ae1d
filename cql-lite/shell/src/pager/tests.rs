//! What goes through a pager, and what becomes of it, with `sh` for a pager.

use std::fs;
use std::path::Path;

use super::*;

/// A pager that does what a script says; `$0` is the file it may write to.
fn pager(script: &str, file: &Path) -> Option<Pager> {
    let arguments = ["-c".into(), script.into(), file.into()];
    Some(Pager { program: "sh".into(), arguments: arguments.into() })
}

fn lines(count: usize) -> Vec<u8> {
    (0..count).map(|it| format!("line {it}\n")).collect::<String>().into()
}

#[tokio::test]
async fn what_fits_is_printed_and_what_does_not_goes_through_the_pager() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen");
    for (count, paged) in [(0, false), (8, false), (9, true), (100, true)] {
        drop(fs::remove_file(&file));
        let mut out = Vec::new();
        let mut sheet = Sheet::new(pager("cat > $0", &file), (80, 10));
        for line in lines(count).split_inclusive(|it| *it == b'\n') {
            assert_eq!(sheet.put(line.to_vec(), &mut out).await.unwrap(), Reader::Stays);
        }
        sheet.end(&mut out).await.unwrap();
        let seen = fs::read(&file).unwrap_or_default();
        let (all, none) = if paged { (seen, out) } else { (out, seen) };
        assert_eq!((all, none), (lines(count), Vec::new()), "{count} lines");
    }
}

#[tokio::test]
async fn long_lines_take_several_and_colors_none() {
    assert_eq!(height(b"a\nb\n", 80), 2);
    assert_eq!(height(b"\n\n", 80), 2);
    assert_eq!(height("é".repeat(81).as_bytes(), 80), 2);
    assert_eq!(height(b"\x1b[1mab\x1b[0m\n", 2), 1);
}

#[tokio::test]
async fn whoever_leaves_the_pager_gets_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seen");
    let mut out = Vec::new();
    let mut sheet = Sheet::new(pager("head -n 1 > $0", &file), (80, 10));
    let first = sheet.put(lines(20), &mut out).await.unwrap();
    // What was on its way when it left went nowhere, or nobody knew yet.
    if first == Reader::Stays {
        sheet.left().await;
        assert_eq!(sheet.put(lines(100_000), &mut out).await.unwrap(), Reader::Left);
    }
    assert_eq!(sheet.put(lines(1), &mut out).await.unwrap(), Reader::Left);
    sheet.end(&mut out).await.unwrap();
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), out), ("line 0\n", Vec::new()));
}

#[tokio::test]
async fn a_pager_that_is_not_there_is_done_without() {
    let missing = Pager { program: "no-such-pager".into(), arguments: Vec::new() };
    let mut out = Vec::new();
    let mut sheet = Sheet::new(Some(missing), (80, 10));
    sheet.put(lines(50), &mut out).await.unwrap();
    sheet.put(lines(1), &mut out).await.unwrap();
    sheet.end(&mut out).await.unwrap();
    assert_eq!(out, [lines(50), lines(1)].concat());
}

#[test]
fn the_environment_names_the_pager() {
    let named = |pager: Option<&str>, terminal: &str| {
        let named = Pager::named(pager.map(Into::into), Some(terminal.into()))?;
        Some((named.program, named.arguments.len()))
    };
    assert_eq!(named(None, "xterm"), Some(("less".into(), 1)));
    assert_eq!(named(None, "dumb"), None, "it can only print");
    assert_eq!(named(Some("more -d"), "dumb"), Some(("more".into(), 1)), "it was asked for");
    assert_eq!(named(Some(""), "xterm"), None);
    assert_eq!(named(Some(" "), "xterm"), None);
}
