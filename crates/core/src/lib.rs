//! What Understudy is about: exchanges, signatures, the table, the engine; no I/O.
