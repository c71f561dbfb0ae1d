//! Integers and byte strings: what is written is read, and nothing else is.

use super::*;
use proptest::prelude::*;

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

#[test]
fn integers_past_64_bits_are_refused() {
    let longest = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01];
    assert_eq!(reader(&longest).uint("n"), Ok(u64::MAX));
    for last in [0x02, 0x81] {
        let mut longer = longest;
        longer[9] = last;
        assert!(reader(&longer).uint("n").is_err());
    }
}

#[test]
fn claims_beyond_the_input_are_refused() {
    assert_eq!(reader(&[2, 0, 0]).count(1, "items"), Ok(2));
    let error = |offset| Err(Malformed { what: "items", offset });
    assert_eq!(reader(&[3, 0, 0]).count(1, "items"), error(1));
    assert_eq!(reader(&[2, 0, 0]).count(2, "items"), error(1));
    assert!(reader(&[2, 0]).bytes("items").is_err());
    let error = Malformed { what: "items", offset: 1 };
    assert_eq!(error.to_string(), "malformed items at byte 1");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        uint in any::<u64>(), shift in 0_u32..64, int in any::<i64>(), text in any::<Vec<u8>>()
    ) {
        let (uint, int) = (uint >> shift, int >> shift);
        let mut out = Writer::default();
        out.uint(uint);
        out.int(int);
        out.bytes(&text);
        let mut reader = Reader::new(out.finish());
        prop_assert_eq!(reader.uint("uint"), Ok(uint));
        prop_assert_eq!(reader.int("int"), Ok(int));
        prop_assert_eq!(reader.bytes("bytes"), Ok(Bytes::from(text)));
        prop_assert!(reader.is_done());
    }
}
