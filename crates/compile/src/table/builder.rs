//! Takes exchanges in, one after the other, and keeps of each what the table needs: 40 bytes, and the bytes that weren't there yet.

use super::blobs::Blobs;
use super::near::Near;
use super::{Built, LENGTH_MAX, SIGNATURE_VALUE_MAX, TableError, layout};
use hashbrown::{HashMap, HashSet, HashTable};
use std::collections::{BTreeMap, BTreeSet};
use understudy_core::canonical::{RequestView, Role, Signature, Value};
use understudy_core::config::Mode;
use understudy_core::digest::{self, Digest};
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::header_family;
use understudy_core::headers::Headers;
use understudy_core::redact::{self, contains_token};
use understudy_core::rules::{Actions, Rules};
use understudy_core::table::{Blob, Features, GAP, SLOT_LEN, Sequence};
use understudy_snapshot::answerable::{ANSWERS_MAX, Unanswerable, unanswerable};
use understudy_snapshot::echo;
use understudy_snapshot::served::{Served, served};
use understudy_snapshot::{Backend, Header};

/// A table in the making.
#[derive(Debug)]
pub struct TableBuilder {
    pub(super) header: Header,
    /// Outbound exchanges by backend.
    pub(super) counts: BTreeMap<String, u64>,
    /// Backends of which a request holds the token of a secret where it is compared.
    pub(super) redacted: BTreeSet<String>,
    /// Bodies, trailers, signatures and identifiers.
    pub(super) data: Blobs,
    /// Header blocks, but for the last header, which says how many answers there are: that is known at the end.
    pub(super) headers: Blobs,
    /// In the order in which their first exchange came.
    pub(super) groups: Vec<Group>,
    by_digest: HashTable<u32>,
    /// Answers that were given and can't be given again, by their signatures.
    gaps: Vec<(Digest, Answer)>,
    pub(super) near: Near,
    left_out: BTreeMap<Unanswerable, u64>,
    pushed: u64,
    signature: Signature,
    rules: Rules,
    /// The numbers of the values that may name something, `u64` each.
    names: Blobs,
    /// Those of them that a live request must have, or stand for.
    known: HashSet<u64>,
    /// True if a rule names callers.
    tells_callers_apart: bool,
    /// True if a rule makes further headers count.
    requires_headers: bool,
    /// The values that say who calls, each with the token of its secret.
    callers: HashMap<u64, Vec<u8>>,
    /// The tokens of secrets in answers.
    issued: HashSet<Vec<u8>>,
}

/// All that was answered to one signature.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) digest: Digest,
    pub(super) sequence: Sequence,
    pub(super) signature: Blob,
    pub(super) answers: Vec<Answer>,
}

/// One answer, with places in the builder's buffers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) time: u64,
    pub(super) status: u16,
    pub(super) untyped: bool,
    /// In [`TableBuilder::headers`]; the others in [`TableBuilder::data`].
    pub(super) headers: Blob,
    pub(super) body: Blob,
    pub(super) trailers: Blob,
    pub(super) exchange: Blob,
    pub(super) values: u64,
    /// In [`TableBuilder::names`], later in [`TableBuilder::data`].
    pub(super) names: Blob,
    pub(super) plain: Option<Plain>,
    pub(super) echoes: Blob,
    pub(super) took: u32,
}

/// The answer without its content-encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// In [`TableBuilder::data`], as text.
    pub(super) coding: Blob,
    /// In [`TableBuilder::headers`].
    pub(super) headers: Blob,
    pub(super) body: Blob,
}

impl Answer {
    /// Whether a client sees no difference. Equal bytes have one place.
    fn same(&self, other: &Self) -> bool {
        (self.status, self.headers, self.body, self.trailers)
            == (other.status, other.headers, other.body, other.trailers)
    }
}

impl TableBuilder {
    /// Begins the table of a snapshot with this header.
    pub fn new(header: &Header) -> Self {
        Self {
            header: header.clone(),
            counts: BTreeMap::new(),
            redacted: BTreeSet::new(),
            data: Blobs::default(),
            headers: Blobs::default(),
            groups: Vec::new(),
            by_digest: HashTable::new(),
            gaps: Vec::new(),
            near: Near::default(),
            left_out: BTreeMap::new(),
            pushed: 0,
            signature: Signature::default(),
            rules: Rules::new(header.rules.clone()),
            names: Blobs::default(),
            known: HashSet::new(),
            tells_callers_apart: header.rules.iter().any(|rule| !rule.callers.is_empty()),
            requires_headers: header.rules.iter().any(|rule| !rule.require.is_empty()),
            callers: HashMap::new(),
            issued: HashSet::new(),
        }
    }

    /// Takes an exchange in. The order of the answers to one signature is that of their times, then that in which they came.
    ///
    /// # Errors
    /// [`TableError::TooLarge`].
    pub fn push(&mut self, exchange: &Exchange) -> Result<(), TableError> {
        if exchange.direction == Direction::Inbound {
            return Ok(());
        }
        match self.counts.get_mut(&exchange.backend) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(exchange.backend.clone(), 1)),
        }
        let backend = self.header.backend(&exchange.backend);
        if backend.mode != Mode::Mock {
            return Ok(());
        }
        if let Some(why) = unanswerable(exchange) {
            *self.left_out.entry(why).or_default() += 1;
            if why.leaves_gap() {
                self.add_gap(exchange);
            }
            return Ok(());
        }
        self.pushed += 1;
        if self.tells_callers_apart {
            let bytes = exchange.response.as_ref().map_or(&[][..], |response| &response.body.bytes);
            self.issued.extend(redact::tokens(bytes).map(<[u8]>::to_vec));
        }
        let request = &exchange.request;
        // A rule can make any header count.
        let by_rule = self.tells_callers_apart || self.requires_headers;
        let compared = |name: &[u8]| by_rule || header_family::counts(name);
        let in_header =
            || request.headers.iter().any(|(name, value)| compared(name) && contains_token(value));
        if !self.redacted.contains(&exchange.backend)
            && (contains_token(&request.path) || contains_token(&request.body.bytes) || in_header())
        {
            self.redacted.insert(exchange.backend.clone());
        }
        self.add(exchange, &backend);
        // Each signature costs two slots at least in the index, and what explains misses.
        let slots = self.groups.len().saturating_mul(2 * SLOT_LEN as usize + Near::LENGTH_EACH);
        if self.data.len() + self.headers.len() + slots > LENGTH_MAX {
            return Err(TableError::TooLarge { exchanges: self.pushed });
        }
        Ok(())
    }

    /// The table.
    ///
    /// # Errors
    /// [`TableError::TooLarge`], [`TableError::TooManyAnswers`].
    pub fn finish(mut self) -> Result<Built, TableError> {
        self.place_gaps();
        self.find_names();
        for group in &mut self.groups {
            group.answers.sort_by_key(|answer| answer.time);
            let all_same = group.answers.windows(2).all(|pair| pair[0].same(&pair[1]));
            // A `fail` sequence ends after as many answers as were recorded: there the number is seen from outside.
            // One whose request names something is told from the others by that.
            let named = group.answers.iter().any(|answer| answer.names.length > 0);
            if all_same && !named && group.sequence != Sequence::Fail {
                let took = median(group.answers.iter().map(|answer| answer.took).collect());
                group.answers.truncate(1);
                group.answers.iter_mut().for_each(|answer| answer.took = took);
            }
            let (answers, first) = (group.answers.len(), group.answers.first());
            if let Some(first) = first.filter(|_| answers > ANSWERS_MAX) {
                let exchange = String::from_utf8_lossy(self.data.get(first.exchange)).into_owned();
                return Err(TableError::TooManyAnswers { answers, exchange });
            }
        }
        let (pushed, left_out) = (self.pushed, std::mem::take(&mut self.left_out));
        let entries = self.groups.len() as u64;
        let answers = self.groups.iter().map(|group| group.answers.len() as u64).sum();
        self.by_digest = HashTable::new();
        let (bytes, digest) = layout::assemble(self).ok_or(TableError::TooLarge { exchanges: pushed })?;
        Ok(Built { bytes, digest, entries, answers, left_out })
    }

    fn add(&mut self, exchange: &Exchange, backend: &Backend) {
        let Some(served) = served(exchange) else { return };
        let rules = std::mem::take(&mut self.rules);
        let actions = self.signature.set(&RequestView::from(exchange), &rules);
        let answer = self.answer(exchange, &served, &actions, &rules);
        let sequence = actions.sequence().or(backend.sequence).unwrap_or_default();
        self.rules = rules;
        let digest = self.signature.digest();
        match self.group(&digest) {
            Some(group) => group.answers.push(answer),
            None => {
                let hash = digest::prefix(&digest);
                let at = super::blobs::to_u32(self.groups.len());
                self.near.add(Features::of(&self.signature));
                let signature = self.data.append(&cut(&self.signature));
                // Most signatures have one answer: no room for more.
                self.groups.push(Group { digest, sequence, signature, answers: vec![answer] });
                self.by_digest
                    .insert_unique(hash, at, |&at| digest::prefix(&self.groups[at as usize].digest));
            }
        }
    }

    fn group(&mut self, digest: &Digest) -> Option<&mut Group> {
        let hash = digest::prefix(digest);
        let at = self.by_digest.find(hash, |&at| self.groups[at as usize].digest == *digest)?;
        Some(&mut self.groups[*at as usize])
    }

    /// Keeps the place of an answer that can't be given: whoever asks then is told so, and doesn't get the one after it.
    fn add_gap(&mut self, exchange: &Exchange) {
        let rules = std::mem::take(&mut self.rules);
        self.signature.set(&RequestView::from(exchange), &rules);
        self.rules = rules;
        let nothing = self.data.intern(&[]);
        let gap = Answer {
            time: exchange.time,
            status: GAP,
            untyped: false,
            headers: self.headers.intern(Headers::new().as_block()),
            body: nothing,
            trailers: nothing,
            exchange: self.data.append(exchange.id.as_bytes()),
            values: self.signature.values().hash(),
            names: self.names(),
            plain: None,
            echoes: Blob::default(),
            took: 0,
        };
        self.gaps.push((self.signature.digest(), gap));
    }

    /// A request that was never answered with anything else just misses.
    fn place_gaps(&mut self) {
        for (digest, gap) in std::mem::take(&mut self.gaps) {
            if let Some(group) = self.group(&digest) {
                group.answers.push(gap);
            }
        }
    }

    fn answer(
        &mut self,
        exchange: &Exchange,
        served: &Served<'_>,
        actions: &Actions<'_>,
        rules: &Rules,
    ) -> Answer {
        let echoes = match actions.echoes() {
            true => echo::find(exchange, &self.signature, actions, rules, served),
            false => Vec::new(),
        };
        let plain = served.plain.as_ref().map(|plain| Plain {
            coding: self.data.intern(&plain.coding),
            headers: self.headers.intern(plain.headers.as_block()),
            body: self.data.intern(&plain.body),
        });
        Answer {
            time: exchange.time,
            status: served.status,
            untyped: served.untyped,
            headers: self.headers.intern(served.headers.as_block()),
            body: self.data.intern(served.body),
            trailers: self.data.intern(served.trailers.as_block()),
            exchange: self.data.append(exchange.id.as_bytes()),
            took: u32::try_from(exchange.first_byte.unwrap_or(exchange.duration)).unwrap_or(u32::MAX),
            values: self.signature.values().hash(),
            names: self.names(),
            plain,
            echoes: if echoes.is_empty() {
                Blob::default()
            } else {
                self.data.intern(&super::encode(&echoes))
            },
        }
    }
}

impl TableBuilder {
    /// The numbers of the signature's values, 0 for one that can't name anything.
    fn names(&mut self) -> Blob {
        let values = self.signature.values();
        self.known.extend(values.iter().filter(Value::must_be_known).map(|value| value.hash()));
        for value in values.iter().filter(|value| value.role == Role::Caller) {
            let token = redact::tokens(value.bytes).next().unwrap_or_default().to_vec();
            self.callers.insert(value.hash(), token);
        }
        let counts = |value: &Value<'_>| value.may_name() || value.must_be_known();
        if !values.iter().any(|value| counts(&value)) {
            return Blob::default();
        }
        let number = |value: Value<'_>| if counts(&value) { value.hash() } else { 0 };
        let bytes: Vec<u8> = values.iter().flat_map(|value| number(value).to_le_bytes()).collect();
        self.names.append(&bytes)
    }

    /// Of the values of the recorded requests those name something that requests with different signatures have.
    fn find_names(&mut self) {
        let mut first: HashMap<u64, (usize, bool)> = HashMap::new();
        for (number, group) in self.groups.iter().enumerate() {
            for answer in &group.answers {
                for name in numbers(self.names.get(answer.names)).filter(|name| *name != 0) {
                    let seen = first.entry(name).or_insert((number, false));
                    seen.1 |= seen.0 != number;
                }
            }
        }
        // A caller whose secret no answer issued has another secret in each run. The only such
        // caller can't be confused with others: its answers have no name, and an unknown caller
        // gets them.
        let mut own: Vec<u64> = self
            .callers
            .iter()
            .filter(|(_, token)| token.is_empty() || !self.issued.contains(*token))
            .map(|(value, _)| *value)
            .collect();
        if own.len() != 1 || self.callers.len() < 2 {
            own.clear();
        }
        let must_be_known = |name: u64| self.known.contains(&name) && !own.contains(&name);
        let shared = |name: u64| must_be_known(name) || first.get(&name).is_some_and(|(_, others)| *others);
        for answer in self.groups.iter_mut().flat_map(|group| &mut group.answers) {
            let names: Vec<u64> = numbers(self.names.get(answer.names))
                .map(|name| if shared(name) { name } else { 0 })
                .collect();
            answer.names = match names.iter().any(|name| *name != 0) {
                true => self.data.intern(&super::encode(&names)),
                false => Blob::default(),
            };
        }
    }
}

/// Of an even number the lower one.
fn median(mut all: Vec<u32>) -> u32 {
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks_exact(8).map(|number| number.try_into().map_or(0, u64::from_le_bytes))
}

/// The signature's bytes, with long values cut.
fn cut(signature: &Signature) -> Vec<u8> {
    let bytes = signature.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    out.extend(bytes.first());
    for (key, value) in signature.fields() {
        for part in [key, value.get(..SIGNATURE_VALUE_MAX).unwrap_or(value)] {
            out.extend_from_slice(&super::blobs::to_u32(part.len()).to_le_bytes());
            out.extend_from_slice(part);
        }
    }
    out
}
