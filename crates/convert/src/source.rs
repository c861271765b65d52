//! JSON of which some keys are known: taken one by one, so that what is left can be told of, with the line where each stands.

use crate::error::ConvertError;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A text in a file, for the lines in errors.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Its text.
    pub(super) text: &'a str,
}

impl<'a> Source<'a> {
    /// The line on which a part of the text begins, counted from 1.
    pub(super) fn line(&self, part: &str) -> u64 {
        let offset = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        before.iter().filter(|&&b| b == b'\n').count() as u64 + 1
    }

    /// An error about a part of the text.
    pub(super) fn error(&self, part: &str, problem: impl Into<String>) -> ConvertError {
        ConvertError::Input { path: self.path.to_owned(), line: self.line(part), problem: problem.into() }
    }

    /// Reads a part of the text. `what` is what it should be.
    pub(super) fn read<T: Deserialize<'a>>(&self, part: &'a str, what: &str) -> Result<T, ConvertError> {
        serde_json::from_str(part).map_err(|error| {
            let line = self.line(part) + (error.line() as u64).saturating_sub(1);
            let path = self.path.to_owned();
            ConvertError::Input { path, line, problem: format!("not {what}: {}", plain(&error)) }
        })
    }
}

/// What a JSON error says, without its place, which counts from the part that was read.
pub(super) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

/// The keys of a JSON object with their values as they stand there. A key that stands twice counts once: the last.
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Takes a key out. `null` is as if it weren't there.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().rposition(|(name, _)| name == key)?;
        let (_, value) = self.0.remove(at);
        self.0.retain(|(name, _)| name != key);
        Some(value.get()).filter(|value| *value != "null")
    }

    /// Takes a key out and reads it.
    pub(super) fn read<T: Deserialize<'a>>(
        &mut self,
        key: &str,
        source: &Source<'a>,
    ) -> Result<Option<T>, ConvertError> {
        self.take(key).map(|part| source.read(part, &format!("a `{key}`"))).transpose()
    }

    /// What is left.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (&**key, value.get())).filter(|(_, value)| *value != "null")
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    fields.push((key, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object).map(Fields)
    }
}

/// Text that is borrowed where it has no escapes.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);
