//! The service map: who calls the service, and which backends it calls, as a model, as text for a
//! terminal, and as SVG.
//!
//! Made of a [`Summary`] alone: no files, no clock, equal for equal input. Names come from
//! recordings, so that anything may stand in them: what is shown of them is printable ASCII, and
//! XML is escaped.

mod badge;
mod group;
mod model;
mod svg;
mod text;

pub use badge::Badge;
pub use model::{Incoming, Mocked, Node, ROWS_MAX, Row, ServiceMap, cut, percent};
pub use svg::CSS;

pub(crate) use model::printable;

use crate::summary::{Summary, Way};
use std::collections::BTreeMap;

impl ServiceMap {
    /// The map of what was recorded.
    pub fn new(summary: &Summary) -> Self {
        let outbound = || summary.backends.iter().filter(|backend| backend.direction == Way::Outbound);
        let mut nodes: Vec<Node> = outbound().map(Node::new).collect();
        nodes.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        let mut ports: BTreeMap<(u16, bool), u64> = BTreeMap::new();
        for backend in summary.backends.iter().filter(|backend| backend.direction == Way::Inbound) {
            *ports.entry((backend.port, backend.tls)).or_default() += backend.exchanges;
        }
        Self {
            service: printable(summary.service.as_deref().unwrap_or(&summary.name)),
            traced_by: summary.caller.iter().map(|technology| technology.name).collect(),
            incoming: ports
                .into_iter()
                .map(|((port, tls), requests)| Incoming { port, requests, tls })
                .collect(),
            backends: nodes.len(),
            requests: nodes.iter().map(|node| node.requests).sum(),
            rows: group::rows(nodes),
        }
    }

    /// The map for a terminal so many columns wide, without colours. Each line ends with a line
    /// break.
    pub fn to_text(&self, width: usize) -> String {
        text::write(self, width)
    }

    /// The map as an SVG file that stands for itself: no scripts, nothing from elsewhere, light and
    /// dark as its reader has it.
    pub fn to_svg(&self) -> String {
        svg::write(self, true)
    }

    /// The map as an `<svg>` element for a page that has [`CSS`] in its style sheet: without a
    /// style of its own, which a strict `Content-Security-Policy` would not let in.
    pub fn to_svg_element(&self) -> String {
        svg::write(self, false)
    }
}
