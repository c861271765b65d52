//! Receives the body of a request within its limits: the size of one body, the memory of all
//! bodies, and time. Gzip is decompressed piece by piece under the same limits. Never trusts a
//! stated length.

use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::IngestError;

/// Memory is reserved in steps of this size, so that not every small piece acquires a permit, and
/// that each request counts.
const STEP: usize = 16 << 10;

/// The memory for bodies. One permit is one byte.
#[derive(Clone)]
pub(crate) struct BodyMemory {
    free: Arc<Semaphore>,
    size: usize,
}

impl BodyMemory {
    pub(crate) fn new(size: usize) -> BodyMemory {
        BodyMemory { free: Arc::new(Semaphore::new(size)), size }
    }

    pub(crate) fn used(&self) -> usize {
        self.size.saturating_sub(self.free.available_permits())
    }

    /// Reserves memory for at least `bytes`.
    pub(crate) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, IngestError> {
        let bytes = u32::try_from(bytes.min(self.size)).map_err(|_| IngestError::Busy)?;
        self.free.clone().try_acquire_many_owned(bytes).map_err(|_| IngestError::Busy)
    }

    /// Reserves more memory, so that it is enough for `bytes`.
    fn grow(&self, held: &mut OwnedSemaphorePermit, bytes: usize) -> Result<(), IngestError> {
        if bytes > held.num_permits() {
            let step = (bytes - held.num_permits()).next_multiple_of(STEP);
            // A request that holds nearly all memory may have the rest.
            let step = step.min(self.size - held.num_permits());
            held.merge(self.take(step)?);
        }
        Ok(())
    }
}

/// The limits for a body.
pub(crate) struct BodyLimits {
    pub(crate) max_body: usize,
    pub(crate) timeout: Duration,
    pub(crate) memory: BodyMemory,
}

/// Receives `body`. After an error, receives and discards some of the rest, because a sender that
/// is still sending might not read the response.
pub(crate) async fn collect(
    body: Body,
    encoding: Option<&str>,
    limits: &BodyLimits,
) -> Result<(Bytes, OwnedSemaphorePermit), IngestError> {
    let until = Instant::now() + limits.timeout;
    let mut body = pin!(body);
    let taken = async {
        let stated = axum::body::HttpBody::size_hint(&*body).lower();
        let stated = usize::try_from(stated).unwrap_or(usize::MAX);
        if stated > limits.max_body {
            return Err(IngestError::TooLarge { limit: limits.max_body });
        }
        let mut decoder = BodyDecoder::new(encoding, stated, limits)?;
        while let Some(frame) =
            timeout_at(until, body.frame()).await.map_err(|_| IngestError::Incomplete("timeout"))?
        {
            let frame = frame.map_err(|_| IngestError::Incomplete("the connection broke"))?;
            if let Ok(piece) = frame.into_data() {
                decoder.push(&piece)?;
            }
        }
        decoder.finish()
    };
    let taken = taken.await;
    if matches!(&taken, Err(error) if !matches!(error, IngestError::Incomplete(_))) {
        drain(body.as_mut(), limits.max_body, until).await;
    }
    taken
}

async fn drain(mut body: std::pin::Pin<&mut Body>, mut most: usize, until: Instant) {
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        most = most.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if most == 0 {
            return;
        }
    }
}

enum BodyDecoder<'a> {
    Plain(LimitedBuffer<'a>),
    Gzip(Box<MultiGzDecoder<LimitedBuffer<'a>>>),
}

/// The decoded bytes, within the limits.
struct LimitedBuffer<'a> {
    bytes: BytesMut,
    held: OwnedSemaphorePermit,
    limits: &'a BodyLimits,
    /// The cause of a failed write. The decoder can only pass on an `io::Error`.
    failed: Option<IngestError>,
}

impl<'a> BodyDecoder<'a> {
    fn new(
        encoding: Option<&str>,
        stated: usize,
        limits: &'a BodyLimits,
    ) -> Result<BodyDecoder<'a>, IngestError> {
        let gzip = match encoding.map(str::trim) {
            None | Some("" | "identity") => false,
            Some(name) if name.eq_ignore_ascii_case("gzip") => true,
            Some(name) => return Err(IngestError::UnknownEncoding(name.chars().take(64).collect())),
        };
        let held = limits.memory.take(stated.max(STEP))?;
        let bytes = BytesMut::with_capacity(if gzip { 0 } else { stated });
        let plain = LimitedBuffer { bytes, held, limits, failed: None };
        Ok(if gzip {
            BodyDecoder::Gzip(Box::new(MultiGzDecoder::new(plain)))
        } else {
            BodyDecoder::Plain(plain)
        })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), IngestError> {
        match self {
            BodyDecoder::Plain(plain) => plain.push(piece),
            BodyDecoder::Gzip(decoder) => decoder
                .write_all(piece)
                .map_err(|_| decoder.get_mut().failed.take().unwrap_or(IngestError::BadGzip)),
        }
    }

    fn finish(self) -> Result<(Bytes, OwnedSemaphorePermit), IngestError> {
        let plain = match self {
            BodyDecoder::Plain(plain) => plain,
            BodyDecoder::Gzip(mut decoder) => {
                if decoder.try_finish().is_err() {
                    return Err(decoder.get_mut().failed.take().unwrap_or(IngestError::BadGzip));
                }
                decoder.finish().map_err(|_| IngestError::BadGzip)?
            }
        };
        Ok((plain.bytes.freeze(), plain.held))
    }
}

impl LimitedBuffer<'_> {
    fn push(&mut self, piece: &[u8]) -> Result<(), IngestError> {
        let len = self.bytes.len() + piece.len();
        if len > self.limits.max_body {
            return Err(IngestError::TooLarge { limit: self.limits.max_body });
        }
        self.limits.memory.grow(&mut self.held, len)?;
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

impl Write for LimitedBuffer<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self.push(piece) {
            Ok(()) => Ok(piece.len()),
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("a limit is exceeded"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
