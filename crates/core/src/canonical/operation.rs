//! The operation: what a request does, where method and path don't say it.

use super::form;
use crate::facts::Facts;

/// The operation of a request, if its protocol has one.
///
/// - AWS JSON protocols: `X-Amz-Target` (Smithy, "AWS JSON 1.0 protocol").
/// - AWS query protocols: `Action`, beside a `Version`, in the form body or the query (Smithy, "AWS query protocol").
/// - SOAP 1.1: `SOAPAction` (W3C Note SOAP 1.1, 6.1.1), with or without its quotes.
pub(super) fn find(facts: &Facts<'_>, is_form: bool, body: &[u8], query: &[u8]) -> Option<Vec<u8>> {
    if let Some((_, target)) = facts.semantic.iter().find(|(name, _)| *name == b"x-amz-target") {
        return Some(target.to_vec());
    }
    if let Some(action) = facts.soap_action {
        let bare = action.strip_prefix(b"\"").and_then(|a| a.strip_suffix(b"\"")).unwrap_or(action);
        return Some(bare.to_vec());
    }
    let aws_query = |text: &[u8]| {
        let action = form::value_of(text, b"Action")?;
        form::value_of(text, b"Version").map(|_| action)
    };
    // "Action=" stands in the text wherever this protocol is spoken: no decoding for all the others.
    let may_have = |text: &[u8]| text.windows(7).any(|w| w == b"Action=");
    if is_form && may_have(body) {
        return aws_query(body);
    }
    if may_have(query) { aws_query(query) } else { None }
}
