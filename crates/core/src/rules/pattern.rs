//! Which paths a rule is about.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A path with wildcards: `*` stands for one whole segment, `**` as the last one for all that follow, none included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl PathPattern {
    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path in normal form, without its query, is one of those.
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut segments = path.split(|&b| b == b'/');
        for wanted in self.0.as_bytes().split(|&b| b == b'/') {
            if wanted == b"**" {
                return true;
            }
            match segments.next() {
                Some(segment) if wanted == b"*" || wanted == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut segments = text.split('/');
        segments.next();
        if !text.starts_with('/') {
            return Err(format!("the path {text:?} must begin with /"));
        }
        if text.contains('?') {
            return Err(format!("the path {text:?} has a query: write the path alone"));
        }
        let rest: Vec<_> = segments.collect();
        let last = rest.len().saturating_sub(1);
        for (i, segment) in rest.into_iter().enumerate() {
            let wild = segment.contains('*');
            let whole = segment == "*" || (segment == "**" && i == last);
            if wild && !whole {
                return Err(format!(
                    "in the path {text:?}, `*` must be a whole segment, and `**` the last one; write %2A for the character"
                ));
            }
        }
        Ok(Self(text))
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> Self {
        pattern.0
    }
}
