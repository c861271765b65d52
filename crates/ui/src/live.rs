//! What is being recorded: the newest exchanges of a capture store, read on as they come. Holds a bounded number of them, and never
//! more than a bounded number of bytes; needs no lock of the store and changes nothing in it.

use crate::index::{Known, Noted, Scanner};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use understudy_collector::{Position, ReadError, Reader, RecordKind, Start, StoreUrl};
use understudy_core::v1;

/// So many exchanges are held, the newest.
pub(crate) const HELD: usize = 2_000;
/// So many bytes of them.
const HELD_BYTES: usize = 64 << 20;
/// How many of the newest segments are read at first.
const SEGMENTS: u64 = 2;
/// The store isn't looked at more often.
const PAUSE: Duration = Duration::from_millis(400);

/// A capture store that is followed.
pub(crate) struct Live {
    store: StoreUrl,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: VecDeque<Held>,
    bytes: usize,
    /// How many exchanges have come since the first look.
    count: u64,
    position: Option<Position>,
    looked: Option<Instant>,
    failure: Option<String>,
    scanner: Scanner,
}

struct Held {
    number: u64,
    line: Bytes,
    noted: Noted,
}

/// What is there at one moment.
pub(crate) struct Newest {
    pub(crate) known: Known,
    /// How many have come since the first look.
    pub(crate) count: u64,
    /// Why the store can't be read, where it can't.
    pub(crate) failure: Option<String>,
}

impl Live {
    /// Follows a store.
    pub(crate) async fn open(store: &StoreUrl) -> Result<Self, ReadError> {
        let mut state = State::default();
        state.catch_up(store).await?;
        Ok(Self { store: store.clone(), state: Mutex::new(state) })
    }

    /// Which store it is.
    pub(crate) fn store(&self) -> &StoreUrl {
        &self.store
    }

    /// What there is now.
    pub(crate) async fn newest(&self) -> Newest {
        let mut state = self.state.lock().await;
        if state.looked.is_none_or(|looked| looked.elapsed() >= PAUSE) {
            let failed = state.catch_up(&self.store).await.err();
            state.failure = failed.map(|error| error.to_string());
        }
        let mut known = Known::default();
        state.held.iter().for_each(|held| known.add(&held.noted, held.number, held.number));
        Newest { known, count: state.count, failure: state.failure.clone() }
    }

    /// The line of one exchange, while it is held.
    pub(crate) async fn line(&self, number: u64) -> Option<Bytes> {
        let state = self.state.lock().await;
        let first = state.held.front()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        state.held.get(at).map(|held| held.line.clone())
    }
}

impl State {
    /// Takes in what was stored since.
    async fn catch_up(&mut self, store: &StoreUrl) -> Result<(), ReadError> {
        self.looked = Some(Instant::now());
        let start = self.position.map_or(Start::Newest(SEGMENTS), Start::After);
        let mut reader = Reader::at_from(store, start).await?;
        while let Some(record) = reader.next().await? {
            if record.kind == RecordKind::Exchange {
                self.take(&record.line);
            }
            self.position = reader.position();
        }
        self.position = reader.position();
        Ok(())
    }

    fn take(&mut self, line: &Bytes) {
        // What can't be read is the business of whoever makes a snapshot of it.
        let Ok(record) = v1::read_record(line) else { return };
        self.count += 1;
        // A copy: the line is a piece of its batch, which would stay as long as it does.
        let line = Bytes::copy_from_slice(line);
        self.bytes += line.len();
        self.held.push_back(Held { number: self.count, line, noted: self.scanner.row(&record.exchange) });
        while self.held.len() > HELD || (self.bytes > HELD_BYTES && self.held.len() > 1) {
            self.bytes -= self.held.pop_front().map_or(0, |held| held.line.len());
        }
    }
}
