//! Bodies as trees, which the reference compares and changes. Reading and writing use no code under
//! test.

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A structured body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    Text(Vec<u8>),
    /// A number, `true`, `false` or `null`, as it is written.
    Literal(String),
    Array(Vec<Tree>),
    /// The order of its members means nothing.
    Object(Vec<(String, Tree)>),
    /// The order of its members counts: elements of XML, parts of a form.
    Ordered(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads JSON (RFC 8259).
    pub(super) fn of_json(text: &[u8]) -> Option<Self> {
        let raw: &RawValue = serde_json::from_slice(text).ok()?;
        Self::of_raw(raw.get())
    }

    fn of_raw(text: &str) -> Option<Self> {
        Some(match text.as_bytes().first()? {
            b'"' => Self::Text(serde_json::from_str::<String>(text).ok()?.into_bytes()),
            b'[' => {
                let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                Self::Array(elements.iter().map(|raw| Self::of_raw(raw.get())).collect::<Option<_>>()?)
            }
            b'{' => {
                let Members(members) = serde_json::from_str(text).ok()?;
                let read = |(name, raw): (String, Box<RawValue>)| Some((name, Self::of_raw(raw.get())?));
                Self::Object(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            _ => Self::Literal(text.to_owned()),
        })
    }

    /// Writes JSON in some style.
    pub(super) fn to_json(&self, style: Style) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(style, &mut out);
        out
    }

    fn write(&self, style: Style, out: &mut Vec<u8>) {
        let space: &[u8] = if style.is_spaced { b" \n\t" } else { b"" };
        match self {
            Self::Text(text) => string(&String::from_utf8_lossy(text), style, out),
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Array(elements) => {
                out.push(b'[');
                for (i, element) in elements.iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b"," } else { b"" });
                    out.extend_from_slice(space);
                    element.write(style, out);
                    out.extend_from_slice(space);
                }
                out.push(b']');
            }
            Self::Object(members) | Self::Ordered(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if style.is_reordered {
                    // Members of one name stay in their order.
                    members.sort_by(|(a, _), (b, _)| b.cmp(a));
                }
                out.push(b'{');
                for (i, (name, value)) in members.into_iter().enumerate() {
                    out.extend_from_slice(if i > 0 { b"," } else { b"" });
                    out.extend_from_slice(space);
                    string(name, style, out);
                    out.extend_from_slice(space);
                    out.push(b':');
                    out.extend_from_slice(space);
                    value.write(style, out);
                    out.extend_from_slice(space);
                }
                out.push(b'}');
            }
        }
    }

    /// Number of children.
    pub(super) fn children(&self) -> usize {
        match self {
            Self::Text(_) | Self::Literal(_) => 0,
            Self::Array(elements) => elements.len(),
            Self::Object(members) | Self::Ordered(members) => members.len(),
        }
    }

    pub(super) fn child(&self, number: usize) -> &Self {
        match self {
            Self::Array(elements) => &elements[number],
            Self::Object(members) | Self::Ordered(members) => &members[number].1,
            Self::Text(_) | Self::Literal(_) => panic!("a leaf holds nothing"),
        }
    }

    /// The step to a child, as it is written in a place.
    pub(super) fn step(&self, number: usize) -> String {
        match self {
            Self::Object(members) | Self::Ordered(members) => escaped(&members[number].0),
            _ => number.to_string(),
        }
    }

    /// The node at the end of a path.
    pub(super) fn at(&mut self, way: &[usize]) -> &mut Self {
        way.iter().fold(self, |tree, &number| match tree {
            Self::Array(elements) => &mut elements[number],
            Self::Object(members) | Self::Ordered(members) => &mut members[number].1,
            Self::Text(_) | Self::Literal(_) => panic!("a leaf holds nothing"),
        })
    }
}

/// Spelling of JSON where several spellings are allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Style {
    pub(super) is_spaced: bool,
    pub(super) is_reordered: bool,
    /// Each character as `\uXXXX`.
    pub(super) is_escaped: bool,
}

fn string(text: &str, style: Style, out: &mut Vec<u8>) {
    if !style.is_escaped {
        out.extend_from_slice(serde_json::to_string(text).expect("text").as_bytes());
        return;
    }
    out.push(b'"');
    text.encode_utf16().for_each(|unit| out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()));
    out.push(b'"');
}

/// A name as a step of a place (RFC 6901, and `~2` for a star).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('*', "~2")
}

/// Members in their order, repeats too.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}
