//! The clock of the server.

/// The time as objects have it: to the second.
pub(super) fn now() -> String {
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0).expect("a nanosecond");
    now.format(&time::format_description::well_known::Rfc3339).expect("a time")
}
