//! Receives what the filter taps and keeps it durably.
