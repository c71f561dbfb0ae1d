//! Reads the examples of `docs/formats/`, so that the drawings there stay true.

/// The lines of the fenced block whose opening fence is followed by `name`.
pub(crate) fn block<'d>(document: &'d str, name: &str) -> impl Iterator<Item = &'d str> {
    let fence = format!("```{name}");
    let mut lines = document.lines().skip_while(move |it| *it != fence);
    assert!(lines.next().is_some(), "no block `{name}`");
    lines.take_while(|it| *it != "```")
}

/// The bytes of a block of hex dumps: on each line bytes, two blanks, what they are.
pub(crate) fn bytes(document: &str, name: &str) -> Vec<u8> {
    block(document, name).flat_map(|line| hex(line.split("  ").next().unwrap_or(line))).collect()
}

/// Bytes as pairs of digits, with or without blanks between them.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|it| !it.is_whitespace()).collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    assert!(rest.is_empty(), "half a byte in `{text}`");
    let byte = |pair: &[char; 2]| u8::from_str_radix(&String::from_iter(pair), 16).expect("hex");
    pairs.iter().map(byte).collect()
}
