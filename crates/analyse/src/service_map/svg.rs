//! The service map as SVG. Integer geometry, classes instead of styles, no identifiers, no links, no scripts: it can stand in a page beside
//! another, and in a file alone.

use super::badge::Badge;
use super::model::{Incoming, Mocked, Node, Row, ServiceMap, cut, percent, printable};
use std::fmt::{self, Write};
use understudy_core::config::Mode;

/// The style of the map, for a page that has it inline. All of its rules are below `.understudy-map`.
pub const CSS: &str = include_str!("map.css");

const WIDTH: i64 = 1000;
const MARGIN: i64 = 24;
const INCOMING: Column = Column { x: MARGIN, width: 136 };
const SERVICE: Column = Column { x: 230, width: 196 };
const BACKENDS: Column = Column { x: 512, width: WIDTH - MARGIN - 512 };
const SERVICE_HEIGHT: i64 = 100;
const ROW: i64 = 66;
const GAP: i64 = 14;
const MEMBER: i64 = 17;
/// Of a group so many addresses are named.
const NAMED: usize = 3;
/// So many are named in what a pointer that rests, or a reader aloud, tells.
const TOLD: usize = 60;
/// Characters that fit, at the width of the fonts that are asked for.
const ADDRESS_MAX: usize = 46;
const MEMBER_MAX: usize = 54;
const SERVICE_MAX: usize = 19;

#[derive(Clone, Copy)]
struct Column {
    x: i64,
    width: i64,
}

impl Column {
    fn end(self) -> i64 {
        self.x + self.width
    }
}

/// Text and attributes: the five characters of XML (XML 1.0, 2.4) are escaped. What XML can't hold at all isn't printable, and gone before.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

pub(super) fn write(map: &ServiceMap, styled: bool) -> String {
    let heights: Vec<i64> = map.rows.iter().map(height).collect();
    let rows: i64 = heights.iter().map(|height| height + GAP).sum::<i64>() - GAP;
    let ports = map.incoming.len() as i64 * (ROW + GAP) - GAP;
    let inner = rows.max(SERVICE_HEIGHT).max(ports);
    let total = inner + 2 * MARGIN;
    let mut out = String::new();
    let _ = open(map, total, styled, &mut out);
    let middle = MARGIN + inner / 2;
    let _ = edges(map, &heights, (middle, MARGIN + (inner - rows) / 2), &mut out);
    let _ = incoming(&map.incoming, (middle, MARGIN + (inner - ports) / 2), &mut out);
    let _ = service(map, middle - SERVICE_HEIGHT / 2, &mut out);
    let mut y = MARGIN + (inner - rows) / 2;
    for (row, height) in map.rows.iter().zip(&heights) {
        let _ = backend(row, y, *height, &mut out);
        y += height + GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn height(row: &Row) -> i64 {
    match row {
        Row::One(_) => ROW,
        Row::Many { nodes, .. } => {
            let lines = nodes.len().min(NAMED) + usize::from(nodes.len() > NAMED);
            ROW + MEMBER * lines as i64 + 4
        }
    }
}

fn open(map: &ServiceMap, height: i64, styled: bool, out: &mut String) -> fmt::Result {
    let title = format!("Service map of {}", map.service);
    // Nobody called: no room is kept for who did.
    let left = if map.incoming.is_empty() { SERVICE.x - MARGIN } else { 0 };
    let width = WIDTH - left;
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"understudy-map\" viewBox=\"{left} 0 {width} {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<desc>",
        title = Escaped(&title)
    )?;
    for incoming in &map.incoming {
        write!(out, "{} at port {}. ", requests(incoming.requests), incoming.port)?;
    }
    let told = |node: &Node| {
        format!("{} ({}): {}, {}", node.address(), node.technology, node.requests, percent(node.share))
    };
    let nodes = listed(map.rows.iter().flat_map(Row::nodes).map(told), map.backends);
    write!(out, "{} to {}: ", requests(map.requests), counted(map.backends, "backend"))?;
    writeln!(out, "{}.</desc>", Escaped(&nodes.join("; ")))?;
    if styled {
        // A file has its own background; a page has its own already.
        writeln!(
            out,
            "<style>\n{CSS}</style>\n<rect class=\"ground\" x=\"{left}\" width=\"{width}\" height=\"{height}\"/>"
        )?;
    }
    Ok(())
}

/// The lines, below everything else: as thick as their share, dashed where nothing is mocked.
fn edges(map: &ServiceMap, heights: &[i64], (middle, mut y): (i64, i64), out: &mut String) -> fmt::Result {
    let count = map.rows.len() as i64;
    let step = if count > 1 { ((SERVICE_HEIGHT - 28) / (count - 1)).min(10) } else { 0 };
    for (at, (row, height)) in map.rows.iter().zip(heights).enumerate() {
        let from = middle + step * at as i64 - step * (count - 1) / 2;
        let to = y + height.min(&ROW) / 2;
        let class = if row.mocked() == Mocked::None { "edge open" } else { "edge" };
        let thick = 1.5 + row.share() * 6.0;
        edge(class, (SERVICE.end(), from), (BACKENDS.x, to), thick, out)?;
        y += height + GAP;
    }
    let count = map.incoming.len() as i64;
    for at in 0..count {
        let from = middle + (at * 2 - (count - 1)) * (ROW + GAP) / 2;
        let to = middle + (at * 2 - (count - 1)) * 5;
        edge("edge", (INCOMING.end(), from), (SERVICE.x, to), 3.0, out)?;
    }
    Ok(())
}

fn edge(
    class: &str,
    (x1, y1): (i64, i64),
    (x2, y2): (i64, i64),
    thick: f64,
    out: &mut String,
) -> fmt::Result {
    let (tip, bend) = (x2 - 9, (x1 + x2) / 2);
    writeln!(
        out,
        "<path class=\"{class}\" stroke-width=\"{thick:.1}\" d=\"M{x1} {y1}C{bend} {y1} {bend} {y2} {tip} {y2}\"/>\
         <path class=\"tip\" d=\"M{x2} {y2}l-11 -5.5v11z\"/>"
    )
}

fn incoming(ports: &[Incoming], (_, mut y): (i64, i64), out: &mut String) -> fmt::Result {
    let Column { x, width } = INCOMING;
    for port in ports {
        writeln!(
            out,
            "<g>\n<rect class=\"card\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\" rx=\"10\"/>"
        )?;
        if port.tls {
            lock(x + 16, y + 15, out)?;
        }
        let shift = if port.tls { 32 } else { 16 };
        writeln!(
            out,
            "<text class=\"address\" x=\"{}\" y=\"{}\">*:{}</text>\n<text class=\"note\" x=\"{}\" y=\"{}\">{}</text>\n</g>",
            x + shift,
            y + 28,
            port.port,
            x + 16,
            y + 49,
            requests(port.requests)
        )?;
        y += ROW + GAP;
    }
    Ok(())
}

fn service(map: &ServiceMap, y: i64, out: &mut String) -> fmt::Result {
    let Column { x, width } = SERVICE;
    writeln!(
        out,
        "<g>\n<title>{}</title>\n<rect class=\"service\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{SERVICE_HEIGHT}\" rx=\"14\"/>",
        Escaped(&map.service)
    )?;
    let mut line = |class: &str, dy: i64, text: &str| {
        writeln!(
            out,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x + width / 2,
            y + dy,
            Escaped(text)
        )
    };
    let shift = if map.traced_by.is_empty() { 9 } else { 0 };
    line("name", 39 + shift, &cut(&map.service, SERVICE_MAX))?;
    line("sub", 61 + shift, &format!("{} to {}", requests(map.requests), counted(map.backends, "backend")))?;
    if !map.traced_by.is_empty() {
        line("sub", 80, &cut(&format!("traced by {}", map.traced_by.join(", ")), 30))?;
    }
    out.push_str("</g>\n");
    Ok(())
}

fn backend(row: &Row, y: i64, height: i64, out: &mut String) -> fmt::Result {
    let Column { x, width } = BACKENDS;
    let class = if row.mocked() == Mocked::None { "card open" } else { "card" };
    let title = listed(row.nodes().iter().map(|node| printable(&node.name)), row.nodes().len()).join("\n");
    writeln!(
        out,
        "<g>\n<title>{}</title>\n<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>",
        Escaped(&title)
    )?;
    let (mark, heading, technology, tls) = match row {
        Row::One(node) => (node.badge, node.address(), node.technology, node.tls),
        Row::Many { title, badge, nodes } => (*badge, title.clone(), "", nodes.iter().all(|node| node.tls)),
    };
    badge(mark, x + 12, y + 12, out)?;
    let shift = if tls { 80 } else { 64 };
    if tls {
        lock(x + 64, y + 15, out)?;
    }
    writeln!(
        out,
        "<text class=\"address\" x=\"{}\" y=\"{}\">{}</text>",
        x + shift,
        y + 28,
        Escaped(&cut(&heading, ADDRESS_MAX - if tls { 2 } else { 0 }))
    )?;
    let mut note = match technology {
        "" => counted(row.nodes().len(), "backend"),
        technology => technology.to_owned(),
    };
    let _ = write!(note, " · {} · {}", requests(row.requests()), percent(row.share()));
    write!(out, "<text class=\"note\" x=\"{}\" y=\"{}\">{}", x + 64, y + 48, Escaped(&note))?;
    if row.errors() > 0 {
        write!(out, "<tspan class=\"failed\"> · {} failed</tspan>", row.errors())?;
    }
    out.push_str("</text>\n");
    pill(row, x + width - 12, y + 36, out)?;
    bar(row.share(), y + ROW - 10, out)?;
    members(row, y + ROW + 8, out)?;
    out.push_str("</g>\n");
    Ok(())
}

fn badge(badge: Badge, x: i64, y: i64, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"40\" height=\"40\" rx=\"9\" fill=\"{}\"/>\
         <text class=\"badge\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        badge.colour,
        x + 20,
        y + 26,
        Escaped(&badge.letters())
    )
}

fn lock(x: i64, y: i64, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "<g class=\"lock\"><path d=\"M{} {}v-3a3 3 0 0 1 6 0v3\"/><rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"8\" rx=\"1.5\"/></g>",
        x + 2,
        y + 6,
        y + 6
    )
}

/// What is done with a backend, at the right below its address.
fn pill(row: &Row, end: i64, y: i64, out: &mut String) -> fmt::Result {
    let mode = row.nodes().first().map(|node| node.mode);
    let (class, text) = match (row.mocked(), mode) {
        (Mocked::All, _) => ("pill on", "mocked"),
        (Mocked::Some, _) => ("pill some", "partly mocked"),
        (Mocked::None, Some(Mode::Tap)) => ("pill", "recorded"),
        (Mocked::None, _) => ("pill", "not mocked"),
    };
    let width = text.len() as i64 * 7 + 16;
    writeln!(
        out,
        "<g class=\"{class}\"><rect x=\"{}\" y=\"{y}\" width=\"{width}\" height=\"18\" rx=\"9\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{text}</text></g>",
        end - width,
        end - width / 2,
        y + 13
    )
}

/// The share as a length.
fn bar(share: f64, y: i64, out: &mut String) -> fmt::Result {
    let (x, full) = (BACKENDS.x + 64, BACKENDS.width - 64 - 12);
    let part = ((share * full as f64).round() as i64).clamp(i64::from(share > 0.0) * 3, full);
    writeln!(
        out,
        "<rect class=\"track\" x=\"{x}\" y=\"{y}\" width=\"{full}\" height=\"3\" rx=\"1.5\"/>\
         <rect class=\"share\" x=\"{x}\" y=\"{y}\" width=\"{part}\" height=\"3\" rx=\"1.5\"/>"
    )
}

fn members(row: &Row, mut y: i64, out: &mut String) -> fmt::Result {
    let Row::Many { nodes, .. } = row else { return Ok(()) };
    let x = BACKENDS.x + 64;
    for node in nodes.iter().take(NAMED) {
        let text = cut(&format!("{} ({})", node.address(), node.requests), MEMBER_MAX);
        writeln!(out, "<text class=\"member\" x=\"{x}\" y=\"{y}\">{}</text>", Escaped(&text))?;
        y += MEMBER;
    }
    if nodes.len() > NAMED {
        writeln!(out, "<text class=\"note\" x=\"{x}\" y=\"{y}\">and {} more</text>", nodes.len() - NAMED)?;
    }
    Ok(())
}

/// The first of a list that may be long, and how many more there are.
fn listed(items: impl Iterator<Item = String>, count: usize) -> Vec<String> {
    let more = (count > TOLD).then(|| format!("and {} more", count - TOLD));
    items.take(TOLD).chain(more).collect()
}

fn requests(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "request")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
