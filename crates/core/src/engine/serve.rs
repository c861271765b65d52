//! The answer to a request that matches: which of the recorded ones, in which encoding, and with which live values in it.

use super::{Host, Reply, Vm};
use crate::canonical::{Signature, Spelling, Value, Values, hash_of_all};
use crate::digest::Digest;
use crate::facts::{self, Facts};
use crate::headers::Headers;
use crate::table::{Answer, Echo, EchoSpelling, Entry, GAP, Segment, Sequence, Source};
use crate::verdict::Reason;

/// Says which answer was served.
pub(super) const VERDICT_HEADER: &[u8] = b"x-understudy";

/// Which answer to serve.
pub(super) struct Choice<'a> {
    pub(super) answer: &'a Answer,
    /// Its position among how many answers, counted from 1.
    pub(super) sequence: (u32, u32),
    /// Whether the request only matches without the values that rules leave out.
    pub(super) normalised: bool,
    /// The live values that stand for recorded ones from now on.
    pub(super) bindings: Vec<Binding>,
}

/// A live value and the recorded one that it stands for, by their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) live: u64,
    pub(super) recorded: u64,
}

/// The answer whose turn it is. Those come first whose recorded values are the live ones, even where rules leave them out; or those that the
/// live ones have stood for in earlier requests: a service that makes up an identifier, and asks for it again, gets what was recorded for
/// the one in its place.
///
/// # Errors
/// [`Reason::SequenceEnded`] where all have been given, and the policy is to fail then; and where the live values stand for recorded ones that
/// were never asked for in this way. [`Reason::SequenceGap`].
pub(super) fn choose<'a, S: Segment>(
    entry: &'a Entry,
    values: &Values,
    vm: &Vm<S>,
    host: &mut impl Host,
) -> Result<Choice<'a>, Reason> {
    let table = vm.table.digest();
    let named = entry.answers.iter().any(|answer| answer.names.length > 0);
    let known: Vec<Known> = values.iter().map(|value| Known::of(&value, named, &table, host)).collect();
    let pool = Pool::of(entry, &known, vm).ok_or(Reason::SequenceEnded)?;
    let count = u64::try_from(pool.answers.len()).unwrap_or(u64::MAX);
    let always_first = count == 1 && entry.sequence != Sequence::Fail;
    let turn = if always_first { 0 } else { host.next_turn(&table, &pool.cursor) };
    let at = match entry.sequence {
        Sequence::Cycle => turn.checked_rem(count).unwrap_or(0),
        Sequence::StickLast => turn.min(count.saturating_sub(1)),
        Sequence::Fail => turn,
    };
    let answer = usize::try_from(at).ok().and_then(|at| pool.answers.get(at)).ok_or(Reason::SequenceEnded)?;
    if answer.status == GAP {
        return Err(Reason::SequenceGap);
    }
    let values = known.iter().zip(vm.table.names(answer.names));
    let bindings = values
        .filter(|(known, recorded)| known.recorded.is_none() && *recorded != 0 && *recorded != known.live)
        .map(|(known, recorded)| Binding { live: known.live, recorded })
        .collect();
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let as_recorded = pool.exact && known.iter().all(|known| known.recorded.is_none());
    let normalised = !known.is_empty() && !as_recorded;
    Ok(Choice { answer, sequence: (number(at).saturating_add(1), number(count)), normalised, bindings })
}

/// A live value that rules leave out, and the recorded one that it has stood for; by their numbers.
struct Known {
    live: u64,
    recorded: Option<u64>,
}

impl Known {
    fn of(value: &Value<'_>, named: bool, table: &Digest, host: &mut impl Host) -> Self {
        let live = value.hash();
        let recorded = if named && value.names { host.recorded_value(table, live) } else { None };
        Self { live, recorded }
    }

    fn as_recorded(&self) -> u64 {
        self.recorded.unwrap_or(self.live)
    }
}

/// The answers that may be given to certain values, in their order, with a cursor of their own.
struct Pool<'a> {
    answers: Vec<&'a Answer>,
    cursor: Digest,
    /// Whether all their values are those of the request.
    exact: bool,
}

impl<'a> Pool<'a> {
    fn of<S: Segment>(entry: &'a Entry, known: &[Known], vm: &Vm<S>) -> Option<Self> {
        let all = || entry.answers.iter();
        let values = hash_of_all(known.iter().map(Known::as_recorded));
        let exact: Vec<_> = all().filter(|answer| values != 0 && answer.values == values).collect();
        if !exact.is_empty() {
            return Some(Self { answers: exact, cursor: with(entry.digest, values), exact: true });
        }
        if known.iter().all(|known| known.recorded.is_none()) {
            return Some(Self { answers: all().collect(), cursor: entry.digest, exact: false });
        }
        let fits = |answer: &&Answer| {
            let names = vm.table.names(answer.names);
            known.iter().zip(names).all(|(known, name)| name == 0 || known.recorded.is_none_or(|r| r == name))
        };
        let answers: Vec<_> = all().filter(fits).collect();
        let bound = hash_of_all(known.iter().map(|known| known.recorded.unwrap_or(0)));
        (!answers.is_empty()).then_some(Self { answers, cursor: with(entry.digest, bound), exact: false })
    }
}

/// A cursor of its own for the requests with certain values.
fn with(mut digest: Digest, values: u64) -> Digest {
    for (byte, other) in digest.iter_mut().zip(values.to_le_bytes()) {
        *byte ^= other;
    }
    digest
}

/// The answer, ready to be served. `None` where the table can't be read.
pub(super) fn reply<S: Segment>(
    choice: &Choice<'_>,
    facts: &Facts<'_>,
    signature: &Signature,
    normalised: &[String],
    vm: &Vm<S>,
) -> Option<Reply> {
    let answer = choice.answer;
    let plain = answer.plain.as_ref().filter(|plain| {
        answer.echoes.length > 0 || !facts::offers(facts.accepted_encodings(), plain.coding.as_bytes())
    });
    let (headers, body) = plain.map_or((answer.headers, answer.body), |plain| (plain.headers, plain.body));
    let mut headers = Headers::from_block(vm.table.blob(headers)?);
    let mut body = vm.table.blob(body)?;
    if answer.echoes.length > 0 {
        let echoes = vm.table.echoes(answer.echoes);
        (headers, body) = with_live_values(&echoes, headers, body, facts, signature);
    }
    if !vm.verdict_header {
        headers = Headers::from_pairs(headers.iter().filter(|(name, _)| *name != VERDICT_HEADER));
    } else if !signature.values().is_empty() {
        let verdict = verdict(choice, normalised);
        let kept = headers.iter().filter(|(name, _)| *name != VERDICT_HEADER);
        headers = Headers::from_pairs(kept.chain([(VERDICT_HEADER, verdict.as_bytes())]));
    }
    Some(Reply { status: answer.status, headers, body, grpc_status: None })
}

/// What the verdict header says.
fn verdict(choice: &Choice<'_>, normalised: &[String]) -> String {
    let mut text = "match".to_owned();
    if !normalised.is_empty() {
        text.push_str("; normalised=");
        text.push_str(&normalised.join(","));
    }
    if let (number, count @ 2..) = choice.sequence {
        text.push_str(&format!("; sequence={number}/{count}"));
    }
    text
}

/// Headers that speak of the body's bytes, and would lie about others.
fn is_checksum(name: &[u8]) -> bool {
    [&b"x-amz-crc32"[..], b"content-md5", b"digest", b"content-digest", b"repr-digest"].contains(&name)
        || name.starts_with(b"x-amz-checksum-")
}

fn with_live_values(
    echoes: &[Echo],
    headers: Headers,
    body: Vec<u8>,
    facts: &Facts<'_>,
    signature: &Signature,
) -> (Headers, Vec<u8>) {
    let live = |echo: &Echo| -> Option<Vec<u8>> {
        match &echo.source {
            Source::Value(number) => {
                let value = signature.values().iter().nth(usize::from(*number))?;
                Some(spelled(value.spelling, value.bytes, echo.spelling))
            }
            Source::Header(name) => {
                let value = facts.headers.get(name.as_bytes())?;
                Some(spelled(Spelling::Plain, value, echo.spelling))
            }
        }
    };
    let in_header = |number: Option<u16>| echoes.iter().filter(move |echo| echo.header == number);
    let changed_body = spliced(&body, in_header(None), live);
    let changed = changed_body != body;
    let mut pairs = Vec::new();
    for (number, (name, value)) in (0u16..).zip(headers.iter()) {
        if !(changed && is_checksum(name)) {
            pairs.push((name, spliced(value, in_header(Some(number)), live)));
        }
    }
    (Headers::from_pairs(pairs), changed_body)
}

/// Bytes with live values in the place of recorded ones. The echoes are in the order of their offsets.
fn spliced<'e>(
    bytes: &[u8],
    echoes: impl Iterator<Item = &'e Echo>,
    live: impl Fn(&Echo) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let (mut out, mut done) = (Vec::with_capacity(bytes.len()), 0usize);
    for echo in echoes {
        let (Ok(start), Ok(length)) = (usize::try_from(echo.offset), usize::try_from(echo.length)) else {
            continue;
        };
        if let (Some(before), Some(value)) = (bytes.get(done..start), live(echo)) {
            out.extend_from_slice(before);
            out.extend_from_slice(&value);
            done = start.saturating_add(length);
        }
    }
    out.extend_from_slice(bytes.get(done..).unwrap_or_default());
    out
}

/// A live value as it is spelled in the answer.
fn spelled(from: Spelling, value: &[u8], to: EchoSpelling) -> Vec<u8> {
    let as_text = match from {
        Spelling::Json => crate::canonical::json_text(value),
        Spelling::Plain => value.to_vec(),
    };
    match (from, to) {
        (Spelling::Json, EchoSpelling::JsonValue) => value.to_vec(),
        (_, EchoSpelling::Plain) => as_text,
        (Spelling::Plain, EchoSpelling::JsonValue) => crate::canonical::json_string(&as_text),
        (_, EchoSpelling::JsonLiteral) if crate::canonical::is_json_literal(&as_text) => as_text,
        (_, EchoSpelling::JsonLiteral) => crate::canonical::json_string(&as_text),
        (_, EchoSpelling::JsonText) => {
            let quoted = crate::canonical::json_string(&as_text);
            quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_vec()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_as_where_they_go() {
        let check = |from, value: &str, to, expect: &str| {
            assert_eq!(String::from_utf8(spelled(from, value.as_bytes(), to)).unwrap(), expect);
        };
        check(Spelling::Json, "7", EchoSpelling::JsonValue, "7");
        check(Spelling::Json, "\"a\\\"b\"", EchoSpelling::JsonValue, "\"a\\\"b\"");
        check(Spelling::Json, "\"a\\\"b\"", EchoSpelling::Plain, "a\"b");
        check(Spelling::Json, "\"a\\\"b\"", EchoSpelling::JsonText, "a\\\"b");
        check(Spelling::Plain, "a\"b", EchoSpelling::JsonValue, "\"a\\\"b\"");
        check(Spelling::Plain, "a\"b", EchoSpelling::JsonText, "a\\\"b");
        check(Spelling::Plain, "a\"b", EchoSpelling::Plain, "a\"b");
        check(Spelling::Plain, "17", EchoSpelling::JsonLiteral, "17");
        check(Spelling::Plain, "017", EchoSpelling::JsonLiteral, "\"017\"");
        check(Spelling::Plain, "{}", EchoSpelling::JsonLiteral, "\"{}\"");
    }
}
