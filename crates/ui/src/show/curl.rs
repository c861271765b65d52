//! A recorded request as a command line for curl.
//!
//! The command is pasted into a terminal, and its content may be hostile. So each word is in single
//! quotes; characters with an effect on a terminal are written as base64 or left out; and nothing
//! makes curl read or write a file, or call another host.

use base64::Engine as _;
use understudy_core::backend;
use understudy_core::exchange::Exchange;

/// The maximum size in bytes of a body on the command line (Linux allows 128 KiB in one argument).
const BODY_MAX: usize = 64 << 10;

/// Headers that curl sets automatically, or that describe the recorded connection.
const OWN: [&[u8]; 8] = [
    b"content-length",
    b"connection",
    b"transfer-encoding",
    b"te",
    b"upgrade",
    b"keep-alive",
    b"proxy-connection",
    b"expect",
];

/// A command line, with notes about what it leaves out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Curl {
    pub(crate) command: String,
    pub(crate) notes: Vec<&'static str>,
}

/// The command for the request of an exchange; `None` if curl can't send it.
pub(crate) fn curl(exchange: &Exchange) -> Option<Curl> {
    let (scheme, host, _) = backend::parts(&exchange.backend)?;
    let request = &exchange.request;
    let method = std::str::from_utf8(&request.method).ok().filter(|method| is_token(method.as_bytes()))?;
    if !["http", "https"].contains(&scheme) || !host.bytes().all(is_host) {
        return None;
    }
    let mut curl = Curl::default();
    // The query may contain brackets, which are special to curl, and `/../` must be sent as it is.
    let mut words = vec!["--globoff --path-as-is --silent --show-error --include".to_owned()];
    words.push(match method {
        "HEAD" => "--head".to_owned(),
        _ => format!("--request {}", quoted(method)),
    });
    let path = escaped_path(&request.path);
    if path.starts_with('/') {
        words.push(format!("--url {}", quoted(&format!("{}{path}", exchange.backend))));
    } else {
        // Something other than a path, such as `*`, could change the host when appended to it.
        words.push(format!("--request-target {}", quoted(&path)));
        words.push(format!("--url {}", quoted(&format!("{}/", exchange.backend))));
    }
    headers(exchange, &mut words, &mut curl.notes);
    let before = body(exchange, &mut words, &mut curl.notes);
    curl.command = format!("{before}curl {}", words.join(" \\\n  "));
    Some(curl)
}

fn headers(exchange: &Exchange, words: &mut Vec<String>, notes: &mut Vec<&'static str>) {
    let mut odd = false;
    let authority = exchange.backend.split_once("://").map_or("", |(_, authority)| authority);
    let mut has_type = false;
    for (name, value) in exchange.request.headers.iter() {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if OWN.iter().any(|own| is(own)) || (is(b"host") && value.eq_ignore_ascii_case(authority.as_bytes()))
        {
            continue;
        }
        has_type |= is(b"content-type");
        let text = std::str::from_utf8(value).ok().filter(|value| value.chars().all(is_plain));
        match text.filter(|_| is_token(name)) {
            // curl leaves out a header without a value, unless it is written like this.
            Some("") => {
                words.push(format!("--header {}", quoted(&format!("{};", String::from_utf8_lossy(name)))))
            }
            Some(value) => {
                let line = format!("{}: {value}", String::from_utf8_lossy(name));
                words.push(format!("--header {}", quoted(&line)));
            }
            None => odd = true,
        }
    }
    if odd {
        notes.push("Headers that can't be written in a terminal are left out.");
    }
    if !has_type && !exchange.request.body.bytes.is_empty() {
        // Otherwise curl adds the type of a form.
        words.push("--header 'content-type:'".to_owned());
    }
}

/// Adds the body. Returns the command that has to precede `curl`.
fn body(exchange: &Exchange, words: &mut Vec<String>, notes: &mut Vec<&'static str>) -> String {
    let body = &exchange.request.body;
    if body.truncated.is_some() {
        notes.push("The request's body was not recorded whole, and is left out.");
        return String::new();
    }
    match &body.bytes[..] {
        [] => String::new(),
        bytes if bytes.len() > BODY_MAX => {
            notes.push("The request's body is too long for a command line: download it, and replace request-body by its path.");
            words.push("--data-binary @request-body".to_owned());
            String::new()
        }
        bytes => match std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.chars().all(|c| c == '\n' || is_plain(c)))
        {
            Some(text) => {
                words.push(format!("--data-raw {}", quoted(text)));
                String::new()
            }
            None => {
                words.push("--data-binary @-".to_owned());
                let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
                format!("printf %s '{encoded}' | base64 -d | ")
            }
        },
    }
}

/// Quotes one word for a shell (POSIX.1-2017, Shell Command Language, 2.2.2).
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The path, with characters that URLs don't allow as `%XX`.
fn escaped_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path {
        match byte {
            b'!'..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns whether a terminal only prints the character.
fn is_plain(c: char) -> bool {
    !c.is_control() && super::format::visible(c.encode_utf8(&mut [0; 4])).chars().eq([c])
}

/// Returns whether a text is a method or a header's name (RFC 9110, 5.6.2). It can't begin with
/// `@`, which would name a file.
fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::headers::Headers;

    fn exchange(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Exchange {
        let mut exchange = Exchange { backend: "https://api.test".into(), ..Exchange::default() };
        exchange.request.method = method.into();
        exchange.request.path = path.into();
        exchange.request.headers = Headers::from_pairs(headers.iter().copied());
        exchange.request.body.bytes = body.to_vec();
        exchange
    }

    fn command(exchange: &Exchange) -> String {
        let command = curl(exchange).unwrap().command;
        command
            .replace("--globoff --path-as-is --silent --show-error --include \\\n  ", "")
            .replace(" \\\n ", "")
    }

    #[test]
    fn request_is_written_as_a_command() {
        let check = |exchange: Exchange, expect: &str| assert_eq!(command(&exchange), expect);
        check(exchange("GET", "/a?b=[1]", &[], b""), "curl --request 'GET' --url 'https://api.test/a?b=[1]'");
        check(
            exchange("HEAD", "/", &[("host", "API.test"), ("x", "")], b""),
            "curl --head --url 'https://api.test/' --header 'x;'",
        );
        check(
            exchange("POST", "/", &[("content-type", "text/plain"), ("content-length", "3")], b"it's\n$(x)"),
            "curl --request 'POST' --url 'https://api.test/' --header 'content-type: text/plain' --data-raw 'it'\\''s\n$(x)'",
        );
        check(
            exchange("OPTIONS", "*", &[], b""),
            "curl --request 'OPTIONS' --request-target '*' --url 'https://api.test/'",
        );
        check(
            exchange("PUT", "/", &[], b"\x1b[201~rm"),
            "printf %s 'G1syMDF+cm0=' | base64 -d | curl --request 'PUT' --url 'https://api.test/' --header 'content-type:' --data-binary @-",
        );
    }

    #[test]
    fn hostile_request_gives_a_harmless_command() {
        let at = exchange("GET", "@evil.test/", &[("@/etc/passwd", ""), ("x", "a\x1b[201~b")], b"");
        assert_eq!(
            command(&at),
            "curl --request 'GET' --request-target '@evil.test/' --url 'https://api.test/'"
        );
        assert_eq!(curl(&at).unwrap().notes.len(), 1);
        let check = |backend: &str, method: &str, expect: bool| {
            let exchange = Exchange { backend: backend.into(), ..exchange(method, "/", &[], b"") };
            assert_eq!(curl(&exchange).is_some(), expect, "{backend} {method}");
        };
        check("http://[::1]:8080", "GET", true);
        check("file:///etc/passwd", "GET", false);
        check("ftp://h", "GET", false);
        check("https://a@b", "GET", false);
        check("https://a b", "GET", false);
        check("https://a'$(x)", "GET", false);
        check("https://a", "G'T", true);
        check("https://a", "G T", false);
        check("https://a", "", false);
    }
}
