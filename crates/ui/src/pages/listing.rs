//! A list of exchanges, of a snapshot or of a running recording.

use crate::index::{IndexContent, Query, Row, RowDirection, Sort, StatusFilter};
use crate::page::Frame;
use crate::show::{clock, count, date_time, duration, size, status_kind, visible};
use askama::Template;

/// The number of exchanges on a page.
pub(crate) const ON_PAGE: usize = 50;
/// The maximum number of backends to choose from. Others are reachable from the summary.
const BACKENDS: usize = 1_000;
/// The maximum number of suggested operations.
const SUGGESTED: usize = 200;

#[derive(Template)]
#[template(path = "traffic.html")]
pub(crate) struct TrafficPage {
    pub(crate) frame: Frame,
    /// The address of the list.
    pub(crate) here: String,
    pub(crate) query: Query,
    pub(crate) backends: Vec<String>,
    pub(crate) operations: Vec<String>,
    pub(crate) rows: Vec<ListedRow>,
    /// The number of exchanges, as text.
    pub(crate) found: String,
    /// Notes for the reader, for example about unreadable lines.
    pub(crate) notes: Vec<String>,
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
    pub(crate) pages: String,
    pub(crate) live: Option<LiveList>,
}

/// The state of a list that follows a running recording.
pub(crate) struct LiveList {
    pub(crate) paused: bool,
    /// The address that pauses or continues.
    pub(crate) toggle: String,
}

/// An exchange in the list.
pub(crate) struct ListedRow {
    pub(crate) href: String,
    pub(crate) line: u64,
    pub(crate) time: String,
    pub(crate) date_time: String,
    pub(crate) inbound: bool,
    pub(crate) label: String,
    pub(crate) backend: String,
    pub(crate) status: u16,
    pub(crate) status_kind: &'static str,
    pub(crate) whole: bool,
    pub(crate) duration: String,
    pub(crate) sent: String,
    pub(crate) received: String,
}

impl TrafficPage {
    /// A list without rows.
    pub(crate) fn new(frame: Frame, here: String, query: Query, known: &IndexContent) -> Self {
        let mut backends: Vec<_> = known.backends.iter().take(BACKENDS).map(str::to_owned).collect();
        // The selected backend is listed even if it isn't in the snapshot.
        if !query.backend.is_empty() && !backends.contains(&query.backend) {
            backends.push(query.backend.clone());
        }
        backends.sort();
        let mut operations: Vec<_> = known.labels.iter().take(SUGGESTED).map(visible).collect();
        operations.sort();
        Self {
            frame,
            here,
            query,
            backends,
            operations,
            rows: Vec::new(),
            found: String::new(),
            notes: Vec::new(),
            previous: None,
            next: None,
            pages: String::new(),
            live: None,
        }
    }

    /// Shows some rows.
    pub(crate) fn show(&mut self, known: &IndexContent, rows: impl Iterator<Item = Row>) {
        self.rows = rows.map(|row| ListedRow::of(&row, known, &self.here)).collect();
    }

    /// Shows the selected page of these rows.
    pub(crate) fn show_page(&mut self, known: &IndexContent, numbers: &[u32]) {
        let pages = numbers.len().div_ceil(ON_PAGE).max(1);
        let page = self.query.page.min(pages);
        let from = (page - 1) * ON_PAGE;
        let on_page = &numbers[from..numbers.len().min(from + ON_PAGE)];
        let at = |page: usize| format!("{}?{}", self.here, self.query.at_page(page));
        self.previous = (page > 1).then(|| at(page - 1));
        self.next = (page < pages).then(|| at(page + 1));
        if pages > 1 {
            self.pages = format!("Page {} of {}", count(page as u64), count(pages as u64));
        }
        let (all, found) = (known.rows.len() as u64, numbers.len() as u64);
        self.found = match found == all {
            true => exchanges(all),
            false => format!("{} of {}", count(found), exchanges(all)),
        };
        let rows: Vec<Row> = on_page.iter().map(|number| known.rows[*number as usize]).collect();
        self.show(known, rows.into_iter());
    }

    pub(crate) fn sorts(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let current = self.query.sort;
        Sort::ALL.into_iter().map(move |(sort, name, text)| (name, text, sort == current))
    }

    pub(crate) fn statuses(&self) -> Vec<(String, String, bool)> {
        let known = [
            (StatusFilter::Any, "Any"),
            (StatusFilter::Class(2), "2xx"),
            (StatusFilter::Class(3), "3xx"),
            (StatusFilter::Class(4), "4xx"),
            (StatusFilter::Class(5), "5xx"),
            (StatusFilter::Failed, "Failed"),
            (StatusFilter::NoResponse, "No response"),
        ];
        let current = self.query.status;
        let mut options: Vec<_> = known
            .into_iter()
            .map(|(status, text)| (status.text(), text.to_owned(), status == current))
            .collect();
        if !options.iter().any(|(.., selected)| *selected) {
            options.push((current.text(), current.text(), true));
        }
        options
    }
}

/// Writes `1 exchange`, `285 exchanges`.
pub(crate) fn exchanges(number: u64) -> String {
    format!("{} {}", count(number), if number == 1 { "exchange" } else { "exchanges" })
}

impl ListedRow {
    fn of(row: &Row, known: &IndexContent, here: &str) -> Self {
        let here = if here == "/live" { "/live/traffic" } else { here };
        Self {
            href: format!("{here}/{}", row.line),
            line: row.line,
            time: clock(row.time),
            date_time: date_time(row.time),
            inbound: row.way == RowDirection::Inbound,
            label: visible(known.labels.text(row.label)),
            backend: visible(known.backends.text(row.backend)),
            status: row.status,
            status_kind: status_kind(row.status),
            whole: row.whole,
            duration: duration(row.duration),
            sent: size(row.request_bytes),
            received: size(row.response_bytes),
        }
    }
}
