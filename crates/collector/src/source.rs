//! The bytes of one segment, from a file or an object, in pieces of bounded size; and the frames in
//! them. Holds one piece and one frame at most. Never writes.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::error::ReadError;
use crate::frame::{BadFrame, Frame, FrameParser};

const FILE_PIECE: usize = 1 << 20;
/// The size of one ranged read of an object.
pub(crate) const OBJECT_PIECE: u64 = 1 << 20;
const DECODED_PIECE: usize = 256 << 10;

/// The result of reading on in a segment.
pub(crate) enum NextFrame {
    Frame(Frame),
    /// The end of the segment. With `Some`, the segment ends in the middle of a frame, and this
    /// many bytes aren't used.
    End(Option<u64>),
}

/// Reads the frames of one segment.
pub(crate) struct FrameReader {
    name: String,
    source: ByteSource,
    parser: FrameParser,
    /// The number of bytes that may still be read.
    left: u64,
    /// The number of bytes read from `source`.
    total: u64,
    /// True if the segment may end in a torn frame. The newest open segment may, after a crash.
    may_be_torn: bool,
}

impl FrameReader {
    pub(crate) fn new(name: String, source: ByteSource, limit: u64, may_be_torn: bool) -> FrameReader {
        FrameReader { name, source, parser: FrameParser::default(), left: limit, total: 0, may_be_torn }
    }

    /// Continues after the frame that ends at `offset`.
    pub(crate) async fn behind(mut self, offset: u64) -> Result<FrameReader, ReadError> {
        if let ByteSource::File(Some(file)) = &mut self.source {
            let seek = file.seek(SeekFrom::Start(offset));
            seek.map_err(|source| ReadError::Folder { path: self.name.clone().into(), source })?;
            (self.total, self.left) = (offset, self.left.saturating_sub(offset));
            self.parser = FrameParser::at(offset);
            return Ok(self);
        }
        // Compressed data can only be read from its beginning.
        while self.offset() < offset {
            match self.next().await? {
                NextFrame::Frame(_) => {}
                NextFrame::End(_) => break,
            }
        }
        Ok(self)
    }

    pub(crate) async fn next(&mut self) -> Result<NextFrame, ReadError> {
        loop {
            match self.parser.next() {
                Ok(Some(frame)) => return Ok(NextFrame::Frame(frame)),
                Ok(None) => {}
                Err(BadFrame::UnknownVersion(version)) => {
                    return Err(ReadError::UnknownVersion { segment: self.name.clone(), version });
                }
                Err(BadFrame::Damaged { offset, .. }) if self.may_be_torn => {
                    while self.fill().await?.is_some() {}
                    return Ok(NextFrame::End(Some(self.total - offset)));
                }
                Err(BadFrame::Damaged { offset, reason }) => return Err(self.damaged(offset, reason)),
            }
            match self.fill().await? {
                Some(piece) => self.parser.push(&piece),
                None if self.parser.pending() == 0 => return Ok(NextFrame::End(None)),
                None if self.may_be_torn => return Ok(NextFrame::End(Some(self.parser.pending()))),
                None => {
                    return Err(
                        self.damaged(self.parser.offset(), "the segment ends in the middle of a frame")
                    );
                }
            }
        }
    }

    /// The offset of the end of the last frame.
    pub(crate) fn offset(&self) -> u64 {
        self.parser.offset()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn damaged(&self, offset: u64, reason: impl Into<String>) -> ReadError {
        ReadError::Damaged { segment: self.name.clone(), offset, reason: reason.into() }
    }

    async fn fill(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some(mut piece) = self.source.piece(&self.name, self.total).await? else { return Ok(None) };
        piece.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= piece.len() as u64;
        self.total += piece.len() as u64;
        Ok(Some(piece))
    }
}

/// The place from which bytes are read.
pub(crate) enum ByteSource {
    /// An open segment. `None` during a read.
    File(Option<File>),
    Object(Box<ObjectSource>),
}

pub(crate) struct ObjectSource {
    objects: Arc<dyn ObjectStore>,
    path: ObjectPath,
    size: u64,
    at: u64,
    piece: Bytes,
    decoder: Decoder<'static>,
    /// True if the compressed data ended where a zstd frame ends.
    is_complete: bool,
}

impl ByteSource {
    pub(crate) fn file(file: File) -> ByteSource {
        ByteSource::File(Some(file))
    }

    pub(crate) fn object(
        objects: Arc<dyn ObjectStore>,
        path: ObjectPath,
        size: u64,
    ) -> Result<ByteSource, ReadError> {
        let decoder = Decoder::new().map_err(|e| ReadError::Damaged {
            segment: path.to_string(),
            offset: 0,
            reason: e.to_string(),
        })?;
        Ok(ByteSource::Object(Box::new(ObjectSource {
            objects,
            path,
            size,
            at: 0,
            piece: Bytes::new(),
            decoder,
            is_complete: false,
        })))
    }

    /// An object whose bytes are in memory.
    pub(crate) fn loaded(
        objects: Arc<dyn ObjectStore>,
        path: ObjectPath,
        bytes: Bytes,
    ) -> Result<ByteSource, ReadError> {
        let mut source = ByteSource::object(objects, path, bytes.len() as u64)?;
        if let ByteSource::Object(object) = &mut source {
            object.at = object.size;
            object.piece = bytes;
        }
        Ok(source)
    }

    /// The next bytes; `None` at the end. `name` and `offset` stand in errors.
    pub(crate) async fn piece(&mut self, name: &str, offset: u64) -> Result<Option<Bytes>, ReadError> {
        match self {
            ByteSource::File(file) => {
                let Some(mut open) = file.take() else { return Ok(None) };
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = Vec::new();
                    let read = open.by_ref().take(FILE_PIECE as u64).read_to_end(&mut piece);
                    read.map(|_| (open, piece))
                });
                let fail = |source| ReadError::Folder { path: name.into(), source };
                let (open, piece) = read.await.map_err(|e| fail(e.into()))?.map_err(fail)?;
                *file = Some(open);
                Ok((!piece.is_empty()).then(|| piece.into()))
            }
            ByteSource::Object(object) => object.piece(name, offset).await,
        }
    }
}

impl ObjectSource {
    async fn piece(&mut self, name: &str, offset: u64) -> Result<Option<Bytes>, ReadError> {
        let damaged = |reason: String| ReadError::Damaged { segment: name.into(), offset, reason };
        loop {
            if !self.piece.is_empty() {
                let mut decoded = Vec::with_capacity(DECODED_PIECE);
                let mut input = InBuffer::around(&self.piece);
                let status = self.decoder.run(&mut input, &mut OutBuffer::around(&mut decoded));
                self.is_complete =
                    status.map_err(|e| damaged(format!("the data can't be decompressed: {e}")))? == 0;
                let used = input.pos();
                self.piece = self.piece.slice(used..);
                if !decoded.is_empty() {
                    return Ok(Some(decoded.into()));
                }
                continue;
            }
            if self.at == self.size {
                // Without more input, the decoder gives what it still holds.
                let mut rest = Vec::with_capacity(DECODED_PIECE);
                if !self.is_complete {
                    let mut out = OutBuffer::around(&mut rest);
                    let status = self.decoder.run(&mut InBuffer::around(&[]), &mut out);
                    self.is_complete = status.map_err(|e| damaged(e.to_string()))? == 0;
                }
                return match (rest.is_empty(), self.is_complete) {
                    (false, _) => Ok(Some(rest.into())),
                    (true, true) => Ok(None),
                    (true, false) => Err(damaged("the compressed data is cut off".into())),
                };
            }
            let end = self.size.min(self.at + OBJECT_PIECE);
            let piece = self.objects.get_range(&self.path, self.at..end).await;
            self.piece = piece.map_err(|source| ReadError::Objects { segment: name.into(), source })?;
            if self.piece.is_empty() {
                return Err(damaged("the object is shorter than listed".into()));
            }
            self.at += self.piece.len() as u64;
        }
    }
}
