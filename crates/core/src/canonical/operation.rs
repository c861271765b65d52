//! The operation: what a request does, where method and path don't say it.

use super::body::Body;
use super::json::Tree;
use super::{form, graphql};
use crate::facts::Facts;
use crate::rules::Step;

/// A batch names this many operations at most.
const BATCH_MAX: usize = 32;

/// The operation of a request, if its protocol has one.
///
/// - AWS JSON protocols: `X-Amz-Target` (Smithy, "AWS JSON 1.0 protocol").
/// - SOAP 1.1: `SOAPAction` (W3C Note SOAP 1.1, 6.1.1), with or without its quotes.
/// - AWS query protocols: `Action`, beside a `Version`, in the form body or the query (Smithy, "AWS query protocol").
/// - JSON-RPC 2.0, and so MCP: `method`, of each request in a batch (JSON-RPC 2.0, 4 and 6).
/// - GraphQL: `operationName`, else the name of the document's only operation (GraphQL over HTTP, "Request Parameters").
pub(super) fn find(facts: &Facts<'_>, body: &Body<'_>, query: &[u8]) -> Option<Vec<u8>> {
    if let Some(target) = facts.amz_target {
        return Some(target.to_vec());
    }
    if let Some(action) = facts.soap_action {
        let bare = action.strip_prefix(b"\"").and_then(|a| a.strip_suffix(b"\"")).unwrap_or(action);
        return Some(bare.to_vec());
    }
    match body {
        Body::Form(form) => {
            if let Some(action) = aws_query(form) {
                return Some(action);
            }
        }
        Body::Tree(tree) => {
            if let Some(operation) = json_rpc(tree).or_else(|| graphql_body(tree)) {
                return Some(operation);
            }
        }
        Body::Bytes(_) => {}
    }
    aws_query(query).or_else(|| graphql_query(query))
}

fn aws_query(text: &[u8]) -> Option<Vec<u8>> {
    let action = form::value_of(text, b"Action")?;
    form::value_of(text, b"Version").map(|_| action)
}

fn key(name: &str) -> Step {
    Step::Key(name.as_bytes().to_vec())
}

fn json_rpc(tree: &Tree<'_>) -> Option<Vec<u8>> {
    if tree.has(b"jsonrpc") {
        return tree.strings(&[key("method")]).pop();
    }
    if !tree.is_array() || tree.strings(&[key("0"), key("jsonrpc")]).is_empty() {
        return None;
    }
    let mut methods = tree.strings(&[Step::Any, key("method")]);
    methods.truncate(BATCH_MAX);
    Some(methods.join(&b','))
}

fn graphql_body(tree: &Tree<'_>) -> Option<Vec<u8>> {
    if tree.is_array() {
        let mut names = tree.strings(&[Step::Any, key("operationName")]);
        names.truncate(BATCH_MAX);
        return (!names.is_empty()).then(|| names.join(&b','));
    }
    if !tree.has(b"query") && !tree.has(b"operationName") {
        return None;
    }
    let document = tree.strings(&[key("query")]).pop();
    let is_document = document.as_ref().is_some_and(|document| graphql::is_document(document));
    // A persisted query is named by its digest, in `extensions`, and has no document.
    if !is_document && !tree.has(b"extensions") {
        return None;
    }
    let name = tree.strings(&[key("operationName")]).pop();
    name.or_else(|| graphql::operation_name(&document?))
}

fn graphql_query(query: &[u8]) -> Option<Vec<u8>> {
    let document = form::value_of(query, b"query").filter(|document| graphql::is_document(document))?;
    form::value_of(query, b"operationName").or_else(|| graphql::operation_name(&document))
}
