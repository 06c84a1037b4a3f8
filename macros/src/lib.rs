//! The macros of `cancel-guarded`.
