//! What a proposal says that the rules which are there don't.

use understudy_core::rules::{Place, Rule};

/// What of a rule others don't say yet; `None` where they say it all. A place counts as said wherever a rule about the same requests, or
/// about more, names it, whatever it says of it: a person may have decided otherwise.
pub fn unsaid(rules: &[Rule], rule: &Rule) -> Option<Rule> {
    let wider: Vec<&Rule> = rules.iter().filter(|known| is_as_wide(known, rule)).collect();
    let said: Vec<&Place> = wider.iter().flat_map(|known| known.places()).collect();
    let gone: Vec<String> = rule
        .places()
        .filter(|place| said.contains(place))
        .map(|place| place.as_str().to_owned())
        .chain(
            rule.require
                .iter()
                .filter(|name| wider.iter().any(|r| r.require.contains(name)))
                .map(|name| name.as_str().to_owned()),
        )
        .chain(wider.iter().any(|known| known.protobuf_maps.is_some()).then(|| "body".to_owned()))
        .collect();
    let mut rest = rule.clone();
    for places in rest.lists_mut() {
        places.retain(|place| !said.contains(&place));
    }
    rest.require.retain(|name| !gone.iter().any(|gone| gone == name.as_str()));
    for known in wider {
        rest.sequence = rest.sequence.filter(|_| known.sequence.is_none());
        rest.on_miss = rest.on_miss.filter(|_| known.on_miss.is_none());
        rest.echo = rest.echo.filter(|_| known.echo.is_none());
        rest.protobuf_maps = rest.protobuf_maps.filter(|_| known.protobuf_maps.is_none());
    }
    rest.why = rest.why.map(|why| without(&why, &gone)).filter(|why| !why.is_empty());
    (!rest.is_empty()).then_some(rest)
}

/// The evidence without that for some places: each begins with its place.
fn without(why: &str, gone: &[String]) -> String {
    let about = |evidence: &&str| {
        gone.iter()
            .any(|place| evidence.strip_prefix(place.as_str()).is_some_and(|rest| rest.starts_with(": ")))
    };
    why.split(". ").filter(|evidence| !about(evidence)).collect::<Vec<_>>().join(". ")
}

/// Whether a rule is about all requests that another is about.
fn is_as_wide(known: &Rule, rule: &Rule) -> bool {
    let any_or = |known: &Option<String>, other: &Option<String>| known.is_none() || known == other;
    let path = match (&known.path, &rule.path) {
        (None, _) => true,
        (Some(known), Some(path)) => known == path || known.matches(path.as_str().as_bytes()),
        (Some(_), None) => false,
    };
    any_or(&known.backend, &rule.backend)
        && any_or(&known.method, &rule.method)
        && any_or(&known.operation, &rule.operation)
        && path
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::rules::PathPattern;

    fn rule(path: &str, mask: &[&str], why: &str) -> Rule {
        Rule {
            path: PathPattern::try_from(path.to_owned()).ok(),
            mask: mask.iter().map(|place| Place::parse(place).unwrap()).collect(),
            why: (!why.is_empty()).then(|| why.to_owned()),
            ..Rule::default()
        }
    }

    #[test]
    fn only_what_is_new_is_left() {
        let new = rule("/a/*", &["body/x", "body/y"], "body/x: one. body/y: two");
        let check = |known: &[Rule], expect: Option<Rule>| assert_eq!(unsaid(known, &new), expect);
        check(&[], Some(new.clone()));
        check(&[rule("/a/*", &["body/x"], "")], Some(rule("/a/*", &["body/y"], "body/y: two")));
        check(&[rule("/**", &["body/x"], ""), rule("/a/*", &["body/y"], "")], None);
        check(&[rule("/a/7", &["body/x", "body/y"], "")], Some(new.clone()));
        check(&[Rule { method: Some("PUT".into()), ..rule("/a/*", &["body/x"], "") }], Some(new.clone()));
    }
}
