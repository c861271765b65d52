//! The service map as a model, and how its parts are shown.

use super::badge::Badge;
use crate::summary::BackendSummary;
use crate::technology;
use understudy_core::config::Mode;

/// Up to so many backends have a place of their own; of more, those that belong together share one.
pub const ROWS_MAX: usize = 12;

/// Who calls a service, and which backends it calls.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceMap {
    /// What the service is called; where nobody said, what the snapshot is.
    pub service: String,
    /// What traces the service, as its requests show.
    pub traced_by: Vec<&'static str>,
    /// Where the service was called, by port.
    pub incoming: Vec<Incoming>,
    /// What it calls, most first.
    pub rows: Vec<Row>,
    /// How many backends it calls.
    pub backends: usize,
    /// How many requests it sent to them.
    pub requests: u64,
}

/// A port at which the service was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The port.
    pub port: u16,
    /// How many requests came.
    pub requests: u64,
    /// Whether by TLS.
    pub tls: bool,
}

/// What has a place of its own at the right.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// One backend.
    One(Node),
    /// Several that belong together: of one technology, below one domain, or all that are left.
    Many {
        /// What they have in common.
        title: String,
        /// How that is marked.
        badge: Badge,
        /// All of them, most requests first.
        nodes: Vec<Node>,
    },
}

/// A backend.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// `scheme://authority`.
    pub name: String,
    /// Its host, fit to be shown.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is called by TLS.
    pub tls: bool,
    /// What says most of it: a service, else a cloud, else a protocol.
    pub technology: &'static str,
    /// How that is marked.
    pub badge: Badge,
    /// How many requests it got.
    pub requests: u64,
    /// Their part in all that the service sent, from 0 to 1.
    pub share: f64,
    /// How many of them failed.
    pub errors: u64,
    /// What is done with it.
    pub mode: Mode,
}

/// Which of several backends are mocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mocked {
    /// Each.
    All,
    /// Some.
    Some,
    /// None.
    None,
}

impl Row {
    /// The backends in it.
    pub fn nodes(&self) -> &[Node] {
        match self {
            Self::One(node) => std::slice::from_ref(node),
            Self::Many { nodes, .. } => nodes,
        }
    }

    /// How many requests they got.
    pub fn requests(&self) -> u64 {
        self.nodes().iter().map(|node| node.requests).sum()
    }

    /// Their part in all requests, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.nodes().iter().map(|node| node.share).sum::<f64>().min(1.0)
    }

    /// How many requests failed.
    pub fn errors(&self) -> u64 {
        self.nodes().iter().map(|node| node.errors).sum()
    }

    /// Which of them are mocked.
    pub fn mocked(&self) -> Mocked {
        match self.nodes().iter().filter(|node| node.mode == Mode::Mock).count() {
            0 => Mocked::None,
            some if some == self.nodes().len() => Mocked::All,
            _ => Mocked::Some,
        }
    }
}

impl Node {
    pub(super) fn new(backend: &BackendSummary) -> Self {
        let technology = technology::main(&backend.technologies).map_or("HTTP", |technology| technology.name);
        Self {
            name: backend.name.clone(),
            host: printable(&backend.host),
            port: backend.port,
            tls: backend.tls,
            technology,
            badge: Badge::of(technology),
            requests: backend.exchanges,
            share: backend.share,
            errors: backend.errors,
            mode: backend.mode.unwrap_or(Mode::Mock),
        }
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        if self.port == 0 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// A part of a whole for a person: whole percents, rounded down, so that nothing looks like more than it is.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if percent <= 0.0 => "0 %".to_owned(),
        _ if percent < 1.0 => "<1 %".to_owned(),
        // 0.29 is 28.999… in binary.
        _ => format!("{} %", (percent + 1e-9).floor()),
    }
}

/// A name without what a terminal or a reader could be deceived with.
pub(crate) fn printable(text: &str) -> String {
    let show = |c: char| -> String {
        if c.is_ascii_graphic() || c == ' ' { c.to_string() } else { c.escape_default().to_string() }
    };
    text.chars().map(show).collect()
}

/// A text cut in its middle to so many characters: of hosts the beginning and the end tell most.
pub fn cut(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let kept = most.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let chars: Vec<char> = text.chars().collect();
    chars[..head].iter().chain(&['…']).chain(&chars[length - tail..]).collect()
}
