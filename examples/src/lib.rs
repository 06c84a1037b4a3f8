//! Services with a guarded start, one file an example.
