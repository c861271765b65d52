//! The service map as text: a tree of lines that fit a terminal's width, or are short where it has little.

use super::model::{Mocked, Row, ServiceMap, cut, percent};
use std::fmt::Write;

/// Of a group so many addresses are named.
const NAMED: usize = 3;
/// The bar of all requests has so many blocks.
const BAR: usize = 20;
/// No column of addresses is wider than this.
const ADDRESS_MAX: usize = 60;
/// Where there is less room than this, and the addresses need more, they get lines of their own.
const ADDRESS_FOLD: usize = 32;
/// An address isn't cut to less than this.
const ADDRESS_MIN: usize = 12;
/// `100 %`.
const SHARE: usize = 5;

/// The cells of a row.
struct Line {
    mark: &'static str,
    technology: String,
    address: String,
    requests: String,
    share: String,
    bar: String,
    failed: String,
}

/// How wide the columns are.
struct Widths {
    technology: usize,
    /// 0: there is no room for a whole address beside the rest, and each has a line of its own.
    address: usize,
    requests: usize,
    /// 0: there is no room for bars, or there are none.
    bar: usize,
}

pub(super) fn write(map: &ServiceMap, width: usize) -> String {
    let mut out = head(map, width);
    let lines: Vec<Line> = map.rows.iter().map(line).collect();
    let widths = Widths::of(&lines, width);
    for (at, (line, row)) in lines.iter().zip(&map.rows).enumerate() {
        let is_last = at + 1 == lines.len();
        let (branch, stem) = if is_last { ("  └─▶ ", "     ") } else { ("  ├─▶ ", "  │  ") };
        let _ = writeln!(out, "{branch}{}", widths.show(line));
        if widths.address == 0 {
            let _ =
                writeln!(out, "{stem}   {}", cut(&line.address, width.saturating_sub(8).max(ADDRESS_MIN)));
        }
        members(row, stem, width, &mut out);
    }
    out
}

impl Widths {
    fn of(lines: &[Line], width: usize) -> Self {
        let longest =
            |cell: fn(&Line) -> &str| lines.iter().map(|line| cell(line).chars().count()).max().unwrap_or(0);
        let (technology, requests) =
            (longest(|line| &line.technology).min(24), longest(|line| &line.requests));
        let (bar, failed) = (longest(|line| &line.bar), longest(|line| &line.failed));
        // Branch, mark, share, and two spaces between each.
        let fixed = 6 + 2 + technology + 2 + requests + 2 + SHARE + if failed > 0 { 2 + failed } else { 0 };
        let address = longest(|line| &line.address).min(ADDRESS_MAX);
        let room = width.saturating_sub(fixed + 2);
        let address = if room >= address.min(ADDRESS_FOLD) { address.min(room) } else { 0 };
        let taken = fixed + if address > 0 { 2 + address } else { 0 };
        let bar = if taken + 2 + bar <= width { bar } else { 0 };
        Self { technology, address, requests, bar }
    }

    fn show(&self, line: &Line) -> String {
        let Self { technology, address, requests, bar } = *self;
        let mut out = format!("{} {:<technology$}", line.mark, cut(&line.technology, technology));
        if address > 0 {
            let _ = write!(out, "  {:<address$}", cut(&line.address, address));
        }
        let _ = write!(out, "  {:>requests$}  {:>SHARE$}", line.requests, line.share);
        if bar > 0 {
            let _ = write!(out, "  {:<bar$}", line.bar);
        }
        if !line.failed.is_empty() {
            let _ = write!(out, "  {}", line.failed);
        }
        out.trim_end().to_owned()
    }
}

fn head(map: &ServiceMap, width: usize) -> String {
    let mut out = String::new();
    for incoming in &map.incoming {
        let tls = if incoming.tls { " tls" } else { "" };
        let _ = writeln!(
            out,
            "*:{} ({}){tls} ─▶ {}",
            incoming.port,
            incoming.requests,
            cut(&map.service, width.max(20) / 2)
        );
    }
    if map.incoming.is_empty() {
        let _ = writeln!(out, "{}", cut(&map.service, width.max(20)));
    }
    if !map.traced_by.is_empty() {
        let _ = writeln!(out, "  │  traced by {}", map.traced_by.join(", "));
    }
    out
}

fn line(row: &Row) -> Line {
    let (technology, address) = match row {
        Row::One(node) => (node.technology.to_owned(), format!("{}{}", node.address(), tls(node.tls))),
        Row::Many { title, nodes, .. } => (title.clone(), format!("{} backends", nodes.len())),
    };
    Line {
        mark: match row.mocked() {
            Mocked::All => "☑",
            Mocked::Some => "◪",
            Mocked::None => "☐",
        },
        technology,
        address,
        requests: row.requests().to_string(),
        share: percent(row.share()),
        bar: "█".repeat((row.share() * BAR as f64).round() as usize),
        failed: if row.errors() > 0 { format!("{} failed", row.errors()) } else { String::new() },
    }
}

fn tls(tls: bool) -> &'static str {
    if tls { " tls" } else { "" }
}

/// The backends of a group, below it.
fn members(row: &Row, stem: &str, width: usize, out: &mut String) {
    let Row::Many { nodes, .. } = row else { return };
    let room = width.saturating_sub(14).max(ADDRESS_MIN);
    for node in nodes.iter().take(NAMED) {
        let _ = writeln!(out, "{stem}     {}", cut(&format!("{}{}", node.address(), tls(node.tls)), room));
    }
    if nodes.len() > NAMED {
        let _ = writeln!(out, "{stem}     and {} more", nodes.len() - NAMED);
    }
}
