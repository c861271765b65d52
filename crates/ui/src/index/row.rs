//! The row of an exchange in a list.

use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::{Body, Direction, End, Exchange};
use understudy_core::facts;
use understudy_core::rules::Rules;

/// The maximum length of a label in bytes.
const LABEL_MAX: usize = 240;

/// The direction of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowDirection {
    Outbound,
    Inbound,
}

/// An exchange in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The offset of its line in the file, or its number in a running recording.
    pub(crate) place: u64,
    /// The line, counted from 1, or its number in a running recording.
    pub(crate) line: u64,
    /// Its beginning in microseconds since 1970.
    pub(crate) time: u64,
    /// Its duration in microseconds.
    pub(crate) duration: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// The number of its label.
    pub(crate) label: u32,
    /// The number of its backend.
    pub(crate) backend: u32,
    /// The status; 0 if there was no response.
    pub(crate) status: u16,
    pub(crate) way: RowDirection,
    pub(crate) whole: bool,
}

impl Row {
    /// The row of an exchange, with the numbers of its label and backend.
    pub(crate) fn of(exchange: &Exchange, (place, line): (u64, u64), label: u32, backend: u32) -> Self {
        let response = exchange.response.as_ref();
        Self {
            place,
            line,
            time: exchange.time,
            duration: exchange.duration,
            request_bytes: length(&exchange.request.body),
            response_bytes: response.map_or(0, |response| length(&response.body)),
            label,
            backend,
            status: response.map_or(0, |response| response.status),
            way: match exchange.direction {
                Direction::Outbound => RowDirection::Outbound,
                Direction::Inbound => RowDirection::Inbound,
            },
            whole: exchange.end == End::Complete,
        }
    }

    /// Returns whether it failed: no response, a status of 400 or above, or an early end.
    pub(crate) fn failed(&self) -> bool {
        self.status == 0 || self.status >= 400 || !self.whole
    }
}

/// A short name of the request: the operation if there is one, or else method and path. `signature`
/// is a buffer.
pub(crate) fn label(exchange: &Exchange, signature: &mut Signature, rules: &Rules) -> String {
    signature.set(&RequestView::from(exchange), rules);
    let request = &exchange.request;
    let grpc = request.headers.get(b"content-type").is_some_and(facts::is_grpc);
    let path = String::from_utf8_lossy(&request.path);
    let text = match signature.get(b"operation") {
        Some(operation) => String::from_utf8_lossy(operation).into_owned(),
        None if grpc => path.trim_start_matches('/').to_owned(),
        None => format!("{} {path}", String::from_utf8_lossy(&request.method)),
    };
    cut(&text).to_owned()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LABEL_MAX)).unwrap_or(text)
}

/// The full length of a body, also if it is truncated.
pub(crate) fn length(body: &Body) -> u64 {
    body.truncated.unwrap_or(body.bytes.len() as u64)
}
