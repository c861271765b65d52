//! What a list shows of one exchange. Never more than a few words of it.

use understudy_core::canonical::{RequestView, Signature};
use understudy_core::exchange::{Body, Direction, End, Exchange};
use understudy_core::facts;
use understudy_core::rules::Rules;

/// The longest label, in bytes.
const LABEL_MAX: usize = 240;

/// Which way an exchange went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Outbound,
    Inbound,
}

/// One exchange of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where its line begins in the file, or its number in what was received.
    pub(crate) place: u64,
    /// The line, counted from 1; the same number where it was received.
    pub(crate) line: u64,
    /// In microseconds since 1970.
    pub(crate) time: u64,
    /// In microseconds.
    pub(crate) duration: u64,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    /// A number of the labels.
    pub(crate) label: u32,
    /// A number of the backends.
    pub(crate) backend: u32,
    /// 0 where there was no response.
    pub(crate) status: u16,
    pub(crate) way: Way,
    pub(crate) whole: bool,
}

impl Row {
    /// Of an exchange, whose label and backend have these numbers.
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
                Direction::Outbound => Way::Outbound,
                Direction::Inbound => Way::Inbound,
            },
            whole: exchange.end == End::Complete,
        }
    }

    /// Whether it failed: no response, a status of 400 or above, or it ended early.
    pub(crate) fn failed(&self) -> bool {
        self.status == 0 || self.status >= 400 || !self.whole
    }
}

/// What was asked, in a few words: the operation where there is one, else method and path. `signature` is a buffer.
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

/// How long a body was, also where not all of it was kept.
pub(crate) fn length(body: &Body) -> u64 {
    body.truncated.unwrap_or(body.bytes.len() as u64)
}
