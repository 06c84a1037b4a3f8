//! Reports, for people and for machines.

pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod sarif;
mod timeline;
