//! `zstd` (RFC 8878) undone: frames without a dictionary. Checksums aren't checked: they would cost a hash that nothing else needs.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// How many frames a body may have. Each costs a new decoder; encoders write one, parallel ones one for some megabytes.
const MAX_FRAMES: usize = 256;

/// The longest frame header (RFC 8878, 3.1.1: magic number and header).
const HEADER: usize = 18;

/// Undoes zstd: one frame, or several one after the other; skippable ones are skipped (RFC 8878, 3.1.2).
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

/// What comes after a skippable frame; the inner `None` where the frame isn't one.
fn after_skippable(data: &[u8]) -> Option<Option<&[u8]>> {
    let (magic, rest) = data.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*magic) & 0xffff_fff0 != 0x184d_2a50 {
        return Some(None);
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..).map(Some)
}

/// Appends what a frame holds, up to a total of `cap` bytes, and gives what comes after it.
fn frame<'a>(data: &'a [u8], cap: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let start = out.len();
    let mut decoder = FrameDecoder::new();
    // A frame may ask for any window: what it gets is narrowed below.
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

/// The frame's header, with a window no larger than what may be written needs: a block can look back no further than that, and as soon as
/// the decoder holds more than its window, it gives it, and the limit is seen. 128 KiB at least, which a block may have.
fn narrowed(data: &[u8], most: usize) -> [u8; HEADER] {
    const SINGLE_SEGMENT: u8 = 0x20;
    let mut header = [0; HEADER];
    for (place, byte) in header.iter_mut().zip(data) {
        *place = *byte;
    }
    if let [_, _, _, _, flags, window, ..] = &mut header
        && *flags & SINGLE_SEGMENT == 0
    {
        // The exponent of the smallest power of two that isn't less, and no mantissa (RFC 8878, 3.1.1.1.2).
        let log = most.checked_next_power_of_two().map_or(63, usize::trailing_zeros);
        let exponent = u8::try_from(log.max(17).saturating_sub(10)).unwrap_or(31).min(31);
        *window = (*window).min(exponent << 3);
    }
    header
}
