//! Searches exchanges for a text: in path, headers and bodies, decompressed if needed. The case of
//! letters doesn't matter. Reads the file line by line, and stops after a time limit.

use super::row::Row;
use memchr::memmem::Finder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};
use understudy_core::encoding;
use understudy_core::exchange::{Body, Exchange};
use understudy_core::headers::Headers;
use understudy_core::v1;
use understudy_snapshot::LINE_MAX;

/// The maximum size in bytes to which a body is decompressed.
const DECODED_MAX: usize = 8 << 20;

/// A text to search for.
pub(crate) struct Needle {
    finder: Finder<'static>,
    /// True if JSON doesn't escape the text, so that a line without it needn't be parsed.
    plain: bool,
}

/// The result of a search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SearchResult {
    /// The matching rows, by their place in the list.
    pub(crate) at: Vec<usize>,
    /// The number of searched rows.
    pub(crate) searched: usize,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let plain = text.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'"' && b != b'\\');
        Self { finder: Finder::new(text.as_bytes()).into_owned(), plain }
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.finder.find(&bytes.to_ascii_lowercase()).is_some()
    }

    fn is_in_headers(&self, headers: &Headers) -> bool {
        headers.iter().any(|(name, value)| self.is_in(name) || self.is_in(value))
    }

    fn is_in_body(&self, body: &Body, headers: &Headers) -> bool {
        let codings = headers.get(b"content-encoding").unwrap_or_default();
        match encoding::undo(codings, &body.bytes, DECODED_MAX) {
            Some(decoded) => self.is_in(&decoded),
            None => self.is_in(&body.bytes),
        }
    }

    /// Returns whether an exchange contains the text.
    pub(crate) fn is_in_exchange(&self, exchange: &Exchange) -> bool {
        let request = &exchange.request;
        self.is_in(exchange.backend.as_bytes())
            || self.is_in(&request.path)
            || self.is_in_headers(&request.headers)
            || self.is_in_body(&request.body, &request.headers)
            || exchange.response.as_ref().is_some_and(|response| {
                self.is_in_headers(&response.headers)
                    || self.is_in_headers(&response.trailers)
                    || self.is_in_body(&response.body, &response.headers)
            })
    }

    /// Returns whether a line contains the text.
    pub(crate) fn is_in_line(&self, line: &[u8]) -> bool {
        let lower = line.to_ascii_lowercase();
        let may = !self.plain
            || self.finder.find(&lower).is_some()
            || memchr::memmem::find(&lower, b"_base64\"").is_some();
        may && v1::read_record(line.trim_ascii()).is_ok_and(|record| self.is_in_exchange(&record.exchange))
    }

    /// Searches the lines of rows, until `enough` match or the time is over.
    pub(crate) fn search(
        &self,
        path: &Path,
        rows: &[Row],
        enough: usize,
        patience: Duration,
    ) -> io::Result<SearchResult> {
        let began = Instant::now();
        let mut file = BufReader::with_capacity(256 << 10, File::open(path)?);
        let (mut found, mut position, mut line) = (SearchResult::default(), 0u64, Vec::new());
        for (at, row) in rows.iter().enumerate() {
            if found.at.len() == enough || (at > 0 && began.elapsed() > patience) {
                return Ok(found);
            }
            file.seek_relative(row.place.wrapping_sub(position).cast_signed())?;
            line.clear();
            position = row.place + file.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? as u64;
            if self.is_in_line(&line) {
                found.at.push(at);
            }
            found.searched = at + 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::exchange::Response;

    fn exchange() -> Exchange {
        let mut exchange = Exchange { backend: "https://api.test".into(), ..Exchange::default() };
        exchange.request.path = b"/orders?q=Blue".to_vec();
        exchange.request.headers = Headers::from_pairs([("x-one", "Header value")]);
        exchange.request.body.bytes = b"{\"say\":\"\\\"hi\\\" there\"}".to_vec();
        exchange.response = Some(Response {
            body: Body { bytes: b"\xff\x00binary TEXT".to_vec(), truncated: None },
            trailers: Headers::from_pairs([("grpc-message", "trail")]),
            ..Response::default()
        });
        exchange
    }

    #[test]
    fn all_parts_of_an_exchange_are_searched() {
        let mut line = Vec::new();
        v1::write_record(&exchange(), None, &mut line);
        let check = |text: &str, expect| assert_eq!(Needle::new(text).is_in_line(&line), expect, "{text}");
        for text in [
            "blue",
            "header VALUE",
            "x-one",
            "api.test",
            "binary text",
            "trail",
            "\\\"hi",
            "hi\\\" there",
            "say\":",
        ] {
            check(text, true);
        }
        // Text that is in the line, but not in the exchange.
        for text in ["direction", "duration_us", "nowhere", "body_base64"] {
            check(text, false);
        }
    }

    #[test]
    fn search_stops_at_enough_hits_or_the_time_limit() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("x");
        let mut line = Vec::new();
        v1::write_record(&exchange(), None, &mut line);
        std::fs::write(&path, line.repeat(3)).unwrap();
        let row = |n: u64| {
            let mut row = Row::of(&exchange(), (n * line.len() as u64, n + 1), 0, 0);
            row.time = n;
            row
        };
        let rows = [row(2), row(0), row(1)];
        let search =
            |text: &str, enough, patience| Needle::new(text).search(&path, &rows, enough, patience).unwrap();
        let long = Duration::from_secs(60);
        assert_eq!(search("blue", 9, long), SearchResult { at: vec![0, 1, 2], searched: 3 });
        assert_eq!(search("red", 9, long), SearchResult { at: vec![], searched: 3 });
        assert_eq!(search("blue", 2, long), SearchResult { at: vec![0, 1], searched: 2 });
        assert_eq!(search("blue", 9, Duration::ZERO).searched, 1, "it goes on at least by one");
    }
}
