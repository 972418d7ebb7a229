//! Rules for whatever bytes the fuzzer finds, a program for each. Those of the repository's objects are the rules of its tests.

#[path = "../../tests/suite/parsers/rules.rs"]
pub mod rules;
pub mod texts;

pub use lockgate_repository::fuzzing as inner;

/// The program of one rule.
#[macro_export]
macro_rules! target {
    ($rule:expr) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
            let _ = $rule(bytes);
        });
    };
}
