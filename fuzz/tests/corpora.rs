//! Every input that was ever kept goes through its target without a panic, and without allocating more
//! than four times as much as came.

#![expect(unsafe_code, reason = "an allocator that counts is one")]
#![expect(clippy::disallowed_methods, reason = "a test reads the corpora")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    path::{Path, PathBuf},
};

use helenus_fuzz::TARGETS;

/// The system's allocator; it knows how much this thread holds, and held at the most.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: all that is asked for is handed on to the system's allocator, and its answers are handed back.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller promises what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: it came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What takes no more than this is not looked at: an error, a header, a first block of a buffer.
const SMALL_BYTES: isize = 2048;

/// Most bytes that `work` held at once beyond those held before.
fn most_held(work: impl FnOnce()) -> isize {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get() - before
}

#[test]
fn what_was_kept_is_taken_without_a_panic_and_in_four_times_its_room() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = fs::read(&file).expect("a file of the corpus");
            let most = most_held(|| target(&bytes));
            let allowed = 4 * bytes.len() as isize + SMALL_BYTES;
            assert!(most <= allowed, "{}: {most} bytes for {}", file.display(), bytes.len());
        }
    }
}

/// Headers that claim more than there is, of every kind there is a length for.
#[test]
fn what_is_claimed_is_not_allocated() {
    let claims: [(&str, &[u8]); 6] = [
        // An envelope of 300 MiB, one of 16 MiB, and bodies that say they were 16 MiB before.
        ("frame", &[0, 255, 4, 0, 0, 1, 7, 0x12, 0xc0, 0, 0]),
        ("frame", &[0, 255, 4, 0, 0, 1, 7, 0x01, 0, 0, 0]),
        ("frame", &[1, 255, 4, 1, 0, 1, 7, 0, 0, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ("frame", &[2, 255, 4, 1, 0, 1, 7, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0x07, 0, 0]),
        // A text of 2 GiB, and 65,535 values.
        ("request", &[0, 0, 7, 0x7f, 0xff, 0xff, 0xff]),
        ("request", &[0, 0, 10, 0, 1, 9, 0, 1, 1, 0xff, 0xff]),
    ];
    for (name, bytes) in claims {
        let (_, target) = TARGETS.iter().find(|(it, _)| *it == name).expect("a target");
        let most = most_held(|| target(bytes));
        assert!(most <= SMALL_BYTES, "{name} {bytes:?}: {most} bytes");
    }
}

/// The canary: an allocation is seen.
#[test]
fn what_is_allocated_is_counted() {
    assert!(1 << 20 <= most_held(|| drop(Vec::<u8>::with_capacity(1 << 20))));
}

/// The files of a target's corpus: of the one that is kept, or of what a run of the fuzzer found.
fn corpus(name: &str) -> Vec<PathBuf> {
    let found = std::env::var_os("HELENUS_FUZZ_CORPUS").map(PathBuf::from);
    let kept = || Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let folder = found.unwrap_or_else(kept).join(name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("a corpus").map(|it| it.expect("a file").path()).collect();
    files.sort();
    files
}
