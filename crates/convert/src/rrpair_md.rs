//! RRPairs as Markdown, one a file: sections for people, and one line of JSON that they override.
//!
//! ```text
//! ### REQUEST ###    ### RESPONSE ###    ### SIGNATURE ###    ### METADATA ###    ### INTERNAL - DO NOT MODIFY ###
//! ```
//!
//! Each section has fenced blocks: of a message the first has its first line and headers, the second its body.

use crate::error::ConvertError;
use crate::import::Import;
use crate::note::Notes;
use crate::rrpair_json::{self, Pair, Pairs, Req, Res};
use crate::{files, rrpair_out, text};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::headers::Headers;
use understudy_core::{backend, time};
use understudy_snapshot::Snapshot;
use understudy_snapshot::SnapshotError;

const FENCE: &str = "```";
const SECTIONS: [&str; 5] =
    ["### REQUEST ###", "### RESPONSE ###", "### SIGNATURE ###", "### METADATA ###", "### INTERNAL"];

/// The lines of a section, and the number of the first one.
struct Section<'a> {
    line: u64,
    lines: Vec<&'a str>,
}

/// Reads a file. One that isn't an RRPair is said and passed over: folders have other Markdown in them.
pub(super) fn import(path: &Path, pairs: &mut Pairs, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let content = files::text(path)?;
    let content = content.replace("\r\n", "\n");
    let [request, response, _, metadata, internal] = sections(&content);
    let Some(request) = request else {
        import
            .notes
            .left_out(path.display().to_string(), "it is no RRPair: it doesn't begin with ### REQUEST ###");
        return Ok(());
    };
    let at = |line: u64| move |problem: String| ConvertError::Input { path: path.to_owned(), line, problem };
    let mut pair = match internal.as_ref().and_then(json) {
        Some((line, json)) => {
            serde_json::from_str(json).map_err(|error| at(line)(rrpair_json::not_a_pair(&error)))?
        }
        None => Pair::default(),
    };
    let req = pair.http.req.get_or_insert_default();
    let line = request.line;
    read_request(&request, req).map_err(|(offset, problem)| at(line + offset)(problem))?;
    if let Some(section) = response {
        let res = pair.http.res.get_or_insert_default();
        let line = section.line;
        read_response(&section, res).map_err(|(offset, problem)| at(line + offset)(problem))?;
    }
    if let Some(section) = metadata {
        let line = section.line;
        read_metadata(&section, &mut pair).map_err(|(offset, problem)| at(line + offset)(problem))?;
    }
    pairs.put(path, 1, pair, import)
}

/// The sections, as far as they are there. A heading counts where a block has just ended: a body may have lines that look like one.
fn sections(content: &str) -> [Option<Section<'_>>; 5] {
    let lines: Vec<_> = content.split('\n').collect();
    let mut starts = Vec::new();
    let mut before = FENCE;
    for (at, line) in lines.iter().enumerate() {
        let line = line.trim_end();
        let next = starts.last().map_or(0, |(section, _)| section + 1);
        let found = SECTIONS.iter().skip(next).position(|heading| line.starts_with(heading));
        match found {
            Some(skipped) if before == FENCE && (next > 0 || skipped == 0) => {
                starts.push((next + skipped, at))
            }
            None if next == 0 && !line.is_empty() => break,
            _ => {}
        }
        if !line.is_empty() {
            before = line;
        }
    }
    let mut out = [const { None }; 5];
    for (number, (section, start)) in starts.iter().enumerate() {
        let end = starts.get(number + 1).map_or(lines.len(), |(_, at)| *at);
        let lines = lines.get(start + 1..end).unwrap_or_default().to_vec();
        if let Some(place) = out.get_mut(*section) {
            *place = Some(Section { line: *start as u64 + 2, lines });
        }
    }
    out
}

impl<'a> Section<'a> {
    /// The lines of the first block, and the offset of its first one.
    fn head(&self) -> (usize, &[&'a str]) {
        let is_fence = |line: &&str| line.trim_end() == FENCE;
        let start = self.lines.iter().position(is_fence).map_or(self.lines.len(), |at| at + 1);
        let rest = self.lines.get(start..).unwrap_or_default();
        let end = rest.iter().position(is_fence).unwrap_or(rest.len());
        (start, rest.get(..end).unwrap_or_default())
    }

    /// The text of the second block: up to the last fence of the section. `None`: there is none.
    fn body(&self) -> Option<String> {
        let (start, head) = self.head();
        let rest = self.lines.get(start + head.len() + 1..)?;
        let is_fence = |line: &&str| line.trim_end() == FENCE;
        let (first, last) = (rest.iter().position(is_fence)?, rest.iter().rposition(is_fence)?);
        Some(rest.get(first + 1..last)?.join("\n"))
    }
}

type Placed<T> = Result<T, (u64, String)>;

fn read_request(section: &Section<'_>, req: &mut Req<'_>) -> Placed<()> {
    let (start, head) = section.head();
    let problem = || (start as u64, "the request has no first line: METHOD URL HTTP/1.1".to_owned());
    let line = head.first().ok_or_else(problem)?.trim_end();
    let (method, rest) = line.split_once(' ').ok_or_else(problem)?;
    let (url, version) = rest.rsplit_once(" HTTP/").unwrap_or((rest, "1.1"));
    if !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') || method.is_empty() {
        return Err(problem());
    }
    let url = text::split_url(url).map_err(|problem| (start as u64, problem))?;
    (req.method, req.version, req.shown_url) = (method.to_owned(), version.to_owned(), Some(url));
    req.headers = headers(start, head)?;
    req.shown_body = section.body().map(String::into_bytes);
    Ok(())
}

fn read_response(section: &Section<'_>, res: &mut Res<'_>) -> Placed<()> {
    let (start, head) = section.head();
    let status = head.first().and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u16>().ok());
    let problem = || (start as u64, "the response has no first line: HTTP/1.1 200 OK".to_owned());
    res.status = f64::from(status.ok_or_else(problem)?);
    res.headers = headers(start, head)?;
    res.shown_body = section.body().map(String::into_bytes);
    Ok(())
}

/// The headers under a message's first line. Several values of one name stand behind `, `; a comma of a value's own is `\,`.
fn headers(start: usize, head: &[&str]) -> Placed<BTreeMap<String, Vec<String>>> {
    let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, line) in head.iter().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| {
            (
                (start + at) as u64,
                format!("{line:.80?} is no header: write Name: value, and the body in a block of its own"),
            )
        })?;
        map.entry(name.trim().to_owned()).or_default().extend(split_values(value.trim()));
    }
    Ok(map)
}

fn split_values(text: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ (',' | '\\'))) => {
                chars.next();
                push(&mut values, next);
            }
            (',', Some(' ')) => {
                chars.next();
                values.push(String::new());
            }
            _ => push(&mut values, c),
        }
    }
    values
}

fn push(values: &mut [String], c: char) {
    if let Some(last) = values.last_mut() {
        last.push(c);
    }
}

fn read_metadata(section: &Section<'_>, pair: &mut Pair<'_>) -> Placed<()> {
    let (start, lines) = section.head();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key.trim() {
            "direction" => pair.direction = Some(value.to_owned()),
            "uuid" => pair.uuid = Some(value.to_owned()),
            "ts" => pair.ts = Some(value.to_owned()),
            "duration" => {
                let problem =
                    || ((start + at) as u64, format!("the duration {value:.40?} is none: write 21ms"));
                pair.duration = duration_ms(value).ok_or_else(problem)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Milliseconds from a duration as Go writes it: `21ms`, `1.5s`, `1m2s`.
fn duration_ms(value: &str) -> Option<f64> {
    let (mut rest, mut sum) = (value, 0.0);
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|&at| at > 0)?;
        let (number, after) = rest.split_at_checked(unit)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        let factor = match unit {
            "ns" => 1e-6,
            "us" | "µs" | "μs" => 1e-3,
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * factor;
        rest = next;
    }
    Some(sum)
}

fn json<'a>(section: &Section<'a>) -> Option<(u64, &'a str)> {
    let (start, lines) = section.head();
    let found = lines.iter().enumerate().find_map(|(at, line)| Some((at, line.strip_prefix("json:")?)));
    found.map(|(at, json)| (section.line + (start + at) as u64, json.trim()))
}

/// Writes the exchanges of a snapshot, one a file, in a folder for each host.
pub(super) fn export(snapshot: &Snapshot, folder: &Path, notes: &mut Notes) -> Result<u64, ConvertError> {
    let mut names = HashSet::new();
    let mut count = 0;
    for located in snapshot.exchanges()? {
        let exchange = located?.exchange;
        if !rrpair_out::is_whole(&exchange, notes) {
            continue;
        }
        let response = exchange.response.as_ref();
        let all = exchange.request.headers.iter().chain(response.iter().flat_map(|r| r.headers.iter()));
        let broken = |(name, value): (&[u8], &[u8])| [name, value].iter().any(|part| part.contains(&b'\n'));
        if all.into_iter().any(broken) || exchange.request.path.contains(&b'\n') {
            notes.left_out(format!("#{}", exchange.id), "a header or its path has a line break");
            continue;
        }
        let host = backend::parts(&exchange.backend).map_or("unknown", |(_, host, _)| host);
        let place = folder.join(text::file_name(host));
        fs::create_dir_all(&place).map_err(SnapshotError::io("make the folder", &place))?;
        let name = time::to_rfc3339(exchange.time).replace('T', "_").replace(':', "-");
        let mut file = place.join(format!("{name}.md"));
        let mut number = 1;
        while !names.insert(file.clone()) {
            number += 1;
            file = place.join(format!("{name}-{number:06}.md"));
        }
        let content = markdown(snapshot, &exchange, notes);
        fs::write(&file, content).map_err(SnapshotError::io("write", &file))?;
        count += 1;
    }
    Ok(count)
}

fn markdown(snapshot: &Snapshot, exchange: &Exchange, notes: &mut Notes) -> Vec<u8> {
    let mut internal = Vec::new();
    rrpair_out::write(snapshot, exchange, notes, &mut internal);
    let request = &exchange.request;
    let (scheme, host, port) = backend::parts(&exchange.backend).unwrap_or(("http", &exchange.backend, 80));
    let protocol = if exchange.protocol == "HTTP/2" { "HTTP/2.0" } else { &exchange.protocol };
    let path = String::from_utf8_lossy(&request.path);
    let method = String::from_utf8_lossy(&request.method);
    let mut out = format!("### REQUEST ###\n{FENCE}\n{method} {scheme}://{host}:{port}{path} {protocol}\n");
    message(&request.headers, &request.body.bytes, &mut out);
    if let Some(response) = &exchange.response {
        let (status, reason) = (response.status, text::reason(response.status));
        let _ = writeln!(
            out,
            "### RESPONSE ###\n{FENCE}\n{}",
            format!("{protocol} {status} {reason}").trim_end()
        );
        message(&response.headers, &response.body.bytes, &mut out);
    }
    let _ = writeln!(out, "### SIGNATURE ###\n{FENCE}");
    for (key, value) in rrpair_out::signature(exchange) {
        let _ =
            writeln!(out, "{key} is {}", if value.is_empty() { "-NONE-" } else { &value }.replace('\n', " "));
    }
    let direction = if exchange.direction == Direction::Outbound { "OUT" } else { "IN" };
    let uuid = text::uuid_text(&rrpair_out::uuid_of(exchange));
    let (ts, ms) = (time::to_rfc3339(exchange.time), (exchange.duration + 500) / 1000);
    let _ = writeln!(
        out,
        "{FENCE}\n\n### METADATA ###\n{FENCE}\ndirection: {direction}\nuuid: {uuid}\nts: {ts}\nduration: {ms}ms\ntags:\n{FENCE}\n"
    );
    let _ = write!(out, "### INTERNAL - DO NOT MODIFY ###\n{FENCE}\njson: ");
    let mut out = out.into_bytes();
    out.append(&mut internal);
    out.extend_from_slice(format!("\n{FENCE}\n").as_bytes());
    out
}

/// Appends headers and body, and closes both blocks.
fn message(headers: &Headers, body: &[u8], out: &mut String) {
    let mut ignored = Notes::default();
    for (name, values) in rrpair_out::header_map(headers, "", &mut ignored) {
        let escaped: Vec<_> = values.iter().map(|v| v.replace('\\', "\\\\").replace(',', "\\,")).collect();
        if name != "Content-Length" {
            let _ = writeln!(out, "{name}: {}", escaped.join(", "));
        }
    }
    let _ = writeln!(out, "{FENCE}\n\n{FENCE}");
    let pretty = text::pretty(body).and_then(|pretty| String::from_utf8(pretty).ok());
    // What can't be shown stands in the line of JSON alone.
    let shown =
        pretty.or_else(|| std::str::from_utf8(body).ok().filter(|text| is_showable(text)).map(str::to_owned));
    if let Some(text) = shown.filter(|text| !text.is_empty()) {
        out.push_str(&text);
        out.push('\n');
    }
    let _ = writeln!(out, "{FENCE}\n");
}

/// Whether a body as text can't be taken for the end of its block.
fn is_showable(text: &str) -> bool {
    !text.contains('\r') && !text.lines().any(|line| line.starts_with(FENCE) || line.starts_with("### "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_durations() {
        assert_eq!(split_values("a, b\\, c\\\\, d,e"), ["a", "b, c\\", "d,e"]);
        let check = |text: &str, expect: Option<f64>| assert_eq!(duration_ms(text), expect, "{text}");
        check("21ms", Some(21.0));
        check("1m2.5s", Some(62_500.0));
        check("0s", Some(0.0));
        check("", Some(0.0));
        for bad in ["x", "5", "5 days", "ms"] {
            check(bad, None);
        }
    }
}
