//! Which backends share a place, where there are more than have room.

use super::badge::{Badge, OTHERS};
use super::model::{Node, ROWS_MAX, Row};
use std::collections::BTreeMap;

/// Technologies that say nothing of what belongs together.
const GENERAL: [&str; 6] = ["HTTP", "gRPC", "gRPC-Web", "Connect", "SSE", "WebSocket"];

/// The rows of a map, most requests first. `nodes` are in that order.
pub(super) fn rows(nodes: Vec<Node>) -> Vec<Row> {
    if nodes.len() <= ROWS_MAX {
        return nodes.into_iter().map(Row::One).collect();
    }
    let mut groups: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for node in nodes {
        groups.entry(common(&node)).or_default().push(node);
    }
    let mut rows: Vec<Row> = groups.into_iter().map(|(title, nodes)| row(title, nodes)).collect();
    let by_name = |row: &Row| row.nodes().first().map(|node| node.name.clone());
    rows.sort_by(|a, b| b.requests().cmp(&a.requests()).then_with(|| by_name(a).cmp(&by_name(b))));
    if rows.len() > ROWS_MAX {
        let rest = rows.split_off(ROWS_MAX - 1);
        let mut nodes: Vec<Node> = rest.iter().flat_map(Row::nodes).cloned().collect();
        nodes.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.name.cmp(&b.name)));
        rows.push(Row::Many { title: OTHERS.to_owned(), badge: Badge::of(OTHERS), nodes });
    }
    rows
}

fn row(title: String, mut nodes: Vec<Node>) -> Row {
    if nodes.len() == 1 {
        return nodes.remove(0).into();
    }
    let badge = nodes.first().map_or(Badge::of("HTTP"), |node| node.badge);
    Row::Many { title, badge, nodes }
}

impl From<Node> for Row {
    fn from(node: Node) -> Self {
        Self::One(node)
    }
}

/// What a backend has in common with others: its technology, where that names a product, else its domain.
fn common(node: &Node) -> String {
    if GENERAL.contains(&node.technology) { domain(&node.host) } else { node.technology.to_owned() }
}

/// The last two labels of a host, three where these are as `co.uk`; of an IPv4 address its network of 256; of a bare name all of it.
fn domain(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    if let [network @ .., _] = labels.as_slice()
        && labels.len() == 4
        && labels.iter().all(|label| label.parse::<u8>().is_ok())
    {
        return format!("{}.*", network.join("."));
    }
    if host.starts_with('[') || labels.len() <= 2 {
        return host.to_owned();
    }
    let is_short = |at: usize, most: usize| labels[labels.len() - at].len() <= most;
    let kept = if is_short(1, 2) && is_short(2, 3) { 3 } else { 2 };
    format!("*.{}", labels[labels.len() - kept.min(labels.len())..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_domain_belong_together() {
        let check = |host: &str, expect: &str| assert_eq!(domain(host), expect);
        check("a.b.example.com", "*.example.com");
        check("shop.example.co.uk", "*.example.co.uk");
        check("example.com", "example.com");
        check("orders", "orders");
        check("10.0.0.1", "10.0.0.*");
        check("[::1]", "[::1]");
        check("a.b.svc.cluster.local", "*.cluster.local");
    }
}
