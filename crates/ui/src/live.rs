//! Follows a running recording: the newest exchanges of a capture store. Holds a bounded number of
//! exchanges and bytes. Needs no lock of the store and changes nothing in it.

use crate::index::{IndexContent, Scanner, UnnumberedRow};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use understudy_collector::{Position, ReadError, Reader, RecordKind, Start, StoreUrl};
use understudy_core::v1;

/// The maximum number of exchanges that are held, the newest.
pub(crate) const HELD: usize = 2_000;
/// The maximum number of bytes of held exchanges.
const HELD_BYTES: usize = 64 << 20;
/// The number of newest segments that are read first.
const SEGMENTS: u64 = 2;
/// The minimum time between two looks at the store.
const PAUSE: Duration = Duration::from_millis(400);

/// A followed capture store.
pub(crate) struct Live {
    store: StoreUrl,
    state: Mutex<LiveState>,
}

#[derive(Default)]
struct LiveState {
    held: VecDeque<HeldExchange>,
    bytes: usize,
    /// The number of exchanges since the first look.
    count: u64,
    position: Option<Position>,
    looked: Option<Instant>,
    failure: Option<String>,
    scanner: Scanner,
}

struct HeldExchange {
    number: u64,
    line: Bytes,
    noted: UnnumberedRow,
}

/// The held exchanges at one moment.
pub(crate) struct Newest {
    pub(crate) known: IndexContent,
    /// The number of exchanges since the first look.
    pub(crate) count: u64,
    /// The reason why the store can't be read, if it can't.
    pub(crate) failure: Option<String>,
}

impl Live {
    /// Follows a store.
    pub(crate) async fn open(store: &StoreUrl) -> Result<Self, ReadError> {
        let mut state = LiveState::default();
        state.catch_up(store).await?;
        Ok(Self { store: store.clone(), state: Mutex::new(state) })
    }

    /// The store.
    pub(crate) fn store(&self) -> &StoreUrl {
        &self.store
    }

    /// The held exchanges, after a look at the store if the last one is old enough.
    pub(crate) async fn newest(&self) -> Newest {
        let mut state = self.state.lock().await;
        if state.looked.is_none_or(|looked| looked.elapsed() >= PAUSE) {
            let failed = state.catch_up(&self.store).await.err();
            state.failure = failed.map(|error| error.to_string());
        }
        let mut known = IndexContent::default();
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

impl LiveState {
    /// Reads what was stored since the last look.
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
        // Unreadable records are skipped here, and reported when a snapshot is made.
        let Ok(record) = v1::read_record(line) else { return };
        self.count += 1;
        // Copied, because the line would keep its whole batch in memory.
        let line = Bytes::copy_from_slice(line);
        self.bytes += line.len();
        self.held.push_back(HeldExchange {
            number: self.count,
            line,
            noted: self.scanner.row(&record.exchange),
        });
        while self.held.len() > HELD || (self.bytes > HELD_BYTES && self.held.len() > 1) {
            self.bytes -= self.held.pop_front().map_or(0, |held| held.line.len());
        }
    }
}
