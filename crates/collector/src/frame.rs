//! The format of a segment, v1: NDJSON throughout, in frames. A frame is kept or lost as a whole.
//!
//! ```text
//! {"type":"frame","v":1,"kind":"batch","bytes":412,"crc32":"9ae0daaf"}\n
//! …412 bytes: the lines of one batch as they were sent…
//! ```
//! The first frame of a segment has kind `segment`. It holds the segment's number, and the content
//! of the index when the segment was begun ([`crate::index::Checkpoint`]). Never does I/O.

use bytes::{Buf, Bytes, BytesMut};
use serde::Deserialize;

const VERSION: u64 = 1;
/// The maximum size of a batch in bytes. A reader holds one batch at a time, so this bounds its
/// memory.
pub(crate) const MAX_BATCH: usize = 1 << 30;
/// The maximum length of a head line. Head lines have about 80 bytes.
const MAX_HEAD: usize = 256;
/// The maximum length of a payload. A checkpoint grows with VMs and gaps, and may be longer than a
/// batch.
const MAX_PAYLOAD: u64 = 2 * MAX_BATCH as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    Segment,
    Batch,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    pub(crate) payload: Bytes,
    /// The offset of the frame's end in the segment.
    pub(crate) end: u64,
}

/// Why bytes aren't a frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFrame {
    #[error("damaged at byte {offset}: {reason}")]
    Damaged { offset: u64, reason: &'static str },
    #[error("format version {0} is not known")]
    UnknownVersion(u64),
}

/// The head line of a frame around `payload`.
pub(crate) fn head(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let kind = match kind {
        FrameKind::Segment => "segment",
        FrameKind::Batch => "batch",
    };
    let (bytes, crc) = (payload.len(), crc32fast::hash(payload));
    format!("{{\"type\":\"frame\",\"v\":{VERSION},\"kind\":\"{kind}\",\"bytes\":{bytes},\"crc32\":\"{crc:08x}\"}}\n")
        .into_bytes()
}

#[derive(Deserialize)]
struct FrameHead<'a> {
    r#type: &'a str,
    v: u64,
    kind: Option<&'a str>,
    bytes: Option<u64>,
    crc32: Option<&'a str>,
}

/// Finds frames in the bytes of a segment, which arrive in pieces of any size. Holds one frame at
/// most.
#[derive(Default)]
pub(crate) struct FrameParser {
    buffer: BytesMut,
    /// The offset of `buffer` in the segment.
    offset: u64,
    /// The frame whose payload hasn't arrived. Its head line is still in `buffer`.
    awaited: Option<AwaitedFrame>,
}

#[derive(Clone, Copy)]
struct AwaitedFrame {
    kind: FrameKind,
    payload_len: usize,
    crc: u32,
    head_len: usize,
}

impl FrameParser {
    /// A parser for the bytes from `offset` on. A frame must begin there.
    pub(crate) fn at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The number of pushed bytes that no returned frame contains.
    pub(crate) fn pending(&self) -> u64 {
        self.buffer.len() as u64
    }

    /// The offset of the end of the last returned frame.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next whole frame; `None` until more bytes are pushed.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, BadFrame> {
        if self.awaited.is_none() {
            self.awaited = self.parse_head()?;
        }
        let Some(AwaitedFrame { kind, payload_len, crc, head_len }) = self.awaited else { return Ok(None) };
        let frame_len = head_len + payload_len;
        if self.buffer.len() < frame_len {
            // The buffer grows once instead of often: most frames are larger than one piece.
            self.buffer.reserve((frame_len - self.buffer.len()).min(1 << 20));
            return Ok(None);
        }
        if crc32fast::hash(&self.buffer[head_len..frame_len]) != crc {
            return Err(self.damaged("the checksum doesn't match"));
        }
        self.awaited = None;
        self.buffer.advance(head_len);
        let payload = self.buffer.split_to(payload_len).freeze();
        self.offset += frame_len as u64;
        Ok(Some(Frame { kind, payload, end: self.offset }))
    }

    fn damaged(&self, reason: &'static str) -> BadFrame {
        BadFrame::Damaged { offset: self.offset, reason }
    }

    fn parse_head(&self) -> Result<Option<AwaitedFrame>, BadFrame> {
        let window = &self.buffer[..self.buffer.len().min(MAX_HEAD)];
        let Some(end) = window.iter().position(|b| *b == b'\n') else {
            let long = window.len() == MAX_HEAD;
            return if long { Err(self.damaged("a frame's head has no end")) } else { Ok(None) };
        };
        let head: FrameHead<'_> =
            serde_json::from_slice(&window[..end]).map_err(|_| self.damaged("not the head of a frame"))?;
        if head.r#type != "frame" {
            return Err(self.damaged("not the head of a frame"));
        }
        if head.v != VERSION {
            return Err(BadFrame::UnknownVersion(head.v));
        }
        let kind = match head.kind {
            Some("segment") => FrameKind::Segment,
            Some("batch") => FrameKind::Batch,
            _ => return Err(self.damaged("a frame of unknown kind")),
        };
        let bytes = head.bytes.filter(|n| *n <= MAX_PAYLOAD).and_then(|n| usize::try_from(n).ok());
        let crc = head.crc32.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match (bytes, crc) {
            (Some(payload_len), Some(crc)) => {
                Ok(Some(AwaitedFrame { kind, payload_len, crc, head_len: end + 1 }))
            }
            _ => Err(self.damaged("a frame's head without length and checksum")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut all, mut ends) = (Vec::new(), Vec::new());
        for payload in payloads {
            all.extend(head(FrameKind::Batch, payload));
            all.extend(payload);
            ends.push(all.len());
        }
        (all, ends)
    }

    fn parse(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), BadFrame>) {
        let (mut parser, mut found) = (FrameParser::default(), Vec::new());
        for chunk in chunks {
            parser.push(chunk);
            loop {
                match parser.next() {
                    Ok(Some(frame)) => found.push(frame.payload.to_vec()),
                    Ok(None) => break,
                    Err(bad) => return (found, Err(bad)),
                }
            }
        }
        (found, Ok(()))
    }

    proptest! {
        #[test]
        fn frames_survive_any_chunking(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
            size in 1usize..300,
        ) {
            let (all, _) = segment(&payloads);
            let (found, end) = parse(&all.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(end, Ok(()));
            prop_assert_eq!(found, payloads);
        }

        #[test]
        fn segment_cut_anywhere_keeps_exactly_the_whole_frames(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let (all, ends) = segment(&payloads);
            let cut = cut.index(all.len() + 1);
            let (found, end) = parse(&[&all[..cut]]);
            prop_assert_eq!(end, Ok(()));
            let whole = ends.iter().filter(|end| **end <= cut).count();
            prop_assert_eq!(&found[..], &payloads[..whole]);
        }

        #[test]
        fn flipped_bit_never_gives_another_payload(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 1..4),
            at in any::<prop::sample::Index>(), bit in 0u8..8,
        ) {
            let (mut all, _) = segment(&payloads);
            let at = at.index(all.len());
            all[at] ^= 1 << bit;
            let (found, _) = parse(&[&all]);
            prop_assert!(found.len() <= payloads.len());
            for (found, sent) in found.iter().zip(&payloads) {
                prop_assert_eq!(found, sent);
            }
        }
    }

    #[test]
    fn invalid_frame_names_its_fault() {
        let check = |bytes: &[u8], expect| assert_eq!(parse(&[bytes]).1, Err(expect));
        let damaged = |reason| BadFrame::Damaged { offset: 0, reason };
        check(b"{}\n", damaged("not the head of a frame"));
        check(b"\0\0\0\n", damaged("not the head of a frame"));
        check(&[0; 300], damaged("a frame's head has no end"));
        check(b"{\"type\":\"frame\",\"v\":2}\n", BadFrame::UnknownVersion(2));
        check(b"{\"type\":\"frame\",\"v\":1,\"kind\":\"x\"}\n", damaged("a frame of unknown kind"));
        check(
            b"{\"type\":\"frame\",\"v\":1,\"kind\":\"batch\",\"bytes\":99999999999,\"crc32\":\"0\"}\n",
            damaged("a frame's head without length and checksum"),
        );
    }
}
