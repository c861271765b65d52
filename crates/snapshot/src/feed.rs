//! Reads the exchanges of a snapshot on a thread of its own, while what is made of them is made on the caller's: reading is half of the work
//! everywhere. Never holds more than a few batches.

use crate::error::SnapshotError;
use crate::reader::{Located, Snapshot};
use std::sync::mpsc::{SyncSender, sync_channel};
use understudy_core::exchange::Exchange;

/// A batch is sent when it has so many exchanges, or so many bytes of bodies.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// So many batches wait at most.
const WAITING: usize = 4;

type Item = Result<Located, SnapshotError>;

/// Gives each exchange of the snapshot, or what is wrong with its line, to `take`, in the order of the file, until that fails.
///
/// # Errors
/// Where the file can't be opened, and those of `take`.
pub(crate) fn each<E: From<SnapshotError>>(
    snapshot: &Snapshot,
    mut take: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let exchanges = snapshot.exchanges()?;
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(WAITING);
        scope.spawn(move || feed(exchanges, &send));
        receive.into_iter().flatten().try_for_each(&mut take)
    })
}

/// Ends early where nobody takes any more.
fn feed(exchanges: impl Iterator<Item = Item>, to: &SyncSender<Vec<Item>>) {
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
    for item in exchanges {
        bytes += item.as_ref().map_or(0, |located| size(&located.exchange));
        batch.push(item);
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            if to.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err() {
                return;
            }
        }
    }
    // Whether the last ones are taken is the taker's business.
    let _ = to.send(batch);
}

fn size(exchange: &Exchange) -> usize {
    let response = exchange.response.as_ref().map_or(0, |response| response.body.bytes.len());
    exchange.request.body.bytes.len() + response
}
