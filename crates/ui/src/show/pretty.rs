//! Indents JSON token by token: numbers and strings stay as they were sent. A text that was cut is
//! indented up to the cut.

/// The maximum length of the result in bytes: a few kilobytes of `[[[[` would become gigabytes of
/// spaces.
const OUT_MAX: usize = 256 << 10;
/// The maximum depth of indentation.
const DEPTH_MAX: usize = 40;

/// Indents a text. The result is cut at its maximum length.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut rest) = (0usize, text.trim_start());
    while let Some(c) = rest.chars().next() {
        if out.len() > OUT_MAX {
            break;
        }
        let length = match c {
            '"' => string(rest),
            '{' | '[' | '}' | ']' | ',' | ':' => 1,
            _ => rest
                .find(['{', '[', '}', ']', ',', ':', '"', ' ', '\t', '\r', '\n'])
                .unwrap_or(rest.len())
                .max(1),
        };
        let (token, after) = rest.split_at(length);
        rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
        match c {
            '{' | '[' if rest.starts_with(if c == '{' { '}' } else { ']' }) => {
                out.push_str(if c == '{' { "{}" } else { "[]" });
                rest = rest[1..].trim_start_matches([' ', '\t', '\r', '\n']);
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push_str(token),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth.min(DEPTH_MAX)).for_each(|_| out.push_str("  "));
}

/// The length of the string at the beginning, quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    let inside = text.bytes().skip(1).position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    inside.map_or(text.len(), |at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_gets_its_own_line() {
        let check = |text: &str, expect: &str| assert_eq!(json(text), expect);
        check(
            r#"{"a":1.10,"b":[1,{"c":"x,\"{y"}],"d":{},"e":[ ]}"#,
            "{\n  \"a\": 1.10,\n  \"b\": [\n    1,\n    {\n      \"c\": \"x,\\\"{y\"\n    }\n  ],\n  \"d\": {},\n  \"e\": []\n}",
        );
        check(" 12345678901234567890 ", "12345678901234567890");
        check("{\"a\":\"cut", "{\n  \"a\": \"cut");
        check("", "");
        check("}]", "\n}\n]");
    }

    #[test]
    fn deep_nesting_is_indented_to_a_maximum() {
        assert!(json(&"[".repeat(64 << 10)).len() < 2 * OUT_MAX);
        assert!(json(&"{\"a\":".repeat(20_000)).len() < 2 * OUT_MAX);
    }
}
