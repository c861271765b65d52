//! The wire format from filter to collector, v1 (`docs/reference/wire.md`). Checks a batch as far
//! as the collector has to understand it: of a record, only `type`, `id` and `v`. Never changes a
//! byte.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use understudy_core::sample::Sample;

const VERSION: u64 = 1;
/// The maximum length of `vm` in bytes, which bounds the memory for each VM. Our filter sends 16.
const MAX_VM: usize = 128;
const MAX_SERVICE: usize = 1024;

/// The first line of a batch: its sender and number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BatchMeta {
    /// Identifies one filter VM from its start to its end.
    pub vm: String,
    /// 1, 2, 3 … within the VM.
    pub seq: u64,
    /// The number of records that the VM has dropped since it started.
    pub dropped: u64,
    /// The service's name from the filter's configuration.
    pub service: Option<String>,
    /// The share of exchanges that the VM copies.
    pub sample: Sample,
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A request and its response, as tapped.
    Exchange,
    /// The responder's decision about a request.
    Verdict,
}

/// A well-formed batch.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(crate) meta: Arc<BatchMeta>,
    pub(crate) exchanges: u64,
    pub(crate) verdicts: u64,
    pub(crate) body: Bytes,
}

/// Why a body isn't a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// The fault, and the expected form. May quote the body.
    pub reason: String,
    code: &'static str,
}

impl Malformed {
    /// A stable name of the error: `malformed-batch`, or `unknown-version`.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl Batch {
    /// Checks the lines of `body` and keeps it as it is.
    ///
    /// # Errors
    /// The first malformed line.
    pub fn parse(body: Bytes) -> Result<Batch, Malformed> {
        let mut lines = Lines { rest: &body, number: 0 };
        let Some((number, first)) = lines.next().transpose()? else {
            return Err(malformed(1, "the body is empty; the first line must be the batch line"));
        };
        let meta = Arc::new(batch_line(first).map_err(|reason| reason.at(number))?);
        let (mut exchanges, mut verdicts) = (0, 0);
        for line in lines {
            let (number, line) = line?;
            match record_line(line).map_err(|reason| reason.at(number))? {
                RecordKind::Exchange => exchanges += 1,
                RecordKind::Verdict => verdicts += 1,
            }
        }
        Ok(Batch { meta, exchanges, verdicts, body })
    }

    /// The first line of the batch.
    pub fn meta(&self) -> &BatchMeta {
        &self.meta
    }
}

/// Parses the batch line of a stored batch.
pub(crate) fn stored_meta(payload: &[u8]) -> Result<BatchMeta, String> {
    let end = payload.iter().position(|b| *b == b'\n').unwrap_or(payload.len());
    batch_line(&payload[..end]).map_err(|bad| bad.reason)
}

/// The kind of a stored record's line.
pub(crate) fn stored_kind(line: &[u8]) -> Result<RecordKind, String> {
    record_line(line).map_err(|bad| bad.reason)
}

struct BadLine {
    reason: String,
    code: &'static str,
}

impl BadLine {
    fn new(reason: impl Into<String>) -> BadLine {
        BadLine { reason: reason.into(), code: "malformed-batch" }
    }

    fn at(self, line: usize) -> Malformed {
        Malformed { line, reason: self.reason, code: self.code }
    }
}

fn malformed(line: usize, reason: &str) -> Malformed {
    BadLine::new(reason).at(line)
}

/// The lines of a body with their numbers, without the `\n` that must end each line.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<(usize, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let Some(end) = self.rest.iter().position(|b| *b == b'\n') else {
            self.rest = &[];
            return Some(Err(malformed(self.number, "does not end with a newline; was the batch cut off?")));
        };
        let (line, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        Some(Ok((self.number, line)))
    }
}

/// Every key is optional here: an unknown version is reported before any key that it may have
/// changed.
#[derive(Deserialize)]
struct BatchLine<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    v: Option<u64>,
    vm: Option<String>,
    seq: Option<u64>,
    dropped: Option<u64>,
    service: Option<String>,
    #[serde(default)]
    sample: Sample,
}

#[derive(Deserialize)]
struct RecordLine<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    v: Option<u64>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

fn batch_line(line: &[u8]) -> Result<BatchMeta, BadLine> {
    let BatchLine { r#type, v, vm, seq, dropped, service, sample } = object(line)?;
    if r#type.as_deref() != Some("batch") {
        return Err(BadLine::new("the first line must have \"type\":\"batch\""));
    }
    version(v.ok_or_else(|| BadLine::new("a batch line without `v`"))?)?;
    let vm = vm.filter(|vm| (1..=MAX_VM).contains(&vm.len()));
    let vm = vm.ok_or_else(|| BadLine::new(format!("`vm` must be a string of 1 to {MAX_VM} bytes")))?;
    let seq = seq.filter(|seq| *seq > 0).ok_or_else(|| BadLine::new("`seq` must be 1 or more"))?;
    let dropped = dropped.ok_or_else(|| BadLine::new("a batch line without `dropped`"))?;
    if service.as_ref().is_some_and(|service| service.len() > MAX_SERVICE) {
        return Err(BadLine::new(format!("`service` must have at most {MAX_SERVICE} bytes")));
    }
    Ok(BatchMeta { vm, seq, dropped, service, sample })
}

fn record_line(line: &[u8]) -> Result<RecordKind, BadLine> {
    let RecordLine { r#type, v, id } = object(line)?;
    // A verdict may leave `v` out.
    version(v.unwrap_or(VERSION))?;
    let kind = match r#type.as_deref() {
        Some("exchange") => RecordKind::Exchange,
        Some("verdict") => RecordKind::Verdict,
        _ => return Err(BadLine::new("`type` must be \"exchange\" or \"verdict\"")),
    };
    match id.as_deref() {
        None | Some("") => Err(BadLine::new("a record without `id`")),
        Some(_) => Ok(kind),
    }
}

fn version(v: u64) -> Result<(), BadLine> {
    if v == VERSION {
        return Ok(());
    }
    let reason =
        format!("version {v} is not known, only {VERSION}; use a collector that is as new as the filter");
    Err(BadLine { reason, code: "unknown-version" })
}

fn object<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, BadLine> {
    // serde also accepts an array as a struct.
    if line.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(BadLine::new("not a JSON object"));
    }
    // serde_json doesn't check the strings that it skips.
    let text = std::str::from_utf8(line).map_err(|e| BadLine::new(format!("not UTF-8: {e}")))?;
    serde_json::from_str(text).map_err(|e| {
        // serde_json counts lines too, and always reports 1 here.
        let reason = e.to_string().replace(" at line 1 column ", " at column ");
        BadLine::new(format!("not valid: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"type":"batch","v":1,"vm":"a","seq":7,"dropped":3,"service":"payment"}"#;

    fn parse(lines: &[&str]) -> Result<Batch, Malformed> {
        let body: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        Batch::parse(body.into())
    }

    #[test]
    fn batch_parsed_is_counted_and_kept_verbatim() {
        let exchange = r#"{"type":"exchange","v":1,"id":"a-1","request":{"type":"x","id":3}}"#;
        let verdict = r#" {"id":"a-\u0032","type":"ver\u0064ict","nearest":[]} "#;
        let batch = parse(&[HEAD, exchange, verdict, exchange]).unwrap();
        assert_eq!((batch.exchanges, batch.verdicts), (2, 1));
        let service = Some("payment".to_owned());
        assert_eq!(
            *batch.meta(),
            BatchMeta { vm: "a".into(), seq: 7, dropped: 3, service, sample: Sample::WHOLE }
        );
        assert_eq!(batch.body, format!("{HEAD}\n{exchange}\n{verdict}\n{exchange}\n"));
        assert_eq!(parse(&[HEAD]).unwrap().exchanges, 0, "a batch without records reports `dropped`");
    }

    #[test]
    fn malformed_batch_names_its_line() {
        let check = |lines: &[&str], line: usize, reason: &str| {
            let bad = parse(lines).unwrap_err();
            assert_eq!((bad.line, bad.code), (line, "malformed-batch"), "{bad}");
            assert!(bad.reason.contains(reason), "{bad} should contain {reason:?}");
        };
        check(&[], 1, "empty");
        check(&[""], 1, "not a JSON object");
        check(&[r#"["batch",1,"a",1,0,"s"]"#], 1, "not a JSON object");
        check(&[r#"{"type":"exchange","v":1,"id":"x"}"#], 1, "\"type\":\"batch\"");
        check(&[r#"{"type":"batch","vm":"a","seq":1,"dropped":0}"#], 1, "`v`");
        check(&[r#"{"type":"batch","v":1,"seq":1,"dropped":0}"#], 1, "`vm`");
        check(&[r#"{"type":"batch","v":1,"vm":"","seq":1,"dropped":0}"#], 1, "`vm`");
        check(&[r#"{"type":"batch","v":1,"vm":"a","seq":0,"dropped":0}"#], 1, "`seq`");
        check(&[r#"{"type":"batch","v":1,"vm":"a","seq":-1,"dropped":0}"#], 1, "invalid value");
        check(&[r#"{"type":"batch","v":1,"vm":"a","seq":1}"#], 1, "`dropped`");
        check(&[r#"{"type":"batch","v":1,"vm":"a","seq":1,"dropped":0,"sample":2}"#], 1, "`sample`");
        check(&[HEAD, HEAD], 2, "`type` must be");
        check(&[HEAD, r#"{"type":"exchange","id":"x"}"#, r#"{"type":"exchange"}"#], 3, "without `id`");
        check(&[HEAD, r#"{"type":"exchange","id":7}"#], 2, "expected a string");
        check(&[HEAD, r#"{"type":"exchange","id":"x""#], 2, "EOF while parsing an object at column 27");
        check(&[HEAD, r#"{"type":"exchange","id":"x"} {}"#], 2, "trailing characters");
        check(&[HEAD, "", r#"{"type":"exchange","id":"x"}"#], 2, "not a JSON object");
    }

    #[test]
    fn unknown_version_is_reported_before_other_faults() {
        let check = |lines: &[&str], line: usize| {
            let bad = parse(lines).unwrap_err();
            assert_eq!((bad.line, bad.code()), (line, "unknown-version"), "{bad}");
            assert!(bad.to_string().contains("version 2 is not known"), "{bad}");
        };
        check(&[r#"{"type":"batch","v":2}"#], 1);
        check(&[HEAD, r#"{"type":"exchange","v":2,"uid":"x"}"#], 2);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        let mut body = format!("{HEAD}\n{{\"type\":\"exchange\",\"id\":\"x\",\"z\":\"").into_bytes();
        body.extend(b"\xff\"}\n");
        let bad = Batch::parse(body.into()).unwrap_err();
        assert_eq!(bad.line, 2);
        assert!(bad.reason.contains("not UTF-8"), "{bad}");
        let bad = Batch::parse(HEAD.into()).unwrap_err();
        assert_eq!(bad.to_string(), "line 1: does not end with a newline; was the batch cut off?");
    }

    #[test]
    fn deeply_nested_record_is_skipped_without_recursion() {
        let deep =
            format!(r#"{{"type":"exchange","id":"x","z":{}{}}}"#, "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert_eq!(parse(&[HEAD, &deep]).unwrap().exchanges, 1);
    }
}
