//! A body as shown: as text, with an indented form if there is one, or as bytes. Long bodies are
//! cut.

use super::format::{size, visible, visible_bytes};
use super::pretty;
use crate::index::length;
use understudy_core::encoding;
use understudy_core::exchange::Body;
use understudy_core::facts;
use understudy_core::headers::Headers;

/// The maximum number of shown bytes of a body.
pub(crate) const SHOWN_MAX: usize = 64 << 10;
/// The maximum number of shown bytes that aren't text.
const HEX_MAX: usize = 4 << 10;
/// The maximum size in bytes to which a body is decompressed.
const DECODED_MAX: usize = 8 << 20;

/// A body as shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyView {
    /// Its full length in bytes.
    pub(crate) length: u64,
    /// Its type, from its header.
    pub(crate) media_type: String,
    /// Notes for the reader: compressed, cut, recorded in part.
    pub(crate) notes: Vec<String>,
    /// The kind of the indented form.
    pub(crate) pretty_kind: &'static str,
    /// The indented form; empty if there is none.
    pub(crate) pretty: String,
    /// The text as it was sent; empty if there is none.
    pub(crate) raw: String,
}

impl BodyView {
    /// The view of a body with its headers.
    pub(crate) fn of(body: &Body, headers: &Headers) -> Self {
        let media_type = headers.get(b"content-type").map(facts::media_type).unwrap_or_default();
        let mut view =
            Self { length: length(body), media_type: visible_bytes(media_type), ..Self::default() };
        if let Some(all) = body.truncated {
            view.notes.push(format!("{} of {} were recorded.", size(body.bytes.len() as u64), size(all)));
        }
        let codings = headers.get(b"content-encoding").unwrap_or_default();
        let decoded = encoding::undo(codings, &body.bytes, DECODED_MAX);
        let bytes = match &decoded {
            Some(bytes) if bytes.len() != body.bytes.len() || **bytes != *body.bytes => {
                let name = visible_bytes(codings);
                view.notes
                    .push(format!("Sent as {name}; shown here as the {} inside.", size(bytes.len() as u64)));
                &**bytes
            }
            Some(_) => &body.bytes[..],
            None => {
                view.notes.push(format!("Sent as {}, which can't be decoded here.", visible_bytes(codings)));
                &body.bytes[..]
            }
        };
        view.content(bytes, media_type);
        view
    }

    fn content(&mut self, bytes: &[u8], media_type: &[u8]) {
        let shown = &bytes[..bytes.len().min(SHOWN_MAX)];
        // The cut may have split a character.
        let text = match std::str::from_utf8(shown) {
            Ok(text) => Some(text),
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        let Some(text) = text.filter(|text| !text.contains('\0')) else {
            if bytes.len() > HEX_MAX {
                self.notes.push(format!(
                    "Its first {} are shown. Download it to have it whole.",
                    size(HEX_MAX as u64)
                ));
            }
            self.raw = hex_dump(&bytes[..bytes.len().min(HEX_MAX)]);
            return;
        };
        if bytes.len() > shown.len() {
            let (shown, all) = (size(SHOWN_MAX as u64), size(bytes.len() as u64));
            self.notes.push(format!("The first {shown} of {all} are shown. Download it to have it whole."));
        }
        self.raw = visible(text);
        if is_json(text, media_type) {
            (self.pretty_kind, self.pretty) = ("JSON", visible(&pretty::json(text)));
        } else if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            let pairs = form_urlencoded::parse(text.as_bytes());
            let lines: Vec<_> = pairs.map(|(name, value)| format!("{name} = {value}")).collect();
            (self.pretty_kind, self.pretty) = ("Form", visible(&lines.join("\n")));
        }
    }
}

fn is_json(text: &str, media_type: &[u8]) -> bool {
    let media_type = media_type.to_ascii_lowercase();
    let said = media_type.ends_with(b"/json")
        || media_type.ends_with(b"+json")
        || media_type.starts_with(b"application/x-amz-json");
    let looks = text.trim_start().starts_with(['{', '[']);
    looks && (said || serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Writes sixteen bytes a line: the offset, hexadecimal digits, characters.
fn hex_dump(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 5);
    for (number, line) in bytes.chunks(16).enumerate() {
        let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = line
            .iter()
            .map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '·' })
            .collect();
        out.push_str(&format!("{:06x}  {:<47}  {text}\n", number * 16, hex.join(" ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(bytes: &[u8], headers: &[(&str, &str)]) -> BodyView {
        let body = Body { bytes: bytes.to_vec(), truncated: None };
        BodyView::of(&body, &Headers::from_pairs(headers.iter().copied()))
    }

    #[test]
    fn body_is_shown_by_its_kind() {
        let check = |bytes: &[u8], media_type: &str, kind: &str, pretty: &str| {
            let view = view(bytes, &[("content-type", media_type)]);
            assert_eq!((view.pretty_kind, &*view.pretty), (kind, pretty), "{media_type}");
        };
        check(b"{\"a\":1}", "application/json; charset=utf-8", "JSON", "{\n  \"a\": 1\n}");
        check(b"{\"a\":1}", "application/x-amz-json-1.0", "JSON", "{\n  \"a\": 1\n}");
        check(b"{\"a\":1}", "text/plain", "JSON", "{\n  \"a\": 1\n}");
        check(b"{a", "text/plain", "", "");
        check(b"a=1+2&b=%26", "application/x-www-form-urlencoded", "Form", "a = 1 2\nb = &");
        check(b"plain", "text/plain", "", "");
        check(b"", "", "", "");
    }

    #[test]
    fn binary_body_is_shown_as_bytes() {
        let view = view(b"\x00\x01GIF\xff", &[]);
        assert_eq!(view.raw, "000000  00 01 47 49 46 ff                                ··GIF·\n");
    }

    #[test]
    fn long_body_is_cut_with_a_note() {
        let long = "ü".repeat(SHOWN_MAX);
        let view = view(long.as_bytes(), &[]);
        assert_eq!(view.length, 2 * SHOWN_MAX as u64);
        assert!(view.raw.len() <= SHOWN_MAX && view.raw.chars().all(|c| c == 'ü'));
        assert!(view.notes[0].contains("The first 65.5 kB of 131.0 kB"), "{:?}", view.notes);
        let odd = format!("a{long}");
        assert_eq!(
            super::BodyView::of(&Body { bytes: odd.into(), truncated: None }, &Headers::new()).raw.len(),
            SHOWN_MAX - 1
        );
    }

    #[test]
    fn compressed_body_is_decompressed() {
        let view = view(b"not gzip", &[("content-encoding", "gzip")]);
        assert_eq!((view.raw.as_str(), view.notes.len()), ("not gzip", 1));
        let body = Body { bytes: b"ab".to_vec(), truncated: Some(90) };
        let view = BodyView::of(&body, &Headers::new());
        assert_eq!((view.length, view.notes[0].as_str()), (90, "2 B of 90 B were recorded."));
    }
}
