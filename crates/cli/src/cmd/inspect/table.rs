//! The table of backends: one line each if the terminal is wide enough, several lines otherwise.

use super::mode;
use crate::say;
use std::fmt::Write as _;
use std::path::Path;
use understudy_analyse::service_map::cut;
use understudy_analyse::summary::{BackendSummary, Summary, Way};
use understudy_core::config::{Mode, OnMiss};

/// Columns before the technologies: heading, and whether they are numbers.
const COLUMNS: [(&str, bool); 11] = [
    ("mode", false),
    ("direction", false),
    ("protocol", false),
    ("host", false),
    ("port", true),
    ("requests", true),
    ("answerable", true),
    ("signatures", true),
    ("p50", true),
    ("p95", true),
    ("errors", true),
];
/// Index of the column with the number of exchanges that can be served.
const ANSWERABLE: usize = 6;
/// Maximum width of a host.
const HOST_MAX: usize = 48;

/// Facts about all backends.
pub(super) fn head(path: &Path, summary: &Summary) -> String {
    let backends = || summary.backends.iter().filter(|backend| backend.direction == Way::Outbound);
    let exchanges: u64 = backends().map(|backend| backend.exchanges).sum();
    let called = match summary.exchanges - exchanges {
        0 => String::new(),
        requests => format!("{} and ", say::count(requests, "inbound request")),
    };
    let mut out = format!(
        "{}: {}, {called}{} with {}, recorded {}, on a miss: {}\n",
        path.display(),
        summary.name.escape_debug(),
        say::count(exchanges, "exchange"),
        say::count(backends().count() as u64, "backend"),
        summary.recorded,
        match summary.on_miss {
            OnMiss::Fail => "fail",
            OnMiss::Passthrough => "passthrough",
            OnMiss::Capture => "capture",
        }
    );
    if exchanges > backends().map(|backend| backend.answerable).sum() {
        out.push_str(
            "some exchanges can't be served as answers: `understudy lint` lists them with reasons\n",
        );
    }
    out
}

/// The backends, for a terminal of this width; `None`: any width.
pub(super) fn write(summary: &Summary, width: Option<usize>, verbose: bool) -> String {
    let rows: Vec<[String; 11]> = summary.backends.iter().map(cells).collect();
    // The column is left out if all exchanges can be served.
    let all = summary.backends.iter().all(|b| b.direction == Way::Inbound || b.answerable == b.exchanges);
    let widths: [usize; 11] = std::array::from_fn(|column| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        if all && column == ANSWERABLE { 0 } else { longest.max(COLUMNS[column].0.len()) }
    });
    let line = widths.iter().filter(|width| **width > 0).map(|width| width + 2).sum::<usize>() - 2;
    let named = summary.backends.iter().map(|backend| technologies(backend).chars().count()).max();
    let longest = line + 2 + named.unwrap_or(0).max("technology".len());
    let mut out = String::new();
    if width.is_some_and(|width| line > width) {
        for (backend, row) in summary.backends.iter().zip(&rows) {
            folded(backend, row, width.unwrap_or(line), &mut out);
            details(backend, verbose, &mut out);
        }
        return out;
    }
    // The technologies follow on the line, or on the next one if it is full.
    let below = width.is_some_and(|width| longest > width);
    let headings = COLUMNS.map(|(heading, _)| heading.to_owned());
    let last = if below { "" } else { "  technology" };
    let _ = writeln!(out, "{}{last}", columns(&headings, &widths).trim_end());
    for (backend, row) in summary.backends.iter().zip(&rows) {
        let technologies = technologies(backend);
        if below {
            let _ = writeln!(out, "{}", columns(row, &widths).trim_end());
            let _ = writeln!(out, "{}", wrapped(&technologies, 10, width.unwrap_or(longest)));
        } else {
            let _ = writeln!(out, "{}  {technologies}", columns(row, &widths));
        }
        details(backend, verbose, &mut out);
    }
    out
}

fn cells(backend: &BackendSummary) -> [String; 11] {
    let protocols: Vec<String> = backend.protocols.iter().map(|p| p.escape_debug().to_string()).collect();
    [
        match backend.mode {
            Some(Mode::Mock) => "☑ mock".to_owned(),
            Some(other) => format!("☐ {}", mode(other)),
            None => String::new(),
        },
        match backend.direction {
            Way::Inbound => "inbound".to_owned(),
            Way::Outbound => "outbound".to_owned(),
        },
        if protocols.is_empty() { "-".to_owned() } else { protocols.join(",") },
        cut(&backend.host.escape_debug().to_string(), HOST_MAX),
        if backend.port == 0 { "-".to_owned() } else { backend.port.to_string() },
        backend.exchanges.to_string(),
        backend.answerable.to_string(),
        backend.signatures.to_string(),
        duration(backend.p50_us),
        duration(backend.p95_us),
        backend.errors.to_string(),
    ]
}

fn columns(cells: &[String; 11], widths: &[usize; 11]) -> String {
    let wanted = cells.iter().zip(widths).zip(COLUMNS).filter(|((_, width), _)| **width > 0);
    let shown = wanted.map(
        |((cell, width), (_, is_number))| {
            if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        },
    );
    shown.collect::<Vec<_>>().join("  ")
}

/// A backend on several short lines.
fn folded(backend: &BackendSummary, cells: &[String; 11], width: usize, out: &mut String) {
    let [mode, direction, protocol, host, port, requests, answerable, signatures, p50, p95, errors] = cells;
    let head = if mode.is_empty() { direction } else { mode };
    let address = cut(&format!("{host}:{port}"), width.saturating_sub(head.chars().count() + 2).max(12));
    let _ = writeln!(out, "{head}  {address}");
    let told = [
        format!("{direction} {protocol}"),
        format!("{requests} requests"),
        format!("{answerable} answerable"),
        format!("{signatures} signatures"),
        format!("p50 {p50}"),
        format!("p95 {p95}"),
        format!("{errors} errors"),
    ];
    let _ = writeln!(out, "{}", wrapped(&told.join(", "), 4, width));
    let _ = writeln!(out, "{}", wrapped(&technologies(backend), 4, width));
}

fn technologies(backend: &BackendSummary) -> String {
    let names: Vec<_> = backend.technologies.iter().map(|technology| technology.name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// A list on indented lines.
fn wrapped(list: &str, indent: usize, width: usize) -> String {
    let (margin, mut out, mut column) = (" ".repeat(indent), String::new(), 0);
    for item in list.split(", ") {
        let length = item.chars().count();
        if column == 0 {
            out.push_str(&margin);
            column = indent;
        } else if column + 3 + length > width {
            let _ = write!(out, ",\n{margin}");
            column = indent;
        } else {
            out.push_str(", ");
            column += 2;
        }
        out.push_str(item);
        column += length;
    }
    out
}

/// Further facts, with `--verbose`.
fn details(backend: &BackendSummary, verbose: bool, out: &mut String) {
    if !verbose {
        return;
    }
    let mut statuses: Vec<_> =
        backend.statuses.iter().map(|(status, count)| format!("{status}×{count}")).collect();
    statuses.extend(
        backend.grpc_statuses.iter().map(|(status, count)| format!("grpc {}×{count}", status.escape_debug())),
    );
    let _ = writeln!(
        out,
        "    {} ({}), {} sent, {} received",
        backend.name.escape_debug(),
        statuses.join(" "),
        size(backend.request_bytes),
        size(backend.response_bytes)
    );
    for top in &backend.top {
        let _ = writeln!(out, "    {:>9} {}", top.exchanges, top.request.escape_debug());
    }
    for technology in &backend.technologies {
        let _ = writeln!(out, "    {}: {}", technology.name, technology.evidence.join("; "));
    }
}

fn duration(us: u64) -> String {
    if us < 10_000_000 {
        format!("{}.{} ms", us / 1000, us % 1000 / 100)
    } else {
        format!("{} s", us / 1_000_000)
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
