//! The replacement of a value in a signature.

/// The replacement of a value.
pub(super) enum Shown {
    /// The value.
    Value,
    /// Nothing: not even the name.
    Gone,
    /// `*`, which no encoded value can be.
    Masked,
    /// Something else in normal form.
    Other(Vec<u8>),
}
