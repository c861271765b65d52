//! Version 1 of the line format: one JSON object per line, for the wire from filter to collector
//! and for snapshots.
//!
//! `docs/reference/wire.md` describes it. The format has types of its own, so that the core's types
//! can change while the format stays. Bytes that are UTF-8 are written as text, and others as
//! base64, so that every byte survives.

mod read;
mod write;

pub use read::{LineError, read_record};
pub use write::{write_batch, write_record, write_sampled_batch};

use crate::exchange::Exchange;
use crate::verdict::Verdict;

/// The format's version.
pub const VERSION: u32 = 1;

/// One line: an exchange, or a verdict with its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The exchange. With a verdict it has no response.
    pub exchange: Exchange,
    /// The verdict on the request.
    pub verdict: Option<Verdict>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Body, Direction, End, Request, Response};
    use crate::headers::Headers;
    use crate::verdict::{Change, Class, Difference, Kind, Matched, Nearest, Reason};

    fn exchange() -> Exchange {
        Exchange {
            id: "a-1".into(),
            direction: Direction::Outbound,
            time: 1_700_000_000_123_456,
            duration: 77,
            first_byte: Some(33),
            backend: "http://h".into(),
            protocol: "HTTP/1.1".into(),
            request: Request {
                method: b"POST".to_vec(),
                path: b"/p?q=\xff".to_vec(),
                headers: Headers::from_pairs([(&b"x"[..], &b"\xfe"[..]), (b"x", b"two")]),
                body: Body { bytes: b"\0\xff".to_vec(), truncated: Some(99) },
                trailers: Headers::from_pairs([("t", "1")]),
            },
            response: Some(Response {
                status: 200,
                body: Body { bytes: "{\"a\":\"ü\u{1}\"}\r\n".into(), truncated: None },
                ..Response::default()
            }),
            end: End::ResponseAborted,
        }
    }

    fn check(record: Record) {
        let mut line = Vec::new();
        write_record(&record.exchange, record.verdict.as_ref(), &mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        assert!(!line.contains(&b'\n'), "a record is one line");
        assert_eq!(read_record(&line).unwrap(), record);
    }

    #[test]
    fn written_exchange_reads_as_itself() {
        check(Record { exchange: exchange(), verdict: None });
        check(Record { exchange: Exchange::default(), verdict: None });
    }

    #[test]
    fn written_verdict_reads_as_itself() {
        let differs =
            Difference { key: "query".into(), change: Change::Added, recorded: None, live: Some("a".into()) };
        let nearest = vec![Nearest {
            exchange: "b".into(),
            request: "GET /".into(),
            score: 90,
            differs: vec![differs],
        }];
        let miss = Verdict {
            kind: Kind::Miss,
            status: Some(404),
            fault: None,
            reason: Some(Reason::NoEntry),
            matched: None,
            nearest,
        };
        check(Record { exchange: Exchange { response: None, ..exchange() }, verdict: Some(miss) });
        let normalised = vec!["body/id".to_owned(), "path.2".to_owned()];
        let matched = Matched {
            exchange: "b".into(),
            digest: [7; 20],
            sequence: (2, 5),
            normalised,
            class: Class::Assumed,
        };
        let hit = Verdict {
            kind: Kind::Match,
            status: Some(200),
            fault: Some("delay=2s".into()),
            reason: None,
            matched: Some(matched),
            nearest: Vec::new(),
        };
        check(Record { exchange: Exchange { response: None, ..exchange() }, verdict: Some(hit.clone()) });
        let faulted = Verdict { fault: Some("reset".into()), status: None, matched: None, ..hit };
        check(Record { exchange: Exchange { response: None, ..exchange() }, verdict: Some(faulted) });
    }

    #[test]
    fn bad_line_states_problem() {
        let check = |line: &str, expect: &str| {
            let error = read_record(line.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{line}: {error}");
        };
        check("", "EOF");
        check("{", "EOF");
        check(r#"{"type":"exchange","v":2}"#, "version 2");
        check(r#"{"type":"batch","v":1}"#, "unknown variant `batch`");
        check(r#"{"type":"exchange","v":1}"#, "missing field `id`");
        let mut line = Vec::new();
        write_record(&exchange(), None, &mut line);
        let good = String::from_utf8(line).unwrap();
        check(&good.replace("\"duration_us\"", "\"duration\""), "unknown field `duration`");
        check(&good.replace("2023-", "2023x"), "time");
        check(&good.replace("\"body_base64\":\"", "\"body_base64\":\"!"), "base64");
    }

    #[cfg(not(target_family = "wasm"))]
    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_read_as_themselves(path: Vec<u8>, name: Vec<u8>, value: Vec<u8>, body: Vec<u8>, status: u16) {
            let mut e = exchange();
            e.request.path = path;
            e.request.headers = Headers::from_pairs([(name, value)]);
            e.response = Some(Response { status, body: Body { bytes: body, truncated: None }, ..Response::default() });
            check(Record { exchange: e, verdict: None });
        }
    }
}
