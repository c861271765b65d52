//! Decoding of `br` (RFC 7932). Windows larger than the RFC's 16 MiB are refused.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

/// The size of the output buffer.
const PIECE: usize = 4096;

/// Decodes one Brotli stream, with no data after it. The decoder's window grows with its output,
/// not with the announced size.
pub(super) fn undo(data: &[u8], cap: usize) -> Option<Vec<u8>> {
    let alloc = StandardAlloc::default;
    let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
    let (mut left, mut at, mut total) = (data.len(), 0usize, 0usize);
    let mut piece = [0u8; PIECE];
    let mut out = Vec::new();
    loop {
        let (mut room, mut written) = (PIECE, 0usize);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            data,
            &mut room,
            &mut written,
            &mut piece,
            &mut total,
            &mut state,
        );
        if out.len().saturating_add(written) > cap {
            return None;
        }
        out.extend_from_slice(piece.get(..written)?);
        match result {
            BrotliResult::ResultSuccess => return (left == 0).then_some(out),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput | BrotliResult::ResultFailure => return None,
        }
    }
}
