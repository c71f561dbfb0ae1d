//! The fuzz target of `helenus_fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| helenus_fuzz::frame(bytes));
