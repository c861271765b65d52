//! JSON on lines of its own, token by token: numbers and strings stay as they were sent. Never parses more than it has to, so that a text
//! that was cut is shown up to there.

/// The longest text that is made, in bytes: a few kilobytes of `[[[[` would become gigabytes of white space.
const OUT_MAX: usize = 256 << 10;
/// Deeper than this nothing is indented further.
const DEPTH_MAX: usize = 40;

/// The text with line breaks and indents. It is cut where it becomes too long.
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

/// How long the string is that begins here, quotes included.
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
    fn each_value_on_its_line() {
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
    fn depth_is_bounded() {
        assert!(json(&"[".repeat(64 << 10)).len() < 2 * OUT_MAX);
        assert!(json(&"{\"a\":".repeat(20_000)).len() < 2 * OUT_MAX);
    }
}
