//! Formats recorded content for pages. The content is untrusted: characters that could mislead the
//! reader of a page or a terminal are made visible.

mod body;
mod curl;
mod format;
mod pretty;

pub(crate) use body::{BodyView, SHOWN_MAX};
pub(crate) use curl::{Curl, curl};
pub(crate) use format::{
    clock, count, date_time, duration, percent, size, status_kind, visible, visible_bytes,
};
