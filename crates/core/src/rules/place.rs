//! Where in a request a value stands: `path.2`, `query.page`, `header.x-nonce`, `body/order/id`.
//!
//! Behind `body` comes a JSON pointer (RFC 6901) in which `*` stands for any member or element; a `*` that is meant is written `~2`. Form
//! fields, multipart parts, XML elements and protobuf field numbers are named in the same way: `body/card[number]`, `body/file/value`,
//! `body/Envelope/Body/Order/Id`, `body/1/2`.

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use serde::{Deserialize, Serialize};

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    text: String,
    root: Root,
}

/// The part of a request that a place is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// A segment of the path, counted from 1.
    Path(u32),
    /// All values of a query parameter.
    Query(Vec<u8>),
    /// All values of a header, by its name in lower case.
    Header(String),
    /// A place in the body; no steps: the body as a whole.
    Body(Vec<Step>),
}

/// One step into a body.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The member with this name, or the element with this index.
    Key(Vec<u8>),
    /// Each member or element.
    Any,
}

impl Place {
    /// Reads a place.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "{text:?} is no place: write path.N, query.NAME, header.NAME, body or body/NAME/NAME, where * stands for any"
            )
        };
        let root = if let Some(number) = text.strip_prefix("path.") {
            let number = number.parse().ok().filter(|n| *n > 0);
            Root::Path(number.ok_or_else(|| format!("{text:?}: segments are counted from 1, as in path.2"))?)
        } else if let Some(name) = text.strip_prefix("query.").filter(|name| !name.is_empty()) {
            Root::Query(name.as_bytes().to_vec())
        } else if let Some(name) = text.strip_prefix("header.") {
            Root::Header(super::HeaderName::try_from(name.to_owned())?.0)
        } else if text == "body" {
            Root::Body(Vec::new())
        } else if let Some(pointer) = text.strip_prefix("body/") {
            Root::Body(
                pointer.split('/').map(|step| step_of(step).ok_or_else(bad)).collect::<Result<_, _>>()?,
            )
        } else {
            return Err(bad());
        };
        Ok(Self { text: text.to_owned(), root })
    }

    /// The place of a value in a body, by its steps.
    pub fn in_body(steps: Vec<Step>) -> Self {
        let mut text = String::from("body");
        for step in &steps {
            text.push('/');
            match step {
                Step::Any => text.push('*'),
                Step::Key(key) => text.push_str(&escape(&String::from_utf8_lossy(key))),
            }
        }
        Self { text, root: Root::Body(steps) }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it is.
    pub fn root(&self) -> &Root {
        &self.root
    }
}

/// A name as a step of a pointer.
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('*', "~2")
}

fn step_of(step: &str) -> Option<Step> {
    if step == "*" {
        return Some(Step::Any);
    }
    let mut key = Vec::with_capacity(step.len());
    let mut bytes = step.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'~' => key.push(match bytes.next()? {
                b'0' => b'~',
                b'1' => b'/',
                b'2' => b'*',
                _ => return None,
            }),
            b'*' => return None,
            _ => key.push(byte),
        }
    }
    Some(Step::Key(key))
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.text
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl bincode::Encode for Place {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.text.encode(encoder)
    }
}

impl<C> bincode::Decode<C> for Place {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let text = String::decode(decoder)?;
        Self::parse(&text).map_err(DecodeError::OtherString)
    }
}

impl<'de, C> bincode::BorrowDecode<'de, C> for Place {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        <Self as bincode::Decode<C>>::decode(decoder)
    }
}
