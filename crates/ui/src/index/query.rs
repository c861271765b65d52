//! The filter and the order of a list of exchanges. The search for text is in `search.rs`, because
//! it reads the file.

use super::content::IndexContent;
use super::row::{Row, RowDirection};
use crate::form::{Form, query};
use std::cmp::Reverse;

/// The fields of a list's address. An empty text doesn't filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) backend: String,
    pub(crate) operation: String,
    pub(crate) status: StatusFilter,
    pub(crate) way: Option<RowDirection>,
    pub(crate) text: String,
    pub(crate) sort: Sort,
    /// The page, counted from 1.
    pub(crate) page: usize,
    /// The number of rows already searched, where the search for a text continues.
    pub(crate) after: usize,
}

/// A filter by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StatusFilter {
    #[default]
    Any,
    /// No response, a status of 400 or above, or an early end.
    Failed,
    NoResponse,
    /// A class of statuses: 2 is 200 to 299.
    Class(u16),
    Exactly(u16),
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Oldest,
    Newest,
    Slowest,
    Fastest,
    Largest,
    Status,
}

impl Sort {
    /// All orders, with their names in addresses and on pages.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Oldest, "oldest", "Oldest first"),
        (Self::Newest, "newest", "Newest first"),
        (Self::Slowest, "slowest", "Slowest first"),
        (Self::Fastest, "fastest", "Fastest first"),
        (Self::Largest, "largest", "Largest first"),
        (Self::Status, "status", "By status, highest first"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(sort, ..)| *sort == self).map_or("", |(_, name, _)| name)
    }
}

impl StatusFilter {
    /// Parses `404`, `4xx`, `failed` or `none`. Any other text doesn't filter.
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "failed" => Self::Failed,
            "none" => Self::NoResponse,
            _ => match text.strip_suffix("xx") {
                Some(class) => class.parse().map_or(Self::Any, Self::Class),
                None => text.parse().map_or(Self::Any, Self::Exactly),
            },
        }
    }

    pub(crate) fn text(self) -> String {
        match self {
            Self::Any => String::new(),
            Self::Failed => "failed".into(),
            Self::NoResponse => "none".into(),
            Self::Class(class) => format!("{class}xx"),
            Self::Exactly(status) => status.to_string(),
        }
    }

    fn takes(self, row: &Row) -> bool {
        match self {
            Self::Any => true,
            Self::Failed => row.failed(),
            Self::NoResponse => row.status == 0,
            Self::Class(class) => row.status != 0 && row.status / 100 == class,
            Self::Exactly(status) => row.status == status,
        }
    }
}

impl Query {
    /// Reads the fields of an address.
    pub(crate) fn read(form: &Form) -> Self {
        let sort = Sort::ALL.iter().find(|(_, name, _)| *name == form.get("sort"));
        Self {
            backend: form.get("backend").to_owned(),
            operation: form.get("operation").to_owned(),
            status: StatusFilter::read(form.get("status")),
            way: match form.get("direction") {
                "outbound" => Some(RowDirection::Outbound),
                "inbound" => Some(RowDirection::Inbound),
                _ => None,
            },
            text: form.get("text").to_owned(),
            sort: sort.map_or(Sort::default(), |(sort, ..)| *sort),
            page: form.get("page").parse().unwrap_or(1).max(1),
            after: form.get("after").parse().unwrap_or(0),
        }
    }

    pub(crate) fn direction(&self) -> &'static str {
        match self.way {
            None => "",
            Some(RowDirection::Outbound) => "outbound",
            Some(RowDirection::Inbound) => "inbound",
        }
    }

    /// The fields of the address of another page.
    pub(crate) fn at_page(&self, page: usize) -> String {
        self.at(page, 0)
    }

    /// The fields of the address at which the search for a text continues.
    pub(crate) fn after(&self, after: usize) -> String {
        self.at(1, after)
    }

    fn at(&self, page: usize, after: usize) -> String {
        let page = if page > 1 { page.to_string() } else { String::new() };
        let after = if after > 0 { after.to_string() } else { String::new() };
        let sort = if self.sort == Sort::default() { "" } else { self.sort.name() };
        query([
            ("backend", &*self.backend),
            ("operation", &self.operation),
            ("status", &self.status.text()),
            ("direction", self.direction()),
            ("text", &self.text),
            ("sort", sort),
            ("page", &page),
            ("after", &after),
        ])
    }

    /// Returns whether it filters.
    pub(crate) fn filters(&self) -> bool {
        let Self { backend, operation, text, .. } = self;
        [backend, operation, text].iter().any(|text| !text.is_empty())
            || self.status != StatusFilter::Any
            || self.way.is_some()
    }

    /// The numbers of the selected rows in order. The text filter isn't applied.
    pub(crate) fn rows(&self, known: &IndexContent) -> Vec<u32> {
        let backend = known.backends.find(&self.backend);
        if !self.backend.is_empty() && backend.is_none() {
            return Vec::new();
        }
        let wanted = self.operation.to_lowercase();
        let labels: Vec<bool> = known
            .labels
            .iter()
            .map(|text| wanted.is_empty() || text.to_lowercase().contains(&wanted))
            .collect();
        let takes = |row: &Row| {
            backend.is_none_or(|backend| row.backend == backend)
                && labels.get(row.label as usize).copied().unwrap_or_default()
                && self.way.is_none_or(|way| row.way == way)
                && self.status.takes(row)
        };
        let rows = known.rows.iter().zip(0u32..).filter(|(row, _)| takes(row));
        let mut numbers: Vec<u32> = rows.map(|(_, number)| number).collect();
        self.order(&mut numbers, &known.rows);
        numbers
    }

    fn order(&self, numbers: &mut [u32], rows: &[Row]) {
        let at = |number: &u32| rows[*number as usize];
        match self.sort {
            Sort::Oldest => numbers.sort_by_key(|n| at(n).time),
            Sort::Newest => numbers.sort_by_key(|n| Reverse((at(n).time, *n))),
            Sort::Slowest => numbers.sort_by_key(|n| Reverse(at(n).duration)),
            Sort::Fastest => numbers.sort_by_key(|n| at(n).duration),
            Sort::Largest => numbers.sort_by_key(|n| Reverse(at(n).request_bytes + at(n).response_bytes)),
            Sort::Status => numbers.sort_by_key(|n| Reverse(at(n).status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> IndexContent {
        let mut known = IndexContent::default();
        let row = |time, duration, status, way| Row {
            place: 0,
            line: time,
            time,
            duration,
            request_bytes: 0,
            response_bytes: duration,
            label: 0,
            backend: 0,
            status,
            way,
            whole: true,
        };
        let rows = [
            ("https://a", "GET /x", row(1, 30, 200, RowDirection::Outbound)),
            ("https://a", "Table.PutItem", row(2, 10, 404, RowDirection::Outbound)),
            ("https://b", "GET /x", row(3, 20, 0, RowDirection::Outbound)),
            ("http://me", "GET /health", row(4, 1, 301, RowDirection::Inbound)),
        ];
        for (backend, label, row) in rows {
            let (backend, label) = (known.backends.number(backend), known.labels.number(label));
            known.rows.push(Row { backend, label, ..row });
        }
        known
    }

    #[test]
    fn query_filters_and_orders_rows() {
        let known = known();
        let check = |query: &str, expect: &[u32]| {
            assert_eq!(Query::read(&Form::read(query.as_bytes())).rows(&known), expect, "{query}");
        };
        check("", &[0, 1, 2, 3]);
        check("backend=https://a", &[0, 1]);
        check("backend=https://nobody", &[]);
        check("operation=putitem", &[1]);
        check("operation=get", &[0, 2, 3]);
        check("status=404", &[1]);
        check("status=2xx", &[0]);
        check("status=failed", &[1, 2]);
        check("status=none", &[2]);
        check("status=nonsense", &[0, 1, 2, 3]);
        check("direction=inbound", &[3]);
        check("direction=outbound&operation=GET", &[0, 2]);
        check("sort=newest", &[3, 2, 1, 0]);
        check("sort=slowest", &[0, 2, 1, 3]);
        check("sort=fastest", &[3, 1, 2, 0]);
        check("sort=largest", &[0, 2, 1, 3]);
        check("sort=status", &[1, 3, 0, 2]);
    }

    #[test]
    fn query_written_as_an_address_keeps_its_fields() {
        let check = |text: &str, page, expect: &str| {
            assert_eq!(Query::read(&Form::read(text.as_bytes())).at_page(page), expect);
        };
        check("", 1, "");
        check("page=7&sort=oldest", 1, "");
        let all =
            "backend=https%3A%2F%2Fa&operation=x&status=4xx&direction=inbound&text=t&sort=newest&page=3";
        check(all, 3, all);
    }
}
