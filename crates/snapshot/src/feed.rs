//! Reads the exchanges of a snapshot on a thread of its own, while what is made of them is made on the caller's: reading is half of the work
//! everywhere. Never holds more than a few batches.

use crate::error::SnapshotError;
use crate::reader::{Located, Snapshot};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use understudy_core::exchange::Exchange;

/// A batch is sent when it has so many exchanges, or so many bytes of bodies.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// So many batches wait at most.
const WAITING: usize = 4;

/// Exchanges, and what is wrong with the line after them.
#[derive(Default)]
struct Batch {
    exchanges: Vec<Located>,
    error: Option<SnapshotError>,
}

/// Gives each exchange of the snapshot, or what is wrong with its line, to `take`, in the order of the file, until that fails.
///
/// # Errors
/// Where the file can't be opened, and those of `take`.
pub fn each<E: From<SnapshotError>>(
    snapshot: &Snapshot,
    mut take: impl FnMut(Result<&Located, SnapshotError>) -> Result<(), E>,
) -> Result<(), E> {
    let exchanges = snapshot.exchanges()?;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(WAITING);
        let (give_back, used) = channel();
        scope.spawn(move || feed(exchanges, &send, &used));
        receive.into_iter().try_for_each(|batch| take_batch(batch, &mut take, &give_back))
    })
}

fn take_batch<E>(
    batch: Batch,
    take: &mut impl FnMut(Result<&Located, SnapshotError>) -> Result<(), E>,
    give_back: &Sender<Vec<Located>>,
) -> Result<(), E> {
    batch.exchanges.iter().try_for_each(|located| take(Ok(located)))?;
    // Memory goes back to the thread that took it: freed here, the two would wait for each other all the time.
    let _ = give_back.send(batch.exchanges);
    batch.error.map_or(Ok(()), |error| take(Err(error)))
}

/// Ends early where nobody takes any more.
fn feed(
    exchanges: impl Iterator<Item = Result<Located, SnapshotError>>,
    to: &SyncSender<Batch>,
    used: &Receiver<Vec<Located>>,
) {
    let (mut batch, mut bytes) = (Batch::default(), 0);
    for item in exchanges {
        match item {
            Ok(located) => {
                bytes += size(&located.exchange);
                batch.exchanges.push(located);
            }
            Err(error) => batch.error = Some(error),
        }
        if batch.exchanges.len() == BATCH || bytes >= BATCH_BYTES || batch.error.is_some() {
            bytes = 0;
            if to.send(std::mem::take(&mut batch)).is_err() {
                return;
            }
            used.try_iter().for_each(drop);
        }
    }
    // Whether the last ones are taken is the taker's business.
    let _ = to.send(batch);
}

fn size(exchange: &Exchange) -> usize {
    let response = exchange.response.as_ref().map_or(0, |response| response.body.bytes.len());
    exchange.request.body.bytes.len() + response
}
