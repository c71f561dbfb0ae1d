//! The fuzz target of `helenus_fuzz::value`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| helenus_fuzz::value(bytes));
