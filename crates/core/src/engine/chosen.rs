//! The backends that `mocks` in the configuration selects: each entry names one, by
//! `service:host:port` or a part of it.

use crate::backend;
use std::collections::BTreeSet;

/// The entry that selects all backends.
pub(super) const ALL: &str = "*";

/// The backends that the entries select, as `service:host:port`.
///
/// A part that is complete between colons wins over a part of a name: `api.test` selects
/// `shop:api.test:443` even if `old-api.test` exists too.
///
/// # Errors
/// An entry that selects no backend, or several. The message lists the backends.
pub(super) fn chosen(mocks: &[String], known: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
    let mut chosen = BTreeSet::new();
    for entry in mocks {
        let wanted = entry.trim().to_ascii_lowercase();
        let within = |known: &&String| !wanted.is_empty() && known.to_ascii_lowercase().contains(&wanted);
        let whole =
            |known: &&String| format!(":{}:", known.to_ascii_lowercase()).contains(&format!(":{wanted}:"));
        let parts: Vec<_> = known.iter().filter(within).collect();
        let wholes: Vec<_> = parts.iter().copied().filter(|known| whole(known)).collect();
        let one = match (wholes.as_slice(), parts.as_slice()) {
            ([one], _) | ([], [one]) => one,
            ([], []) => {
                return Err(format!(
                    "{entry:?} is none of the snapshot's backends, which are {}",
                    list(known)
                ));
            }
            ([], several) | (several, _) => {
                return Err(format!(
                    "{entry:?} is several of the snapshot's backends, {}: write more of it",
                    list(several.iter().copied())
                ));
            }
        };
        chosen.insert((*one).clone());
    }
    Ok(chosen)
}

/// `service:host:port` of a backend.
pub(super) fn full_name(service: &str, backend: &str) -> Option<String> {
    let (_, host, port) = backend::parts(backend)?;
    Some(format!("{service}:{host}:{port}"))
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).take(20).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> BTreeSet<String> {
        ["https://api.test", "https://old-api.test", "http://db:8000", "http://db:9000"]
            .iter()
            .filter_map(|backend| full_name("shop", backend))
            .collect()
    }

    #[test]
    fn entry_selects_one_backend() {
        let check = |entry: &str, expect: &str| {
            let found = chosen(&[entry.to_owned()], &known()).unwrap();
            assert_eq!(found.into_iter().collect::<Vec<_>>(), [expect], "{entry}");
        };
        check("shop:api.test:443", "shop:api.test:443");
        check("api.test", "shop:api.test:443");
        check("API.test:443", "shop:api.test:443");
        check("old", "shop:old-api.test:443");
        check("db:8000", "shop:db:8000");
        check("9000", "shop:db:9000");
    }

    #[test]
    fn entry_for_none_or_several_backends_is_refused() {
        let check = |entry: &str, expect: &str| {
            let error = chosen(&[entry.to_owned()], &known()).unwrap_err();
            assert!(error.contains(expect), "{entry}: {error}");
        };
        check("db", "\"db\" is several of the snapshot's backends, shop:db:8000, shop:db:9000");
        check("443", "is several");
        check("shop", "is several");
        check("stripe", "\"stripe\" is none of the snapshot's backends, which are shop:api.test:443");
        check("", "is none");
        check("https://api.test", "is none");
    }
}
