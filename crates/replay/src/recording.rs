//! The inbound exchanges of a recording, ordered by time. They are held in memory; the rest of the
//! snapshot is not.

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
    /// The reason.
    pub why: &'static str,
}

impl Recording {
    /// Reads a snapshot's inbound exchanges.
    ///
    /// # Errors
    /// The snapshot can't be read or has no inbound exchanges.
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

    /// A recording of these exchanges.
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

    /// The exchanges, in the order in which their requests started.
    pub fn steps(&self) -> &[Exchange] {
        &self.steps
    }

    /// The exchanges that can't be sent again.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Start of the first request, in microseconds since 1970.
    pub fn start(&self) -> u64 {
        self.steps.first().map_or(0, |exchange| exchange.time)
    }
}

/// The reason why a request can't be sent again, if there is one.
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

/// The reason why an answer can't be compared with: it is incomplete, or not the service's.
fn broken_off(end: End) -> Option<&'static str> {
    match end {
        End::Complete => None,
        End::RequestAborted => Some("its client went away in the middle of it"),
        End::ClientLeft => Some("its client left in the middle of the answer"),
        End::ResponseAborted => Some("its answer broke off when it was recorded"),
        End::NoResponse => Some("the service gave it no answer when it was recorded"),
    }
}

/// End of an exchange, in microseconds since 1970.
pub(crate) fn end_of(exchange: &Exchange) -> u64 {
    exchange.time.saturating_add(exchange.duration)
}
