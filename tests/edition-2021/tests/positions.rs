//! Awaits in every position, under edition 2021: temporaries of a tail expression and of an
//! `if let` live longer here.

// As odd as code gets: each position is here for its own sake. Each edition has a style of its
// own, too, and these files have that of the other.
#[allow(unused_braces, clippy::all, clippy::pedantic)]
#[path = "../../tests/positions/every.rs"]
#[rustfmt::skip]
mod every;
#[path = "../../tests/positions/harness.rs"]
#[rustfmt::skip]
mod harness;
