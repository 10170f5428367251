#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| transom_fuzz::http2::http2(input));
