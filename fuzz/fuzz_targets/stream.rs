#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oasis_fuzz::stream(data));
