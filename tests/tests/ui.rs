//! The errors and warnings that users of the macros see, one behaviour a file. To update them, run
//! `TRYBUILD=overwrite cargo test -p cancel-guarded-tests --test ui`, and read the difference as a
//! user would.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/arguments/*.rs");
    cases.compile_fail("ui/attribute_order/*.rs");
    cases.compile_fail("ui/body/*/*.rs");
    cases.compile_fail("ui/derive/*.rs");
    cases.compile_fail("ui/forms/*.rs");
    cases.compile_fail("ui/half_typed/*.rs");
    cases.compile_fail("ui/lints/*.rs");
    cases.compile_fail("ui/refusal/*.rs");
    cases.compile_fail("ui/state/*.rs");
    cases.compile_fail("ui/token/*.rs");
    cases.pass("ui/pass/*.rs");
}
