//! Lists the backends that can be selected, and applies patterns to them.

use crate::error::SnapshotError;
use crate::feed;
use crate::header::check_name;
use crate::reader::Snapshot;
use std::collections::{BTreeMap, HashSet};
use understudy_core::backend::Pattern;
use understudy_core::config::Mode;
use understudy_core::exchange::Direction;

/// Returns the mode of each backend that a pattern matches. Later patterns override earlier ones.
///
/// # Errors
/// The first pattern that matches no backend.
pub fn choose<'a>(
    backends: impl IntoIterator<Item = &'a str> + Clone,
    choices: &'a [(Pattern, Mode)],
) -> Result<BTreeMap<String, Mode>, &'a Pattern> {
    let mut modes = BTreeMap::new();
    for (pattern, mode) in choices {
        let mut fitting = backends.clone().into_iter().filter(|name| pattern.matches(name)).peekable();
        if fitting.peek().is_none() {
            return Err(pattern);
        }
        modes.extend(fitting.map(|name| (name.to_owned(), *mode)));
    }
    Ok(modes)
}

/// The backends that can be selected, with their modes: those in `snapshot.yaml`, and those that
/// only the exchanges name.
///
/// # Errors
/// [`SnapshotError`] for the first line that can't be read.
pub fn backends(snapshot: &Snapshot) -> Result<BTreeMap<String, Mode>, SnapshotError> {
    let header = snapshot.header();
    let mut modes: BTreeMap<String, Mode> =
        header.backends.iter().map(|(name, backend)| (name.clone(), backend.mode)).collect();
    let mut seen: HashSet<String> = modes.keys().cloned().collect();
    feed::each(snapshot, |item| {
        let exchange = &item?.exchange;
        if exchange.direction == Direction::Outbound && !seen.contains(&exchange.backend) {
            seen.insert(exchange.backend.clone());
            // A name that isn't in normal form can't be in the header. The linter reports it.
            if check_name(&exchange.backend).is_ok() {
                modes.insert(exchange.backend.clone(), header.backend(&exchange.backend).mode);
            }
        }
        Ok::<_, SnapshotError>(())
    })?;
    Ok(modes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_choice_counts() {
        let backends = ["http://a.test", "http://b.test"];
        let choice = |pattern: &str, mode| (pattern.parse().unwrap(), mode);
        let choices = [choice("*", Mode::Off), choice("b.*", Mode::Mock)];
        let expect = [("http://a.test".to_owned(), Mode::Off), ("http://b.test".to_owned(), Mode::Mock)];
        assert_eq!(choose(backends, &choices).unwrap(), expect.into());
        let choices = [choice("a.test", Mode::Off), choice("c.test", Mode::Mock)];
        assert_eq!(choose(backends, &choices).unwrap_err().to_string(), "c.test");
    }
}
