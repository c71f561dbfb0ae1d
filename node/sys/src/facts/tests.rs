//! Fact stores: one contract, both keep it.

use super::{ENTRY_BYTES_MAX, Error, FactStore, MemoryFacts, SCAN_BYTES_MAX, SledFacts};

fn keeps_the_contract(facts: &dyn FactStore) {
    assert_eq!(facts.get("peers", b"n1").unwrap(), None);
    assert_eq!(facts.scan("peers").unwrap(), []);
    facts.put("peers", b"n2", b"old").unwrap();
    facts.put("peers", b"n2", b"two").unwrap();
    facts.put("peers", b"n1", b"one").unwrap();
    facts.put("history", b"n1", b"else").unwrap();
    assert_eq!(facts.get("peers", b"n2").unwrap(), Some(b"two".to_vec()));
    let both = [(b"n1".to_vec(), b"one".to_vec()), (b"n2".to_vec(), b"two".to_vec())];
    assert_eq!(facts.scan("peers").unwrap(), both);
    facts.remove("peers", b"n1").unwrap();
    facts.remove("peers", b"n1").unwrap();
    facts.remove("nowhere", b"n1").unwrap();
    assert_eq!(facts.scan("peers").unwrap(), both[1..]);
    assert_eq!(facts.get("history", b"n1").unwrap(), Some(b"else".to_vec()));
    let bytes = ENTRY_BYTES_MAX + 1;
    let refused = facts.put("peers", b"", &vec![0; bytes]);
    assert!(matches!(refused, Err(Error::TooLarge { bytes: told }) if told == bytes));
}

#[test]
fn in_memory() {
    keeps_the_contract(&MemoryFacts::new());
}

#[test]
fn in_sled() {
    let dir = tempfile::tempdir().unwrap();
    keeps_the_contract(&SledFacts::open(dir.path()).unwrap());
}

#[test]
fn sled_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let largest = vec![7; ENTRY_BYTES_MAX - 1];
    SledFacts::open(dir.path()).unwrap().put("peers", b"k", &largest).unwrap();
    let facts = SledFacts::open(dir.path()).unwrap();
    assert_eq!(facts.get("peers", b"k").unwrap(), Some(largest));
}

#[test]
fn a_second_sled_in_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = SledFacts::open(dir.path()).unwrap();
    assert!(matches!(SledFacts::open(dir.path()), Err(Error::Store(_))));
}

#[test]
fn a_damaged_sled_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    SledFacts::open(dir.path()).unwrap().put("peers", b"k", b"v").unwrap();
    std::fs::write(dir.path().join("conf"), [0xFF; 64]).unwrap();
    let facts = SledFacts::open(dir.path()).unwrap();
    assert_eq!(facts.get("peers", b"k").unwrap(), None);
    facts.put("peers", b"k", b"again").unwrap();
}

#[test]
fn a_scan_stops_before_it_is_large() {
    let facts = MemoryFacts::new();
    let value = vec![0; ENTRY_BYTES_MAX - 4];
    (0..300u32).for_each(|key| facts.put("big", &key.to_be_bytes(), &value).unwrap());
    let found = facts.scan("big").unwrap();
    assert_eq!(found.len(), SCAN_BYTES_MAX / ENTRY_BYTES_MAX);
    assert_eq!(found[1].0, 1u32.to_be_bytes());
}
