//! The bytes of one segment, wherever it is, in pieces of bounded size; and the frames in them.
//! Holds one piece and one frame at most. Never writes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as ObjectPath};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use crate::error::ReadError;
use crate::frame::{BadFrame, Frame, Parser};
use crate::names::{self, is_segment, joined_folder};
use crate::segment::{object_folder, object_number, open_folder, open_number};

const FILE_PIECE: usize = 1 << 20;
/// So much of an object is asked for at a time.
pub(crate) const OBJECT_PIECE: u64 = 1 << 20;
const DECODED_PIECE: usize = 256 << 10;

/// The numbers of the open segments in a capture folder, in order. None if there is no such folder.
pub(crate) fn list_open(folder: &Path) -> Result<Vec<u64>, ReadError> {
    let path = open_folder(folder);
    let fail = |source| ReadError::Folder { path: path.clone(), source };
    let entries = match std::fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry.map_err(fail)?.file_name().to_str().and_then(open_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The numbers, names and sizes of the closed segments in an object store, in order.
pub(crate) async fn list_objects(
    objects: &dyn ObjectStore,
) -> Result<Vec<(u64, ObjectPath, u64)>, ReadError> {
    let list = objects.list_with_delimiter(Some(&object_folder())).await;
    let list = list.map_err(|source| ReadError::Objects { segment: String::new(), source })?;
    let number = |path: &ObjectPath| path.filename().and_then(object_number);
    let segments = list.objects.into_iter();
    let mut segments: Vec<_> =
        segments.filter_map(|meta| Some((number(&meta.location)?, meta.location, meta.size))).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The names and sizes of what holds segments in an object store that collectors share, roughly in the order in which they were put there.
pub(crate) async fn list_shared(objects: &dyn ObjectStore) -> Result<Vec<(ObjectPath, u64)>, ReadError> {
    // In this order: what is joined is in the second folder before it is gone from the first.
    let mut segments = list_folder(objects, &object_folder()).await?;
    segments.extend(list_folder(objects, &joined_folder()).await?);
    segments.sort_unstable_by(|(a, _), (b, _)| (names::order(a), a).cmp(&(names::order(b), b)));
    Ok(segments)
}

/// The names and sizes of what holds segments in one folder of it.
pub(crate) async fn list_folder(
    objects: &dyn ObjectStore,
    folder: &ObjectPath,
) -> Result<Vec<(ObjectPath, u64)>, ReadError> {
    let list = objects.list_with_delimiter(Some(folder)).await;
    let list = list.map_err(|source| ReadError::Objects { segment: String::new(), source })?;
    let segments = list.objects.into_iter().filter(|meta| meta.location.filename().is_some_and(is_segment));
    Ok(segments.map(|meta| (meta.location, meta.size)).collect())
}

/// What a frame reader gives.
pub(crate) enum Next {
    Frame(Frame),
    /// No more. With `Some`, the segment ends in the middle of a frame, and these bytes of it aren't used.
    End(Option<u64>),
}

/// Reads the frames of one segment.
pub(crate) struct FrameReader {
    name: String,
    source: Source,
    parser: Parser,
    /// Bytes after this offset of the segment aren't looked at.
    left: u64,
    /// All bytes that came out of `source`.
    total: u64,
    /// Whether it may end in a torn frame: the newest open segment may, when a crash has ended its writer.
    may_be_torn: bool,
}

impl FrameReader {
    pub(crate) fn new(name: String, source: Source, limit: u64, may_be_torn: bool) -> FrameReader {
        FrameReader { name, source, parser: Parser::default(), left: limit, total: 0, may_be_torn }
    }

    /// The same, behind the frame that ends at `offset`.
    pub(crate) async fn behind(mut self, offset: u64) -> Result<FrameReader, ReadError> {
        if let Source::File(Some(file)) = &mut self.source {
            let seek = file.seek(SeekFrom::Start(offset));
            seek.map_err(|source| ReadError::Folder { path: self.name.clone().into(), source })?;
            (self.total, self.left) = (offset, self.left.saturating_sub(offset));
            self.parser = Parser::at(offset);
            return Ok(self);
        }
        // What is compressed has to be read from its beginning.
        while self.offset() < offset {
            match self.next().await? {
                Next::Frame(_) => {}
                Next::End(_) => break,
            }
        }
        Ok(self)
    }

    pub(crate) async fn next(&mut self) -> Result<Next, ReadError> {
        loop {
            match self.parser.next() {
                Ok(Some(frame)) => return Ok(Next::Frame(frame)),
                Ok(None) => {}
                Err(BadFrame::UnknownVersion(version)) => {
                    return Err(ReadError::UnknownVersion { segment: self.name.clone(), version });
                }
                Err(BadFrame::Damaged { offset, .. }) if self.may_be_torn => {
                    while self.fill().await?.is_some() {}
                    return Ok(Next::End(Some(self.total - offset)));
                }
                Err(BadFrame::Damaged { offset, reason }) => return Err(self.damaged(offset, reason)),
            }
            match self.fill().await? {
                Some(piece) => self.parser.push(&piece),
                None if self.parser.pending() == 0 => return Ok(Next::End(None)),
                None if self.may_be_torn => return Ok(Next::End(Some(self.parser.pending()))),
                None => return Err(self.damaged(self.parser.offset(), "it ends in the middle of a frame")),
            }
        }
    }

    /// The end of the last frame.
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

/// Where the bytes come from.
pub(crate) enum Source {
    /// An open segment. `None` while a read is on its way.
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
    whole: bool,
}

impl Source {
    pub(crate) fn object(
        objects: Arc<dyn ObjectStore>,
        path: ObjectPath,
        size: u64,
    ) -> Result<Source, ReadError> {
        let decoder = Decoder::new().map_err(|e| ReadError::Damaged {
            segment: path.to_string(),
            offset: 0,
            reason: e.to_string(),
        })?;
        let source = ObjectSource { objects, path, size, at: 0, piece: Bytes::new(), decoder, whole: false };
        Ok(Source::Object(Box::new(source)))
    }

    /// An object that is here as a whole.
    pub(crate) fn whole(
        objects: Arc<dyn ObjectStore>,
        path: ObjectPath,
        bytes: Bytes,
    ) -> Result<Source, ReadError> {
        let mut source = Source::object(objects, path, bytes.len() as u64)?;
        if let Source::Object(object) = &mut source {
            object.at = object.size;
            object.piece = bytes;
        }
        Ok(source)
    }

    /// The next bytes; `None` at the end. `offset` is where they are, for errors.
    pub(crate) async fn piece(&mut self, name: &str, offset: u64) -> Result<Option<Bytes>, ReadError> {
        match self {
            Source::File(file) => {
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
            Source::Object(object) => object.piece(name, offset).await,
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
                self.whole = status.map_err(|e| damaged(format!("it doesn't decompress: {e}")))? == 0;
                let used = input.pos();
                self.piece = self.piece.slice(used..);
                if !decoded.is_empty() {
                    return Ok(Some(decoded.into()));
                }
                continue;
            }
            if self.at == self.size {
                // What the decoder still holds comes out without more input.
                let mut rest = Vec::with_capacity(DECODED_PIECE);
                if !self.whole {
                    let mut out = OutBuffer::around(&mut rest);
                    let status = self.decoder.run(&mut InBuffer::around(&[]), &mut out);
                    self.whole = status.map_err(|e| damaged(e.to_string()))? == 0;
                }
                return match (rest.is_empty(), self.whole) {
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
