//! JSON Web Tokens: the claims that last from one token to the next.

use super::json::{Mark, Tree};
use crate::rules::Step;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The claims that differ with each token (RFC 7519, 4.1.4 to 4.1.7).
const PASSING: [&[u8]; 4] = [b"exp", b"iat", b"jti", b"nbf"];

/// The claims of a token in normal form, without those that differ with each. `None` where it is no token (RFC 7519, 7.2: three parts in
/// base64url, of which the second is a JSON object).
pub(super) fn lasting_claims(token: &[u8]) -> Option<Vec<u8>> {
    let mut parts = token.split(|&b| b == b'.');
    let (_header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).ok().filter(|claims| claims.starts_with(b"{"))?;
    let mut tree = Tree::of_json(&claims)?;
    for name in PASSING {
        tree.mark(&[Step::Key(name.to_vec())], Mark::Gone);
    }
    let mut out = b"jwt".to_vec();
    tree.write(&mut |_, _, _| {}, &mut out);
    Some(out)
}
