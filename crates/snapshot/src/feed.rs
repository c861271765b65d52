//! Reads the exchanges of a snapshot on a separate thread while the caller processes them: reading
//! takes half of the time of most commands. At most a few batches are in memory.

use crate::error::SnapshotError;
use crate::reader::{Located, Snapshot};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use understudy_core::exchange::Exchange;

/// Number of exchanges after which a batch is sent.
const BATCH: usize = 256;
/// Length of bodies, in bytes, after which a batch is sent.
const BATCH_BYTES: usize = 1 << 20;
/// Maximum number of batches that wait for the caller.
const WAITING: usize = 4;

/// Exchanges, and the error in the line after them.
#[derive(Default)]
struct Batch {
    exchanges: Vec<Located>,
    error: Option<SnapshotError>,
}

/// Passes each exchange of the snapshot, or the error in its line, to `take`, in the order of the
/// file. Stops at the first error that `take` returns.
///
/// # Errors
/// [`SnapshotError::Io`] if the file can't be opened, and the errors of `take`.
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
    // Return the memory to the thread that allocated it: freeing it here makes both threads contend
    // for the allocator's lock.
    let _ = give_back.send(batch.exchanges);
    batch.error.map_or(Ok(()), |error| take(Err(error)))
}

/// Sends all exchanges in batches. Stops early if the receiver is gone.
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
    // A receiver that has stopped doesn't need the last batch.
    let _ = to.send(batch);
}

fn size(exchange: &Exchange) -> usize {
    let response = exchange.response.as_ref().map_or(0, |response| response.body.bytes.len());
    exchange.request.body.bytes.len() + response
}
