//! How long compressed bytes become, without making room for it: their steps are walked, and nothing
//! is copied.

/// Bytes that an LZ4 block becomes; none where it is cut short.
pub(crate) fn lz4(block: &[u8]) -> Option<usize> {
    let (mut rest, mut length) = (block, 0_usize);
    loop {
        let token = take(&mut rest)?;
        let literals = lz4_count(token >> 4, &mut rest)?;
        rest = rest.get(literals..)?;
        length = length.checked_add(literals)?;
        // The last sequence has literals only.
        if rest.is_empty() {
            return Some(length);
        }
        // Where it copies from.
        rest = rest.get(2..)?;
        length = length.checked_add(lz4_count(token & 15, &mut rest)?)?.checked_add(4)?;
    }
}

/// A count of four bits, which further bytes add to where it is at its highest.
fn lz4_count(nibble: u8, rest: &mut &[u8]) -> Option<usize> {
    let mut count = usize::from(nibble);
    let mut goes_on = nibble == 15;
    while goes_on {
        let more = take(rest)?;
        count = count.checked_add(more.into())?;
        goes_on = more == 255;
    }
    Some(count)
}

/// Bytes that a Snappy body becomes; none where it is cut short.
pub(crate) fn snappy(body: &[u8]) -> Option<usize> {
    let (mut rest, mut length) = (body, 0_usize);
    // What it says itself.
    while take(&mut rest)? & 0x80 != 0 {}
    while let Some(tag) = take(&mut rest) {
        let (copied, skipped) = match (tag & 3, usize::from(tag >> 2)) {
            (0, count @ 0..60) => (count + 1, count + 1),
            (0, wide) => {
                let width = wide - 59;
                let mut bytes = [0; 8];
                bytes[..width].copy_from_slice(rest.get(..width)?);
                let count = usize::try_from(u64::from_le_bytes(bytes)).ok()?.checked_add(1)?;
                (count, count.checked_add(width)?)
            }
            (1, count) => ((count & 7) + 4, 1),
            (2, count) => (count + 1, 2),
            (_, count) => (count + 1, 4),
        };
        rest = rest.get(skipped..)?;
        length = length.checked_add(copied)?;
    }
    Some(length)
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (first, behind) = rest.split_first()?;
    *rest = behind;
    Some(*first)
}
