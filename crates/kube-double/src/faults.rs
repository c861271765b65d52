//! What a test can have go wrong, and what it can look up afterwards.

use std::sync::Arc;
use std::time::Duration;

/// A request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; `discover` for the documents that say what there is.
    pub verb: &'static str,
    /// The resource, such as `deployments.apps` or `pods`.
    pub resource: String,
    /// Empty: all, or none.
    pub namespace: String,
    /// Empty for lists, watches, and what is created with a generated name.
    pub name: String,
    /// `status`, or empty.
    pub subresource: String,
    /// Who writes, as server-side apply has it.
    pub manager: String,
    /// The number of the door that it came through; the first is 0.
    pub door: usize,
    /// What it was answered with.
    pub status: u16,
}

impl Asked {
    /// Whether it wanted to change something.
    pub fn is_write(&self) -> bool {
        !["get", "list", "watch", "discover"].contains(&self.verb)
    }
}

type Rule = Arc<dyn Fn(&Asked) -> Option<u16> + Send + Sync>;

/// What goes wrong.
#[derive(Clone, Default)]
pub(super) struct Faults {
    pub refuse: u64,
    pub status: u16,
    pub delay: Duration,
    pub rule: Option<Rule>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refuses {} with {}, after {:?}", self.refuse, self.status, self.delay)
    }
}

impl Faults {
    /// The status that a request is refused with.
    pub(super) fn refused(&mut self, asked: &Asked) -> Option<u16> {
        if self.refuse > 0 {
            self.refuse -= 1;
            return Some(self.status);
        }
        self.rule.as_ref().and_then(|rule| rule(asked))
    }
}
