//! A signature as bytes: a version tag, then for each field key and value, each with its length before it.

use super::shown::Shown;
use super::values::Values;
use crate::digest::{self, Digest};
use crate::rules::Said;
use std::borrow::Cow;

/// The version of the rules, first in each signature: digests of different rules never meet.
const TAG: u8 = 3;

/// A signature: (key, value) pairs in the order of the rules, in one buffer; and what rules have taken out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    fields: Vec<u8>,
    values: Values,
}

impl Signature {
    /// Reads a signature from the bytes of [`Self::as_bytes`]. Bytes that are no signature read as the fields up to the fault.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { fields: bytes, values: Values::default() }
    }

    /// The signature as one piece: a version tag, then for each field key and value, each with its `u32` length before it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.fields
    }

    /// SHA-1 over [`Self::as_bytes`].
    pub fn digest(&self) -> Digest {
        digest::sha1(&self.fields)
    }

    /// The values that rules have taken out.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = self.fields.get(1..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (key, after) = take(rest)?;
            let (value, after) = take(after)?;
            rest = after;
            Some((key, value))
        })
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.fields().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    pub(super) fn clear(&mut self, time: u64) {
        self.fields.clear();
        self.fields.push(TAG);
        self.values.clear(time);
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.fields.truncate(length);
    }

    pub(super) fn plain_field(&mut self, key: &[u8], value: &[u8]) {
        self.prefixed(&[key]);
        self.prefixed(&[value]);
    }

    pub(super) fn field(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>, &mut Values)) {
        self.prefixed(&[key]);
        let start = self.fields.len();
        self.fields.extend_from_slice(&[0; 4]);
        let value = self.fields.len();
        write(&mut self.fields, &mut self.values);
        let length = u32::try_from(self.fields.len().saturating_sub(value)).unwrap_or(u32::MAX);
        if let Some(place) = self.fields.get_mut(start..value) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// A field that is written only where there is something to write.
    pub(super) fn field_unless_empty(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>, &mut Values)) {
        let (before, mut empty) = (self.fields.len(), false);
        self.field(key, |out, values| {
            let start = out.len();
            write(out, values);
            empty = out.len() == start;
        });
        if empty {
            self.fields.truncate(before);
        }
    }

    /// Takes the service's clock from texts that hold the time of the request.
    pub(super) fn set_service_time<'t>(&mut self, texts: impl Iterator<Item = Cow<'t, [u8]>>) {
        self.values.set_service_time(texts);
    }

    /// What stands for a value that a rule may be about.
    pub(super) fn shown(&mut self, rule: Option<Said<'_>>, value: &[u8]) -> Shown {
        self.values.plain(rule, value)
    }

    pub(super) fn prefixed(&mut self, parts: &[&[u8]]) {
        let length = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        self.fields.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        for part in parts {
            self.fields.extend_from_slice(part);
        }
    }
}

fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}
