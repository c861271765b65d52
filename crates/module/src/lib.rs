//! The compiled filter, as bytes.
