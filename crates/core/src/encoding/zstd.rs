//! Decoding of `zstd` (RFC 8878): frames without a dictionary. Checksums are not verified: that
//! would need a hash that nothing else uses.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The maximum number of frames of a body. Each costs a new decoder. Encoders write one frame,
/// parallel encoders one for every few megabytes.
const MAX_FRAMES: usize = 256;

/// The longest frame header (RFC 8878, 3.1.1: magic number and header).
const HEADER: usize = 18;

/// Decodes one or more frames. Skippable frames are skipped (RFC 8878, 3.1.2).
pub(super) fn undo(data: &[u8], cap: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = data;
    for _ in 0..MAX_FRAMES {
        rest = match after_skippable(rest)? {
            Some(after) => after,
            None => frame(rest, cap, &mut out)?,
        };
        if rest.is_empty() {
            return Some(out);
        }
    }
    None
}

/// The data after a skippable frame. Inner `None`: the frame isn't skippable.
fn after_skippable(data: &[u8]) -> Option<Option<&[u8]>> {
    let (magic, rest) = data.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*magic) & 0xffff_fff0 != 0x184d_2a50 {
        return Some(None);
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..).map(Some)
}

/// Appends the content of a frame, up to a total of `cap` bytes. Returns the data after the frame.
fn frame<'a>(data: &'a [u8], cap: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let start = out.len();
    let mut decoder = FrameDecoder::new();
    // A frame may request any window. `narrowed` limits it.
    decoder.set_max_window_size(u64::MAX);
    let header = narrowed(data, cap.checked_sub(start)?);
    decoder.init(header.get(..data.len().min(HEADER))?).ok()?;
    let length = usize::try_from(decoder.content_size()).ok()?;
    if start.checked_add(length)? > cap {
        return None;
    }
    let mut rest = data.get(usize::try_from(decoder.bytes_read_from_source()).ok()?..)?;
    while !decoder.is_finished() {
        decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1)).ok()?;
        if out.len().saturating_add(decoder.can_collect()) > cap {
            return None;
        }
        out.extend_from_slice(&decoder.collect().unwrap_or_default());
    }
    let written = out.len().saturating_sub(start);
    (length == 0 || length == written).then_some(rest)
}

/// The frame's header, with its window limited to the maximum output: no block can refer further
/// back. A decoder outputs everything beyond its window, so that the limit is noticed. The window
/// is at least 128 KiB, the maximum size of a block.
fn narrowed(data: &[u8], most: usize) -> [u8; HEADER] {
    const SINGLE_SEGMENT: u8 = 0x20;
    let mut header = [0; HEADER];
    for (place, byte) in header.iter_mut().zip(data) {
        *place = *byte;
    }
    if let [_, _, _, _, flags, window, ..] = &mut header
        && *flags & SINGLE_SEGMENT == 0
    {
        // The exponent of the next power of two, without a mantissa (RFC 8878, 3.1.1.1.2).
        let log = most.checked_next_power_of_two().map_or(63, usize::trailing_zeros);
        let exponent = u8::try_from(log.max(17).saturating_sub(10)).unwrap_or(31).min(31);
        *window = (*window).min(exponent << 3);
    }
    header
}
