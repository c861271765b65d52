//! GraphQL documents: distinguishes significant white space from the rest.

/// First words of documents.
const KEYWORDS: [&[u8]; 5] = [b"query", b"mutation", b"subscription", b"fragment", b"{"];

/// A document without comments, commas and white space between tokens; `None` if the text isn't a
/// document.
pub(super) fn lasting(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?;
    let bytes = text.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let rest = text.get(at..)?;
        let length = match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => 0,
            b'#' => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            b'"' if rest.starts_with("\"\"\"") => rest[3..].find("\"\"\"")? + 6,
            b'"' => string(rest)?,
            b if b.is_ascii_alphanumeric() || b == b'_' || b == b'-' => {
                let part = |b: u8| b.is_ascii_alphanumeric() || b"_-+.".contains(&b);
                rest.bytes().skip(1).take_while(|&b| part(b)).count() + 1
            }
            b'.' => 3,
            _ => rest.chars().next()?.len_utf8(),
        };
        if length > 0 {
            tokens.push(bytes.get(at..at + length)?.to_vec());
        }
        at += length.max(1);
    }
    let count = |token: &[u8]| tokens.iter().filter(|other| *other == token).count();
    let first = tokens.first()?;
    let begins = KEYWORDS.contains(&first.as_slice());
    (begins && count(b"{") > 0 && count(b"{") == count(b"}")).then_some(tokens)
}

fn string(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Name of the only operation.
pub(super) fn operation(text: &[u8]) -> Option<Vec<u8>> {
    let tokens = lasting(text)?;
    let mut depth = 0;
    let mut operations = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.as_slice() {
            b"{" | b"(" => {
                let begins = depth == 0 && token == b"{" && (at == 0 || tokens[at - 1] == b"}");
                depth += 1;
                if begins {
                    operations.push(None);
                }
            }
            b"}" | b")" => depth -= 1,
            b"query" | b"mutation" | b"subscription" if depth == 0 => {
                let name = tokens.get(at + 1).filter(|name| name[0].is_ascii_alphabetic() || name[0] == b'_');
                operations.push(name.cloned());
            }
            _ => {}
        }
    }
    if operations.len() == 1 { operations.remove(0) } else { None }
}

/// Other spellings of the same document.
pub(super) fn variants(text: &[u8]) -> Vec<Vec<u8>> {
    let Some(tokens) = lasting(text) else { return Vec::new() };
    vec![tokens.join(&b"\n  "[..]), tokens.join(&b" ,\t"[..]), tokens.join(&b" # a comment {\n"[..])]
}
