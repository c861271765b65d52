//! What the service was asked in a recording: its inbound exchanges, in the order of their times. Held in memory as they are; nothing else of
//! the snapshot is.

use crate::error::Error;
use understudy_core::exchange::{Direction, End, Exchange};
use understudy_snapshot::Snapshot;

/// The inbound exchanges of a snapshot.
#[derive(Debug, Default)]
pub struct Recording {
    steps: Vec<Exchange>,
    left_out: Vec<LeftOut>,
}

/// Recorded requests that can't be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The exchange's identifier.
    pub exchange: String,
    /// Why not.
    pub why: &'static str,
}

impl Recording {
    /// Reads those of a snapshot.
    ///
    /// # Errors
    /// The snapshot can't be read, or nobody calls the service in it.
    pub fn read(snapshot: &Snapshot) -> Result<Self, Error> {
        let mut inbound = Vec::new();
        for located in snapshot.exchanges()? {
            let exchange = located?.exchange;
            if exchange.direction == Direction::Inbound {
                inbound.push(exchange);
            }
        }
        if inbound.is_empty() {
            return Err(Error::NothingInbound { snapshot: snapshot.path().to_owned() });
        }
        Ok(Self::new(inbound))
    }

    /// One of these exchanges.
    pub fn new(exchanges: Vec<Exchange>) -> Self {
        let mut recording = Self::default();
        for exchange in exchanges {
            match unsendable(&exchange) {
                Some(why) => recording.left_out.push(LeftOut { exchange: exchange.id, why }),
                None => recording.steps.push(exchange),
            }
        }
        recording.steps.sort_by_key(|exchange| exchange.time);
        recording
    }

    /// The exchanges, in the order in which the requests began.
    pub fn steps(&self) -> &[Exchange] {
        &self.steps
    }

    /// Those that can't be sent again.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// When the first request began, in microseconds since 1970.
    pub fn start(&self) -> u64 {
        self.steps.first().map_or(0, |exchange| exchange.time)
    }
}

/// Why a request can't be sent again, where it can't.
fn unsendable(exchange: &Exchange) -> Option<&'static str> {
    let request = &exchange.request;
    let upgrade = request.headers.get(b"upgrade").is_some_and(|to| !to.eq_ignore_ascii_case(b"h2c"));
    if request.body.truncated.is_some() {
        Some("its body was cut when it was recorded")
    } else if let Some(why) = broken_off(exchange.end) {
        Some(why)
    } else if request.method == b"CONNECT" || upgrade {
        Some("it leaves HTTP, as WebSocket does")
    } else {
        None
    }
}

/// An answer that isn't the service's, or not all of it, is nothing to compare with.
fn broken_off(end: End) -> Option<&'static str> {
    match end {
        End::Complete => None,
        End::RequestAborted => Some("its client went away in the middle of it"),
        End::ClientLeft => Some("its client left in the middle of the answer"),
        End::ResponseAborted => Some("its answer broke off when it was recorded"),
        End::NoResponse => Some("the service gave it no answer when it was recorded"),
    }
}

/// When an exchange ended, in microseconds since 1970.
pub(crate) fn end_of(exchange: &Exchange) -> u64 {
    exchange.time.saturating_add(exchange.duration)
}
