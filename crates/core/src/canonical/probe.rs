//! What the shape of a text shows, for who wants to name a protocol and not compare. Bounded like reading is; gives no part of the text away.

use super::json::Tree;
use super::{form, graphql};
use crate::rules::Step;

/// What a JSON text is shaped like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonShape {
    /// A request or an answer of JSON-RPC, or a batch of them (JSON-RPC 2.0, 4 to 6).
    pub rpc: bool,
    /// A request of GraphQL, or a batch of them (GraphQL over HTTP, "Request Parameters").
    pub graphql: bool,
    /// A request for a token, as JSON.
    pub grant: bool,
}

/// The shape of a JSON object or array. `None` where the text isn't one.
pub fn json(text: &[u8]) -> Option<JsonShape> {
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return None;
    }
    let tree = Tree::of_json(text)?;
    let member = |name: &str| {
        let first = [Step::Key(b"0".to_vec()), Step::Key(name.as_bytes().to_vec())];
        let steps = if tree.is_array() { &first[..] } else { first.get(1..).unwrap_or_default() };
        tree.strings(steps).pop()
    };
    // A persisted query is named by its digest, in `extensions`, and has no document.
    let is_graphql = member("query").is_some_and(|document| graphql::is_document(&document))
        || tree.has(b"extensions") && member("operationName").is_some();
    Some(JsonShape {
        rpc: member("jsonrpc").is_some(),
        graphql: is_graphql,
        grant: member("grant_type").is_some(),
    })
}

/// Whether a text is a GraphQL document.
pub fn is_graphql(text: &[u8]) -> bool {
    graphql::is_document(text)
}

/// The decoded value of the first pair of a query or form with this name.
pub fn pair(text: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    form::value_of(text, name)
}
