//! Features of a signature, by which a miss finds similar signatures: numbers for its parts.

use crate::canonical::{Signature, parts};
use crate::digest;

/// Of a signature with more parts, those with the lowest numbers are its features.
pub const FINE_MAX: usize = 64;

/// The features of a signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Backend, method, path and operation; backend and the path up to its last `/`; backend. The
    /// finest first.
    pub coarse: [u32; 3],
    /// One for each part and backend, ascending, at most [`FINE_MAX`].
    pub fine: Vec<u32>,
}

impl Features {
    /// The features of a signature.
    pub fn of(signature: &Signature) -> Self {
        let get = |key: &[u8]| signature.get(key).unwrap_or_default();
        let (backend, method, path, operation) =
            (get(b"backend"), get(b"method"), get(b"path"), get(b"operation"));
        let parent = path.iter().rposition(|&b| b == b'/').and_then(|at| path.get(..at)).unwrap_or_default();
        let coarse = [
            number(1, &[backend, method, path, operation]),
            number(2, &[backend, parent]),
            number(3, &[backend]),
        ];
        let mut fine: Vec<u32> = parts(signature)
            .iter()
            .map(|part| number(4, &[backend, part.key.as_bytes(), &part.value]))
            .collect();
        fine.sort_unstable();
        fine.dedup();
        fine.truncate(FINE_MAX);
        Self { coarse, fine }
    }
}

/// The first four bytes of SHA-1 over a kind and texts, each with its length (`u32`) before it.
fn number(kind: u8, texts: &[&[u8]]) -> u32 {
    let mut bytes = vec![kind];
    for text in texts {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(text);
    }
    u32::try_from(digest::prefix(&digest::sha1(&bytes)) >> 32).unwrap_or(0)
}
