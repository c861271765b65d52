//! Tests of valid, damaged and hostile bodies.

use super::*;
use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};

const TEXT: &[u8] = br#"{"greeting":"hello hello hello hello, understudy"}"#;
/// `TEXT` by zlib's gzip, Brotli's and zstd's own encoders.
const GZIP: &str = "1f8b0800000000000003ab564a2f4a4d2dc9cc4b57b252ca48cdc9c957c02075144af352528b8a4b4a532a956a01e686108b32000000";
const BROTLI: &str =
    "1b3100608cd462cd19eea437bcdeb5dbfb2e9428f9944e5f0f22c92452a943e7fcf4952edb89a1aa810c010632";
const ZSTD: &str = "28b52ffd243245010014027b226772656574696e67223a2268656c6c6f202c20756e6465727374756479227d01003397302794f309";
/// 10 MiB of zeros by Brotli's encoder.
const BROTLI_BOMB: &str = "cbffff3ff82700e2b14020f7fe2fffff3ff04f00c4611180eefd07";
const MIB: usize = 1 << 20;

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: u8| u8::try_from(char::from(b).to_digit(16).unwrap()).unwrap();
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn check(encodings: &str, body: impl AsRef<[u8]>, expect: Option<&[u8]>) {
    let undone = undo(encodings.as_bytes(), body.as_ref(), MIB);
    assert_eq!(undone.as_deref(), expect, "{encodings}");
}

/// A gzip member of the data.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = unhex("1f8b0800000000000003");
    out.extend(compress_to_vec(data, 6));
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    out
}

/// A frame of `blocks` blocks of 128 KiB of the same byte, with a window of 8 MiB.
fn zstd_bomb(blocks: usize) -> Vec<u8> {
    let mut out = unhex("28b52ffd0068");
    for block in 1..=blocks {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(block == blocks);
        out.extend(&header.to_le_bytes()[..3]);
        out.push(0);
    }
    out
}

#[test]
fn each_encoding_is_decoded() {
    check("", TEXT, Some(TEXT));
    check("identity", TEXT, Some(TEXT));
    check("gzip", unhex(GZIP), Some(TEXT));
    check("X-GZIP", unhex(GZIP), Some(TEXT));
    check("deflate", compress_to_vec_zlib(TEXT, 6), Some(TEXT));
    check("deflate", compress_to_vec(TEXT, 6), Some(TEXT));
    check("br", unhex(BROTLI), Some(TEXT));
    check("br", [0x3b], Some(b""));
    check("zstd", unhex(ZSTD), Some(TEXT));
    check("gzip", gzip(b""), Some(b""));
    for unknown in ["compress", "gzipp", "snappy", "dcb", "gzip;q=1"] {
        check(unknown, TEXT, None);
    }
}

#[test]
fn encodings_are_undone_last_first() {
    let zipped = gzip(&unhex(BROTLI));
    check("br, gzip", &zipped, Some(TEXT));
    check(" ,br,identity,,gzip ,", &zipped, Some(TEXT));
    check("gzip, br", &zipped, None);
    let five = (0..5).fold(TEXT.to_vec(), |data, _| gzip(&data));
    check("gzip,gzip,gzip,gzip,gzip", five, None);
}

#[test]
fn consecutive_frames_are_one_text() {
    let twice = |frame: &[u8]| [frame, frame].concat();
    check("gzip", twice(&unhex(GZIP)), Some(&twice(TEXT)));
    check("zstd", twice(&unhex(ZSTD)), Some(&twice(TEXT)));
    let skippable = [unhex("5a2a4d1803000000"), b"abc".to_vec(), unhex(ZSTD)].concat();
    check("zstd", skippable, Some(TEXT));
    check("zstd", unhex("5a2a4d18ffffffff"), None);
    // A stream doesn't look back into the one before it: a match at distance 1 that begins a stream
    // is an error.
    let looks_back = [gzip(b"a"), unhex("1f8b0800000000000003"), vec![0x03, 0x02, 0x00]].concat();
    check("gzip", looks_back, None);
}

#[test]
fn gzip_header_with_optional_fields_is_read() {
    let mut body = unhex("1f8b081fffffffff0003");
    body.extend(b"\x03\0abcname\0comment\0\x12\x34");
    body.extend(&unhex(GZIP)[10..]);
    check("gzip", &body, Some(TEXT));
    body[3] = 0x3f;
    check("gzip", &body, None);
}

#[test]
fn damaged_body_is_not_decoded() {
    let samples: [(&str, Vec<u8>); 5] = [
        ("gzip", unhex(GZIP)),
        ("deflate", compress_to_vec_zlib(TEXT, 6)),
        ("deflate", compress_to_vec(TEXT, 6)),
        ("br", unhex(BROTLI)),
        ("zstd", unhex(ZSTD)),
    ];
    for (name, sample) in samples {
        for length in 0..sample.len() {
            check(name, &sample[..length], None);
        }
        let more = [&sample[..], b"x"].concat();
        check(name, more, None);
        assert_eq!(undo(name.as_bytes(), &sample, TEXT.len() - 1), None, "{name}");
        assert_eq!(undo(name.as_bytes(), &sample, TEXT.len()).as_deref(), Some(TEXT), "{name}");
    }
    let mut wrong_sum = unhex(GZIP);
    wrong_sum[46] ^= 1;
    check("gzip", wrong_sum, None);
}

#[test]
fn aws_chunks_are_concatenated() {
    let ok = |body: &str| check("aws-chunked", body, Some(b"hello world"));
    ok("5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n");
    ok("b\r\nhello world\r\n0\r\n\r\n");
    ok("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\nx-amz-trailer-signature:ab\r\n\r\n");
    ok("B\r\nhello world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\n\r\n\r\n");
    ok("b\r\nhello world\r\n0\r\n");
    ok("b\r\nhello world\r\n0");
    for wrong in [
        "",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhelloo\r\n0\r\n\r\n",
        "6\r\nhello",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nnot a trailer\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\nmore:x\r\n",
        "ffffffffffffffff\r\nhello",
        "fffffffffffffffff\r\nhello",
        "5\nhello\n0\n\n",
    ] {
        check("aws-chunked", wrong, None);
    }
    assert_eq!(undo(b"aws-chunked", b"5\r\nhello\r\n0\r\n\r\n", 4), None);
    let zipped = unhex(GZIP);
    let chunked = [format!("{:x}\r\n", zipped.len()).as_bytes(), &zipped, b"\r\n0\r\n\r\n"].concat();
    check("gzip,aws-chunked", &chunked, Some(TEXT));
    check("aws-chunked,gzip", &chunked, Some(TEXT));
}

#[test]
fn bomb_is_stopped_at_limit() {
    let zeros = vec![0; 10 * MIB];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", compress_to_vec_zlib(&zeros, 6)),
        ("br", unhex(BROTLI_BOMB)),
        ("zstd", zstd_bomb(80)),
    ];
    for (name, bomb) in bombs {
        check(name, &bomb, None);
        let whole = undo(name.as_bytes(), &bomb, 10 * MIB).unwrap();
        assert!(*whole == zeros, "{name}");
    }
    // An announced window of 2 GiB costs nothing. Then too many frames.
    check("zstd", unhex("28b52ffd00a8010000"), Some(b""));
    check("zstd", unhex("28b52ffd0000010000").repeat(100_000), None);
    check("gzip", gzip(b"").repeat(10_000), Some(b""));
}

#[cfg(not(target_family = "wasm"))]
proptest::proptest! {
    #[test]
    fn encoded_data_decodes_to_itself(data: Vec<u8>) {
        for (name, body) in [
            ("gzip", gzip(&data)),
            ("deflate", compress_to_vec_zlib(&data, 6)),
            ("deflate", compress_to_vec(&data, 1)),
            ("zstd", ruzstd::encoding::compress_to_vec(&data[..], ruzstd::encoding::CompressionLevel::Fastest)),
        ] {
            let undone = undo(name.as_bytes(), &body, MIB);
            proptest::prop_assert_eq!(undone.as_deref(), Some(&data[..]), "{}", name);
        }
    }

    #[test]
    fn arbitrary_body_never_panics_or_exceeds_limit(data: Vec<u8>, at in 0usize..64, byte: u8) {
        for (name, sample) in [("gzip", GZIP), ("br", BROTLI), ("zstd", ZSTD), ("deflate", "789c"), ("aws-chunked", "")] {
            let sample = unhex(sample);
            let start = &sample[..at.min(sample.len())];
            let mut broken = sample.clone();
            if let Some(place) = broken.get_mut(at) {
                *place = byte;
            }
            for body in [&data[..], &[start, &data].concat(), &broken] {
                let undone = undo(name.as_bytes(), body, 1000);
                proptest::prop_assert!(undone.is_none_or(|data| data.len() <= 1000));
            }
        }
    }
}
