//! What is coded by symbols is decoded as it was, and whatever comes is decoded as something.

use model::codec::Writer;
use proptest::prelude::*;

use super::coder::{BLOCKS_BEFORE, BLOCKS_SAMPLED};
use super::*;

/// A coder that has seen such texts in enough blocks, which would take so many bytes compressed.
fn trained(texts: &[&[u8]], compressed_bytes: usize) -> TextCoder {
    let mut coder = TextCoder::new(4 << 10, Arc::default());
    for _ in 0..=BLOCKS_BEFORE + BLOCKS_SAMPLED {
        assert!(coder.code(texts, &[]).is_none(), "it has not seen enough");
        let raw: usize = texts.iter().map(|it| it.len()).sum();
        coder.end_block(raw, compressed_bytes);
        if coder.is_sampling_behind() != Some(BLOCKS_BEFORE) {
            break;
        }
    }
    coder
}

/// Sentences of few words.
fn sentences() -> Vec<Vec<u8>> {
    let words = ["the ", "winner ", "of ", "this ", "message ", "is ", "nobody ", "that I know "];
    let sentence = |at: usize| {
        let word = |it: usize| words[(at * 31 + it * 7 + at * it) % words.len()].as_bytes();
        (0..6 + at % 5).flat_map(word).copied().collect()
    };
    (0..200).map(sentence).collect()
}

fn slices(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}

/// The symbols that a block would have, and the texts as it would have them.
fn coded(coder: &mut TextCoder, texts: &[Vec<u8>]) -> Option<(Arc<Symbols>, Values)> {
    let coded = coder.code(&slices(texts), &[])?;
    let arena = Bytes::copy_from_slice(coded.codes);
    let ends = coded.ends.iter().map(|it| *it as u32).collect();
    let mut out = Writer::default();
    coder.put_symbols(&mut out);
    let symbols = Symbols::read(&mut Reader::new(out.finish()), None).unwrap();
    Some((symbols, Values::Any { arena, ends }))
}

fn decoded(symbols: &Symbols, codes: &Values, range: Range<usize>) -> Vec<Vec<u8>> {
    let values = symbols.decode(codes, range.clone());
    range.enumerate().map(|(at, _)| values.bytes(at).to_vec()).collect()
}

#[test]
fn sentences_take_a_fraction_of_what_they_took() {
    let texts = sentences();
    let mut coder = trained(&slices(&texts), 4_000);
    let (symbols, coded) = coded(&mut coder, &texts).unwrap();
    let plain: usize = texts.iter().map(Vec::len).sum();
    assert!(coded.all_bytes() * 3 < plain, "{} of {plain}", coded.all_bytes());
    assert!(symbols.written.len() < 1_200, "{}", symbols.written.len());
    assert_eq!(decoded(&symbols, &coded, 0..200), texts);
    assert_eq!(decoded(&symbols, &coded, 7..8), texts[7..8]);
}

#[test]
fn texts_that_compress_well_are_left_to_the_compressor() {
    let texts = sentences();
    assert!(trained(&slices(&texts), 200).is_sampling_behind() > Some(BLOCKS_BEFORE));
}

#[test]
fn what_did_not_pay_is_tried_again_later() {
    let texts = sentences();
    let mut coder = trained(&slices(&texts), 200);
    let blocks = (0..1_000).find(|_| {
        coder.end_block(12_000, 10_000);
        coder.code(&slices(&texts), &[]).is_some()
    });
    assert!(blocks.is_some_and(|it| (10..40).contains(&it)), "{blocks:?}");
}

#[test]
fn what_is_no_text_is_not_coded() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    };
    let noise: Vec<Vec<u8>> =
        (0..200).map(|it| (0..20 + it % 7).map(|_| random()).collect()).collect();
    let mut coder = trained(&slices(&noise), 4_600);
    assert!(coder.code(&slices(&noise), &[]).is_none());
    assert!(trained(&[], 0).is_sampling_behind() > Some(BLOCKS_BEFORE));
}

#[test]
fn the_next_sstable_codes_from_its_first_block_on_and_copies_codes() {
    let texts = sentences();
    let shared = Arc::default();
    let mut first = TextCoder::new(4 << 10, Arc::clone(&shared));
    while first.symbols().is_none() {
        let _not_yet = first.code(&slices(&texts), &[]);
        first.end_block(9_000, 4_000);
    }
    let mut second = TextCoder::new(4 << 10, Arc::clone(&shared));
    assert_eq!(second.symbols(), first.symbols());
    let (symbols, coded) = coded(&mut second, &texts).unwrap();
    let codes = symbols.codes(&coded, 50..150);
    assert_eq!(Some(&codes.symbols), second.symbols().as_ref());
    // Two of three come with theirs: whatever these stand for, they are copied.
    let own: Vec<Vec<u8>> =
        (0..100).map(|at| codes.values.bytes(at).iter().rev().copied().collect()).collect();
    let come = |at: usize| (!at.is_multiple_of(3)).then_some(&own[at][..]);
    let come: Vec<Option<&[u8]>> = (0..90).map(come).collect();
    let joined = second.code(&slices(&texts[50..150]), &come).unwrap();
    let mut begin = 0;
    for (at, end) in joined.ends.iter().enumerate() {
        let found = &joined.codes[std::mem::replace(&mut begin, *end as usize)..*end as usize];
        assert_eq!(
            found,
            come.get(at).copied().flatten().unwrap_or(codes.values.bytes(at)),
            "{at}"
        );
    }
}

#[test]
fn symbols_that_became_bad_ones_are_found_anew() {
    let texts = sentences();
    let mut coder = trained(&slices(&texts), 4_000);
    let before = coder.symbols().unwrap();
    let others: Vec<Vec<u8>> =
        texts.iter().map(|it| it.iter().map(|byte| byte.wrapping_add(100)).collect()).collect();
    let again = (0..400).find(|_| {
        let _coded = coder.code(&slices(&others), &[]);
        coder.end_block(9_000, 4_000);
        coder.symbols().is_some_and(|it| it != before)
    });
    assert!(again.is_some_and(|it| 50 < it), "{again:?}");
}

#[test]
fn blocks_of_the_same_symbols_share_them() {
    let texts = sentences();
    let mut coder = trained(&slices(&texts), 4_000);
    let (symbols, _) = coded(&mut coder, &texts).unwrap();
    let mut out = Writer::default();
    coder.put_symbols(&mut out);
    let again = Symbols::read(&mut Reader::new(out.finish()), Some(&symbols)).unwrap();
    assert!(Arc::ptr_eq(&symbols, &again));
    coder.end_block(0, 0);
    let mut out = Writer::default();
    coder.put_symbols(&mut out);
    assert!(out.is_empty(), "a block without codes needs none");
}

proptest! {
    /// Whatever they are: the symbols were found for other texts.
    #[test]
    fn any_texts_come_back(texts in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(prop::sample::select(&b"the winner of this message\xff\0"[..]), 0..300),
        ],
        0..40,
    ), (from, to) in (0..40_usize, 0..40_usize)) {
        let mut coder = trained(&slices(&sentences()), 4_000);
        if let Some((symbols, coded)) = coded(&mut coder, &texts) {
            prop_assert_eq!(&decoded(&symbols, &coded, 0..texts.len()), &texts);
            let (from, to) = (from.min(texts.len()), to.min(texts.len()));
            if from <= to {
                prop_assert_eq!(decoded(&symbols, &coded, from..to), &texts[from..to]);
            }
        }
    }

    #[test]
    fn any_bytes_are_symbols_or_refused_and_any_codes_are_some_text(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        runs in prop::collection::vec((0..10_u8, 0..300_u64), 0..4),
        codes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut written = Writer::default();
        written.uint(runs.len() as u64);
        for (length, count) in &runs {
            written.u8(*length);
            written.uint(*count);
        }
        written.raw(&bytes);
        let mut out = Writer::default();
        out.bytes(&written.finish());
        if let Ok(symbols) = Symbols::read(&mut Reader::new(out.finish()), None) {
            let ends = vec![codes.len() as u32];
            let len = codes.len();
            let codes = Values::Any { arena: codes.into(), ends };
            prop_assert!(decoded(&symbols, &codes, 0..1)[0].len() <= 8 * len);
        }
    }
}
