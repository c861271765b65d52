//! Index of the exchanges that a snapshot holds already: signatures with their answers.

use crate::answerable::unanswerable;
use crate::header::Header;
use crate::served::served;
use hashbrown::{HashMap, HashSet};
use understudy_core::canonical::{RequestView, Signature};
use understudy_core::config::Mode;
use understudy_core::digest::{self, Digest};
use understudy_core::exchange::Exchange;
use understudy_core::rules::Rules;
use understudy_core::table::Sequence;
use understudy_core::v1;

/// Hash that stands for a value. Two values with the same hash count as equal; the probability is
/// 2⁻⁶⁴.
type Hashed = u64;

/// Exchanges that are held.
pub(super) struct Held {
    header: Header,
    rules: Rules,
    signature: Signature,
    /// Hashes of whole exchanges without their identifiers.
    whole: HashSet<Hashed>,
    /// Answers to each signature, each with the values that rules leave out: (values, served
    /// answer).
    answers: HashMap<Digest, HashSet<(Hashed, Hashed)>>,
}

/// The compared parts of an exchange.
pub(super) struct Key {
    whole: Hashed,
    /// The answer, if the exchange is served as one.
    answer: Option<Answer>,
}

struct Answer {
    signature: Digest,
    values: Hashed,
    served: Hashed,
    /// True if the number of answers matters: the sequence ends after the last one.
    counted: bool,
}

/// The signatures to which another recording has an answer that isn't held.
pub(super) struct News(HashSet<Digest>);

impl Held {
    pub(super) fn new(header: &Header, rules: Rules) -> Self {
        Self {
            header: header.clone(),
            rules,
            signature: Signature::default(),
            whole: HashSet::new(),
            answers: HashMap::new(),
        }
    }

    /// Adds an exchange.
    pub(super) fn add(&mut self, exchange: &Exchange) {
        let key = self.key(exchange);
        self.insert(key);
    }

    /// Takes the key of an exchange in.
    pub(super) fn insert(&mut self, key: Key) {
        self.whole.insert(key.whole);
        if let Some(Answer { signature, values, served, .. }) = key.answer {
            self.answers.entry(signature).or_default().insert((values, served));
        }
    }

    /// A new, empty set for the exchanges that another recording adds.
    pub(super) fn besides(&self) -> News {
        News(HashSet::new())
    }

    /// Returns whether an exchange of another recording adds nothing.
    pub(super) fn has(&mut self, exchange: &Exchange, news: &News) -> bool {
        let key = self.key(exchange);
        if self.whole.contains(&key.whole) {
            return true;
        }
        let Some(Answer { signature, values, served, counted: false }) = key.answer else { return false };
        self.answers.get(&signature).is_some_and(|known| {
            // A single answer is served whatever the values are.
            let alone = !news.0.contains(&signature) && known.iter().all(|(_, other)| *other == served);
            alone || known.contains(&(values, served))
        })
    }

    /// The key of an exchange.
    pub(super) fn key(&mut self, exchange: &Exchange) -> Key {
        let whole = whole(exchange);
        let backend = self.header.backend(&exchange.backend);
        let is_answered = backend.mode == Mode::Mock && unanswerable(exchange).is_none();
        let served = if is_answered { served(exchange) } else { None };
        let Some(answer) = served else {
            return Key { whole, answer: None };
        };
        let actions = self.signature.set(&RequestView::from(exchange), &self.rules);
        let sequence = actions.sequence().or(backend.sequence).unwrap_or_default();
        let mut bytes = answer.status.to_le_bytes().to_vec();
        for part in [answer.headers.as_block(), answer.trailers.as_block(), answer.body] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        let answer = Answer {
            signature: self.signature.digest(),
            values: self.signature.values().hash(),
            served: digest::prefix(&digest::sha1(&bytes)),
            counted: sequence == Sequence::Fail,
        };
        Key { whole, answer: Some(answer) }
    }
}

impl News {
    /// Looks at an exchange of the other recording.
    pub(super) fn look(&mut self, held: &mut Held, exchange: &Exchange) {
        let Some(Answer { signature, served, .. }) = held.key(exchange).answer else { return };
        let known = held.answers.get(&signature);
        if known.is_some_and(|known| known.iter().any(|(_, other)| *other != served)) {
            self.0.insert(signature);
        }
    }
}

/// Hash of an exchange without its identifier.
fn whole(exchange: &Exchange) -> Hashed {
    let nameless = Exchange { id: String::new(), ..exchange.clone() };
    let mut line = Vec::new();
    v1::write_record(&nameless, None, &mut line);
    digest::prefix(&digest::sha1(&line))
}
