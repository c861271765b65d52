//! gRPC's frames of messages: a flag, four bytes of length, the message ("gRPC over HTTP2",
//! "Requests").

use super::undo;

/// Returns whether a gRPC body consists of complete frames.
pub fn are_messages(body: &[u8]) -> bool {
    let mut rest = body;
    while !rest.is_empty() {
        match split(rest) {
            Some((_, _, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// The first frame's flag and message, and the rest of the body.
fn split(body: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[flag, a, b, c, d], after) = body.split_first_chunk::<5>()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let (message, after) = after.split_at_checked(length)?;
    Some((flag, message, after))
}

/// Decompresses the messages of a gRPC body. `None`: the body has an incomplete frame, a message
/// isn't encoded as `coding`, or the output would exceed `cap` bytes.
pub fn undo_messages(coding: &[u8], body: &[u8], cap: usize) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(body.len()), body);
    while !rest.is_empty() {
        let (flag, message, after) = split(rest)?;
        let message = match flag {
            0 => message.into(),
            1 => undo(coding, message, cap.checked_sub(out.len())?)?,
            _ => return None,
        };
        out.push(0);
        out.extend_from_slice(&u32::try_from(message.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&message);
        rest = after;
    }
    (out.len() <= cap).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::compress_to_vec_zlib;

    fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
        [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    #[test]
    fn each_message_is_decompressed_separately() {
        let packed = compress_to_vec_zlib(b"hello hello", 6);
        let check = |body: &[u8], expect: Option<&[u8]>| {
            assert_eq!(undo_messages(b"deflate", body, 100).as_deref(), expect);
        };
        let both = [frame(1, &packed), frame(0, b"plain"), frame(0, b"")].concat();
        let plain = [frame(0, b"hello hello"), frame(0, b"plain"), frame(0, b"")].concat();
        check(&both, Some(&plain));
        check(b"", Some(b""));
        assert!(are_messages(&both) && are_messages(b"") && !are_messages(&both[..both.len() - 1]));
        // Truncated, with an unknown flag, malformed, or too large.
        check(&both[..both.len() - 1], None);
        check(&frame(2, b"x"), None);
        check(&frame(1, b"not deflate"), None);
        check(&frame(1, &compress_to_vec_zlib(&[0; 101], 6)), None);
        check(&frame(0, &[0; 96]), None);
    }
}
