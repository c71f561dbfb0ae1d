//! The fuzz target of `helenus_fuzz::paging_state`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| helenus_fuzz::paging_state(bytes));
