//! Takes in the body of a request, within its bounds: of one body, of all bodies in memory, and of time; gzip is
//! unpacked piece by piece under the same bounds. Never trusts a length that a sender states.

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

/// Memory is taken in steps of this, so that small pieces don't each go to the semaphore; and no request is free.
const STEP: usize = 16 << 10;

/// The bytes of bodies in memory. A permit is a byte.
#[derive(Clone)]
pub(crate) struct Memory {
    free: Arc<Semaphore>,
    size: usize,
}

impl Memory {
    pub(crate) fn new(size: usize) -> Memory {
        Memory { free: Arc::new(Semaphore::new(size)), size }
    }

    pub(crate) fn used(&self) -> usize {
        self.size.saturating_sub(self.free.available_permits())
    }

    /// Takes memory for `bytes` at least.
    pub(crate) fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, IngestError> {
        let bytes = u32::try_from(bytes.min(self.size)).map_err(|_| IngestError::Busy)?;
        self.free.clone().try_acquire_many_owned(bytes).map_err(|_| IngestError::Busy)
    }

    /// Takes more memory, so that it is enough for `bytes`.
    fn grow(&self, held: &mut OwnedSemaphorePermit, bytes: usize) -> Result<(), IngestError> {
        if bytes > held.num_permits() {
            let step = (bytes - held.num_permits()).next_multiple_of(STEP);
            // Who holds nearly all may have the rest.
            let step = step.min(self.size - held.num_permits());
            held.merge(self.take(step)?);
        }
        Ok(())
    }
}

/// How a body is to be taken in.
pub(crate) struct Limits {
    pub(crate) max_body: usize,
    pub(crate) timeout: Duration,
    pub(crate) memory: Memory,
}

/// Takes in `body`. On an error, takes in and forgets some of the rest, as a sender who is still sending might not
/// look at an answer.
pub(crate) async fn collect(
    body: Body,
    encoding: Option<&str>,
    limits: &Limits,
) -> Result<(Bytes, OwnedSemaphorePermit), IngestError> {
    let until = Instant::now() + limits.timeout;
    let mut body = pin!(body);
    let taken = async {
        let stated = axum::body::HttpBody::size_hint(&*body).lower();
        let stated = usize::try_from(stated).unwrap_or(usize::MAX);
        if stated > limits.max_body {
            return Err(IngestError::TooLarge { limit: limits.max_body });
        }
        let mut sink = Sink::new(encoding, stated, limits)?;
        while let Some(frame) =
            timeout_at(until, body.frame()).await.map_err(|_| IngestError::Incomplete("timeout"))?
        {
            let frame = frame.map_err(|_| IngestError::Incomplete("the connection broke"))?;
            if let Ok(piece) = frame.into_data() {
                sink.push(&piece)?;
            }
        }
        sink.finish()
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

enum Sink<'a> {
    Plain(Plain<'a>),
    Gzip(Box<MultiGzDecoder<Plain<'a>>>),
}

/// Bytes under the bounds.
struct Plain<'a> {
    bytes: BytesMut,
    held: OwnedSemaphorePermit,
    limits: &'a Limits,
    /// Why a write failed: the decoder can only pass an `io::Error`.
    failed: Option<IngestError>,
}

impl<'a> Sink<'a> {
    fn new(encoding: Option<&str>, stated: usize, limits: &'a Limits) -> Result<Sink<'a>, IngestError> {
        let gzip = match encoding.map(str::trim) {
            None | Some("" | "identity") => false,
            Some(name) if name.eq_ignore_ascii_case("gzip") => true,
            Some(name) => return Err(IngestError::UnknownEncoding(name.chars().take(64).collect())),
        };
        let held = limits.memory.take(stated.max(STEP))?;
        let bytes = BytesMut::with_capacity(if gzip { 0 } else { stated });
        let plain = Plain { bytes, held, limits, failed: None };
        Ok(if gzip { Sink::Gzip(Box::new(MultiGzDecoder::new(plain))) } else { Sink::Plain(plain) })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), IngestError> {
        match self {
            Sink::Plain(plain) => plain.push(piece),
            Sink::Gzip(decoder) => decoder
                .write_all(piece)
                .map_err(|_| decoder.get_mut().failed.take().unwrap_or(IngestError::BadGzip)),
        }
    }

    fn finish(self) -> Result<(Bytes, OwnedSemaphorePermit), IngestError> {
        let plain = match self {
            Sink::Plain(plain) => plain,
            Sink::Gzip(mut decoder) => {
                if decoder.try_finish().is_err() {
                    return Err(decoder.get_mut().failed.take().unwrap_or(IngestError::BadGzip));
                }
                decoder.finish().map_err(|_| IngestError::BadGzip)?
            }
        };
        Ok((plain.bytes.freeze(), plain.held))
    }
}

impl Plain<'_> {
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

impl Write for Plain<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self.push(piece) {
            Ok(()) => Ok(piece.len()),
            Err(error) => {
                self.failed = Some(error);
                Err(io::Error::other("over a bound"))
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
