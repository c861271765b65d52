//! The effect of a request on the things that it names, as far as its method, operation and path
//! say it.

use super::endpoint::Endpoint;

/// The effect of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It asks for what is there: the names in it are known already.
    Reads,
    /// It takes away or stops what is there.
    Removes,
    /// It may create something, and name it.
    Creates,
}

/// Words that begin the name of an operation which reads, as the APIs of AWS, Google Cloud, Slack,
/// Elasticsearch and others name them.
const READS: [&str; 38] = [
    "calculate",
    "check",
    "count",
    "describe",
    "discover",
    "download",
    "estimate",
    "evaluate",
    "exists",
    "explain",
    "fetch",
    "find",
    "get",
    "head",
    "has",
    "history",
    "info",
    "inspect",
    "introspect",
    "is",
    "list",
    "lookup",
    "mget",
    "msearch",
    "peek",
    "poll",
    "preview",
    "query",
    "read",
    "resolve",
    "retrieve",
    "scan",
    "scroll",
    "search",
    "select",
    "show",
    "validate",
    "verify",
];
/// Words that end the name of an operation which reads: `runQuery`, `conversations.replies`.
const READS_LAST: [&str; 10] =
    ["count", "find", "history", "info", "list", "lookup", "query", "replies", "search", "status"];
/// Words that begin the name of an operation which removes.
const REMOVES: [&str; 10] =
    ["abort", "cancel", "clear", "delete", "destroy", "drop", "purge", "remove", "revoke", "terminate"];

/// The effect of a request. `document`: the text of a GraphQL operation, if the request has one.
pub(super) fn effect(endpoint: &Endpoint, document: Option<&[u8]>) -> Effect {
    match endpoint.method.as_str() {
        "GET" | "HEAD" | "OPTIONS" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY" => return Effect::Reads,
        "DELETE" => return Effect::Removes,
        _ => {}
    }
    if let Some(document) = document {
        return if document.trim_ascii_start().starts_with(b"mutation") {
            Effect::Creates
        } else {
            Effect::Reads
        };
    }
    let last = endpoint.path.rsplit('/').find(|segment| !segment.is_empty() && *segment != "*");
    let name = endpoint.operation.as_deref().or(last).unwrap_or_default();
    // The last part of `DynamoDB_20120810.GetItem`, `documents:runQuery` and `tools/list`.
    let mut parts = name.rsplit(['.', ':', '/']);
    let words = words(parts.next().unwrap_or_default());
    let begins = |with: &[&str]| {
        let word = |at: usize| words.get(at).is_some_and(|word| with.contains(&word.as_str()));
        word(0) || words.first().is_some_and(|first| first == "batch" || first == "multi") && word(1)
    };
    let ends_reading = words.last().is_some_and(|word| READS_LAST.contains(&word.as_str()));
    if begins(&REMOVES) {
        Effect::Removes
    } else if begins(&READS) || ends_reading {
        Effect::Reads
    } else {
        Effect::Creates
    }
}

/// Returns whether a place is one where a request with this effect may introduce a name.
pub(super) fn may_introduce(effect: Effect, method: &str, place: &str) -> bool {
    // The thing in the path of a POST or PATCH is there already; a PUT may create it.
    effect == Effect::Creates && (method == "PUT" || !place.starts_with("path."))
}

/// `batchGetItem`, `batch_get-item` and `_batchGetItem` as `batch`, `get`, `item`.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut last_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() {
            last_lower = false;
            words.push(String::new());
            continue;
        }
        if words.is_empty() || c.is_ascii_uppercase() && last_lower {
            words.push(String::new());
        }
        last_lower = c.is_ascii_lowercase();
        if let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_or_path_tells_reads_from_writes() {
        let check =
            |method: &str, path: &str, operation: Option<&str>, document: Option<&str>, expect: Effect| {
                let endpoint = Endpoint {
                    backend: "https://a.example".into(),
                    method: method.into(),
                    path: path.into(),
                    operation: operation.map(str::to_owned),
                };
                let found = effect(&endpoint, document.map(str::as_bytes));
                assert_eq!(found, expect, "{method} {path} {operation:?}");
            };
        check("GET", "/orders/*", None, None, Effect::Reads);
        check("DELETE", "/orders/*", None, None, Effect::Removes);
        check("POST", "/orders", None, None, Effect::Creates);
        check("PUT", "/orders/*", None, None, Effect::Creates);
        check("POST", "/find", None, None, Effect::Reads);
        check("POST", "/logs/_search", None, None, Effect::Reads);
        check("POST", "/v1/documents:runQuery", None, None, Effect::Reads);
        check("POST", "/google.firestore.v1.Firestore/BatchGetDocuments", None, None, Effect::Reads);
        check("POST", "/", Some("DynamoDB_20120810.GetItem"), None, Effect::Reads);
        check("POST", "/", Some("DynamoDB_20120810.BatchGetItem"), None, Effect::Reads);
        check("POST", "/", Some("DynamoDB_20120810.PutItem"), None, Effect::Creates);
        check("POST", "/", Some("DynamoDB_20120810.DeleteItem"), None, Effect::Removes);
        check("POST", "/api/conversations.replies", None, None, Effect::Reads);
        check("POST", "/api/chat.postMessage", None, None, Effect::Creates);
        check("POST", "/graphql", Some("Order"), Some("query Order { order { id } }"), Effect::Reads);
        check("POST", "/graphql", Some("Pay"), Some("mutation Pay { pay { id } }"), Effect::Creates);
        check("POST", "/isbn", None, None, Effect::Creates);
    }
}
