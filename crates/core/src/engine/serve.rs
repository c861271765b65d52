//! The answer to a request that matches: the choice among several recorded answers, the content
//! encoding, and the live values that replace recorded ones.

use super::host::{Host, Reply};
use super::vm::Vm;
use crate::canonical::{Role, Signature, Spelling, Value, Values, hash_of_all};
use crate::digest::Digest;
use crate::facts::{self, Facts};
use crate::headers::Headers;
use crate::table::{Answer, Echo, EchoSpelling, Entry, GAP, Segment, Sequence, Source};
use crate::verdict::{Class, Reason};

/// The header that names the verdict in an answer.
pub(super) const VERDICT_HEADER: &[u8] = b"x-understudy";

/// The recorded answer to serve.
pub(super) struct Choice<'a> {
    pub(super) answer: &'a Answer,
    /// Its position among how many answers, counted from 1.
    pub(super) sequence: (u32, u32),
    /// The certainty of the match.
    pub(super) class: Class,
    /// The live values that stand for recorded ones from now on.
    pub(super) bindings: Vec<Binding>,
}

/// A live value and the recorded one that it stands for, by their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) live: u64,
    pub(super) recorded: u64,
}

/// Chooses the answer whose turn it is, among the candidates for the request's values.
///
/// Rules leave values out of the signature, but a recorded request with the same values has the
/// better answer. A live value can also stand for a recorded one since an earlier request: a
/// service that makes up an identifier and requests it again gets what was recorded for the
/// original one.
///
/// # Errors
/// [`Reason::SequenceEnded`] if all answers of a `fail` sequence have been given, or if no recorded
/// request has the values that the live ones stand for. [`Reason::SequenceGap`] if the answer whose
/// turn it is can't be served. [`Reason::Assumed`] if the configuration refuses assumptions and the
/// match rests on one.
pub(super) fn choose<'a, S: Segment>(
    entry: &'a Entry,
    values: &Values,
    vm: &Vm<S>,
    host: &mut impl Host,
) -> Result<Choice<'a>, Reason> {
    let table = vm.table.digest();
    let named = entry.answers.iter().any(|answer| answer.names.length > 0);
    let live: Vec<LiveValue> =
        values.iter().map(|value| LiveValue::of(&value, named, &table, host)).collect();
    let candidates = Candidates::of(entry, &live, vm)?;
    let as_recorded = candidates.exact && live.iter().all(|value| value.recorded.is_none());
    let class = match () {
        () if live.is_empty() || as_recorded => Class::Exact,
        () if values.iter().any(|value| vm.rules.is_assumed(value.place)) => Class::Assumed,
        () => Class::Proved,
    };
    if vm.strict && class == Class::Assumed {
        return Err(Reason::Assumed);
    }
    let count = u64::try_from(candidates.answers.len()).unwrap_or(u64::MAX);
    let always_first = count == 1 && entry.sequence != Sequence::Fail;
    let turn = if always_first { 0 } else { host.next_turn(&table, &candidates.turn_key) };
    let at = match entry.sequence {
        Sequence::Cycle => turn.checked_rem(count).unwrap_or(0),
        Sequence::StickLast => turn.min(count.saturating_sub(1)),
        Sequence::Fail => turn,
    };
    let answer = usize::try_from(at).ok().and_then(|at| candidates.answers.get(at));
    let answer = answer.ok_or(Reason::SequenceEnded)?;
    if answer.status == GAP {
        return Err(Reason::SequenceGap);
    }
    let values = live.iter().zip(vm.table.names(answer.names));
    let bindings = values
        .filter(|(value, recorded)| value.recorded.is_none() && *recorded != 0 && *recorded != value.hash)
        .map(|(value, recorded)| Binding { live: value.hash, recorded })
        .collect();
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok(Choice { answer, sequence: (number(at).saturating_add(1), number(count)), class, bindings })
}

/// A live value that rules leave out.
struct LiveValue {
    hash: u64,
    /// The hash of the recorded value that it stands for since an earlier request.
    recorded: Option<u64>,
    role: Role,
}

impl LiveValue {
    fn of(value: &Value<'_>, named: bool, table: &Digest, host: &mut impl Host) -> Self {
        let hash = value.hash();
        let recorded = if named && value.may_name() { host.recorded_value(table, hash) } else { None };
        Self { hash, recorded, role: value.role }
    }

    fn as_recorded(&self) -> u64 {
        self.recorded.unwrap_or(self.hash)
    }

    /// The number that a recorded value must have; `None` where any will do.
    fn wanted(&self) -> Option<u64> {
        match self.role {
            Role::Reference | Role::Caller => Some(self.as_recorded()),
            Role::Name | Role::Passing => self.recorded,
        }
    }
}

/// The answers that fit certain values, in recorded order. Their turns are counted separately.
struct Candidates<'a> {
    answers: Vec<&'a Answer>,
    /// The key under which their turns are counted.
    turn_key: Digest,
    /// Whether they were recorded with the values of the request.
    exact: bool,
}

impl<'a> Candidates<'a> {
    fn of<S: Segment>(entry: &'a Entry, live: &[LiveValue], vm: &Vm<S>) -> Result<Self, Reason> {
        let all = || entry.answers.iter();
        let values = hash_of_all(live.iter().map(LiveValue::as_recorded));
        let exact: Vec<_> = all().filter(|answer| values != 0 && answer.values == values).collect();
        if !exact.is_empty() {
            return Ok(Self { answers: exact, turn_key: turn_key(entry.digest, values), exact: true });
        }
        let wanted: Vec<Option<u64>> = live.iter().map(LiveValue::wanted).collect();
        if wanted.iter().all(Option::is_none) {
            return Ok(Self { answers: all().collect(), turn_key: entry.digest, exact: false });
        }
        // Checks whether an answer was recorded with the wanted values, apart from those with a
        // free role and name.
        let fits = |answer: &Answer, is_free: &dyn Fn(Role, u64) -> bool| {
            let names = vm.table.names(answer.names);
            live.iter().zip(&wanted).enumerate().all(|(at, (value, wanted))| {
                let name = names.get(at).copied().unwrap_or(0);
                is_free(value.role, name) || wanted.is_none_or(|wanted| wanted == name)
            })
        };
        let fitting = |is_free: &dyn Fn(Role, u64) -> bool| -> Vec<&Answer> {
            all().filter(|answer| fits(answer, is_free)).collect()
        };
        let mut answers = fitting(&|role, name| role == Role::Name && name == 0);
        if answers.is_empty() {
            // Only the answers of a caller whose secret no answer issued have no name for it.
            answers = fitting(&|role, name| matches!(role, Role::Name | Role::Caller) && name == 0);
        }
        if answers.is_empty() {
            let unknown =
                |role| fitting(&|other, name| other != role || role == Role::Name && name == 0).is_empty();
            return Err(match () {
                () if unknown(Role::Caller) => Reason::UnknownCaller,
                () if unknown(Role::Reference) => Reason::UnknownName,
                () => Reason::SequenceEnded,
            });
        }
        let bound = hash_of_all(wanted.iter().map(|wanted| wanted.unwrap_or(0)));
        Ok(Self { answers, turn_key: turn_key(entry.digest, bound), exact: false })
    }
}

/// The key under which the turns of requests with certain values are counted.
fn turn_key(mut digest: Digest, values: u64) -> Digest {
    for (byte, other) in digest.iter_mut().zip(values.to_le_bytes()) {
        *byte ^= other;
    }
    digest
}

/// The answer, ready to be served. `None`: the table can't be read.
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

/// The value of the verdict header.
fn verdict(choice: &Choice<'_>, normalised: &[String]) -> String {
    let mut text = "match".to_owned();
    if choice.class == Class::Assumed {
        text.push_str("; assumed");
    }
    if !normalised.is_empty() {
        text.push_str("; normalised=");
        text.push_str(&normalised.join(","));
    }
    if let (number, count @ 2..) = choice.sequence {
        text.push_str(&format!("; sequence={number}/{count}"));
    }
    text
}

/// Whether a header states a checksum of the body, which is wrong for a changed body.
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

/// Replaces recorded values in the bytes by live ones. The echoes are ordered by offset.
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

/// Converts a live value from its spelling in the request to its spelling in the answer.
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
    fn live_value_takes_spelling_of_its_target() {
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
