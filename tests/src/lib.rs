//! What the two libraries are held to, from outside: see `tests/tests`.
