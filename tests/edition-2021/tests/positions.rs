//! The await positions under edition 2021: temporaries of a tail expression and of an `if let` live
//! longer here.

// These positions are unusual code on purpose. rustfmt formats each edition in its own style, and
// these files have that of the other.
#[allow(unused_braces, clippy::all, clippy::pedantic)]
#[path = "../../tests/positions/every.rs"]
#[rustfmt::skip]
mod every;
#[path = "../../tests/positions/harness.rs"]
#[rustfmt::skip]
mod harness;
