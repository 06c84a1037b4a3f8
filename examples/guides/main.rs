//! The code of the guides.
