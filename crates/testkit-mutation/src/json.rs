//! Changes of a JSON body: of each leaf, member, element and name, and of the spelling.

use crate::change::{Changes, Meaning, values};
use crate::graphql;
use crate::said::{Said, What};
use crate::tree::{Style, Tree};

/// Members of an object, in order.
type Members = Vec<(String, Tree)>;

/// Maximum number of nodes of one body that are changed, spread over the body.
const NODES_MAX: usize = 250;
/// Approximate limit on the length of all changed bodies, which reduces the number of nodes of long
/// bodies.
const WRITTEN_MAX: usize = 4 << 20;

/// A node: its path, and its place as rules write it.
pub(super) struct Node {
    pub(super) way: Vec<usize>,
    pub(super) place: String,
    /// Statement of the rules about the value, or about a value that contains it.
    pub(super) above: Option<What>,
}

/// All nodes of a tree.
pub(super) fn nodes(tree: &Tree, said: &Said<'_>) -> Vec<Node> {
    let mut nodes = vec![Node { way: Vec::new(), place: "body".to_owned(), above: said.of_place("body") }];
    let mut at = 0;
    while at < nodes.len() {
        let way = nodes[at].way.clone();
        let node = way.iter().fold(tree, |tree, &number| tree.child(number));
        for number in 0..node.children() {
            let place = format!("{}/{}", nodes[at].place, node.step(number));
            let above = nodes[at].above.filter(|what| hides(*what)).or_else(|| said.of_place(&place));
            nodes.push(Node { way: [&way[..], &[number]].concat(), place, above });
        }
        at += 1;
    }
    nodes
}

/// Returns whether all values below are left out.
pub(super) fn hides(what: What) -> bool {
    matches!(what, What::Mask | What::Ignore)
}

pub(super) fn changes(body: &Tree, said: &Said<'_>, now: u64) -> Changes {
    let mut out = Changes::default();
    let all = nodes(body, said);
    let each = body.to_json(Style::default()).len().max(1);
    let step = all.len().div_ceil((WRITTEN_MAX / each).clamp(5, NODES_MAX));
    for node in all.iter().step_by(step) {
        of_node(body, node, said, now, &mut out);
    }
    let styles = [
        ("spaced", Style { is_spaced: true, ..Style::default() }),
        ("reordered", Style { is_reordered: true, ..Style::default() }),
        ("escaped", Style { is_escaped: true, ..Style::default() }),
        ("all of it", Style { is_spaced: true, is_reordered: true, is_escaped: true }),
    ];
    for (what, style) in styles {
        out.push(format!("body {what}"), body.to_json(style), Meaning::Volatile);
    }
    out
}

fn of_node(body: &Tree, node: &Node, said: &Said<'_>, now: u64, out: &mut Changes) {
    let place = &node.place;
    let mut put = |what: &str, new: Tree, meaning: Meaning| {
        let mut changed = body.clone();
        *changed.at(&node.way) = new;
        out.push(format!("{place} {what}"), changed.to_json(Style::default()), meaning);
    };
    let old = node.way.iter().fold(body, |tree, &number| tree.child(number)).clone();
    // The changed body may not be JSON any more.
    let counts = if node.above.is_some_and(hides) { Meaning::Volatile } else { Meaning::Counts };
    put("in an array", Tree::Array(vec![old.clone()]), counts);
    match &old {
        Tree::Text(text) => {
            // In other places, a text that looks like a document is a text.
            let may_be_document = place == "body/query";
            for (what, new, meaning) in values(node.above, text, now) {
                // A change in a comment is insignificant.
                let is_document = may_be_document && graphql::lasting(text).is_some();
                let meaning = if is_document { Meaning::Reference } else { meaning };
                if std::str::from_utf8(&new).is_ok() {
                    put(&what, Tree::Text(new), meaning);
                }
            }
            put("null", Tree::Literal("null".to_owned()), counts);
            if let Some(literal @ Tree::Literal(_)) = Tree::of_json(text) {
                put("without quotes", literal, counts);
            }
            for document in graphql::variants(text).into_iter().filter(|_| may_be_document) {
                put("with other space", Tree::Text(document), Meaning::Volatile);
            }
        }
        Tree::Literal(text) => {
            put("in quotes", Tree::Text(text.clone().into_bytes()), counts);
            for new in literals(text) {
                put(&format!("as {new}"), Tree::Literal(new), literal_meaning(node.above, counts));
            }
        }
        Tree::Array(_) | Tree::Object(_) | Tree::Ordered(_) => of_container(&old, node, said, counts, put),
    }
}

/// A number may hold a time.
fn literal_meaning(what: Option<What>, counts: Meaning) -> Meaning {
    match what {
        Some(What::Volatile | What::Times | What::Dates) => Meaning::Reference,
        _ => counts,
    }
}

fn literals(text: &str) -> Vec<String> {
    let new = match text {
        "true" => vec!["false".to_owned(), "null".to_owned()],
        "false" => vec!["true".to_owned(), "0".to_owned()],
        "null" => vec!["false".to_owned(), "{}".to_owned()],
        number if number.contains(['.', 'e', 'E']) => vec![format!("1{number}").replace("1-", "-1")],
        number => vec![
            format!("{number}1"),
            format!("{number}.0"),
            format!("{number}e0"),
            match number.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => format!("-{number}"),
            },
        ],
    };
    new.into_iter().filter(|new| new != text).collect()
}

fn of_container(
    old: &Tree,
    node: &Node,
    said: &Said<'_>,
    counts: Meaning,
    mut put: impl FnMut(&str, Tree, Meaning),
) {
    match old {
        Tree::Array(elements) => {
            let with = |change: &dyn Fn(&mut Vec<Tree>)| {
                let mut elements = elements.clone();
                change(&mut elements);
                Tree::Array(elements)
            };
            put("one more", with(&|all| all.push(Tree::Literal("null".to_owned()))), counts);
            for i in 0..elements.len().min(10) {
                let meaning = if counts == Meaning::Volatile { counts } else { Meaning::Reference };
                put(&format!("without {i}"), with(&|all| drop(all.remove(i))), meaning);
                put(&format!("{i} twice"), with(&|all| all.insert(i, all[i].clone())), meaning);
                if i + 1 < elements.len() && elements[i] != elements[i + 1] {
                    put(&format!("{i} behind the next"), with(&|all| all.swap(i, i + 1)), meaning);
                }
            }
            if elements.is_empty() {
                put("an object", Tree::Object(Vec::new()), counts);
            }
        }
        Tree::Object(members) | Tree::Ordered(members) => {
            let with = |change: &dyn Fn(&mut Members)| {
                let mut members = members.clone();
                change(&mut members);
                Tree::Object(members)
            };
            let one = || ("zz-added".to_owned(), Tree::Literal("1".to_owned()));
            put("one more", with(&|all| all.push(one())), counts);
            for i in 0..members.len() {
                let place = format!("{}/{}", node.place, old.step(i));
                let meaning = match counts {
                    Meaning::Volatile => counts,
                    _ => Meaning::of_presence(said, &place),
                };
                put(&format!("without {i}"), with(&|all| drop(all.remove(i))), meaning);
                put(&format!("{i} twice"), with(&|all| all.insert(i, all[i].clone())), meaning);
                put(&format!("{i} renamed"), with(&|all| all[i].0.push('x')), counts);
                let case = if members[i].0.starts_with(|c: char| c.is_ascii_uppercase()) {
                    members[i].0.to_ascii_lowercase()
                } else {
                    members[i].0.to_ascii_uppercase()
                };
                if case != members[i].0 {
                    put(&format!("{i} in another case"), with(&|all| all[i].0.clone_from(&case)), counts);
                }
            }
            if members.is_empty() {
                put("an array", Tree::Array(Vec::new()), counts);
            }
        }
        Tree::Text(_) | Tree::Literal(_) => {}
    }
}
