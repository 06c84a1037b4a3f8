//! The same service, written with each of them.

pub(crate) mod by_hand;
pub(crate) mod fuel;
pub(crate) mod graceful;
pub(crate) mod guarded;
pub(crate) mod kameo;
pub(crate) mod ractor;
pub(crate) mod supervisor;
