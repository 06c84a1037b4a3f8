//! One start, from its entry into the cell to the end of its body.

pub(crate) mod attempt;
pub(crate) mod body;
pub(crate) mod future;
pub(crate) mod options;
mod teardown;
