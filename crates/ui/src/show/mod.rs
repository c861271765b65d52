//! From what was recorded to what a person reads. Never trusts it: what could change how a page or a terminal reads is made visible.

mod body;
mod curl;
mod format;
mod pretty;

pub(crate) use body::{BodyView, SHOWN_MAX};
pub(crate) use curl::{Curl, curl};
pub(crate) use format::{
    clock, count, date_time, duration, percent, size, status_kind, visible, visible_bytes,
};
