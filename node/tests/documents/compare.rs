//! What a document shows against what was printed.

/// Any text, or any lines.
const ANY: &str = "…";

/// Whether what was printed is what is shown.
pub(crate) fn agree(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == ANY => {
            (0..=printed.len()).any(|skipped| agree(rest, &printed[skipped..]))
        }
        Some((first, rest)) => match printed.split_first() {
            Some((line, more)) => line_agrees(first, line) && agree(rest, more),
            None => false,
        },
    }
}

fn line_agrees(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (shown.trim_end(), printed.trim_end());
    let Some((head, tail)) = shown.split_once(ANY) else { return shown == printed };
    let Some(printed) = printed.strip_prefix(head) else { return false };
    let mut starts = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
    starts.any(|at| line_agrees(tail, &printed[at..]))
}

/// Both, side by side as far as they agree.
pub(crate) fn difference(shown: &[String], printed: &[String]) -> String {
    let lines = |mark: &str, lines: &[String]| -> String {
        lines.iter().map(|line| format!("  {mark} {line}\n")).collect()
    };
    format!("{}{}", lines("shown  |", shown), lines("printed|", printed))
}
