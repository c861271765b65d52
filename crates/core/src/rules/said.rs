//! What a rule says, under the keys of `snapshot.yaml`: for those who show rules. The places come in one order everywhere, which is that of
//! their numbers.

use super::{HeaderName, Place, Rule, What};
use serde::Serialize;

impl Rule {
    /// Which requests it is about: what it says of them, or `all requests`.
    pub fn about(&self) -> String {
        let Self { method, backend, path, operation, .. } = self;
        let path = path.as_ref().map(|path| path.as_str());
        let said = [method.as_deref(), backend.as_deref(), path, operation.as_deref()];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if said.is_empty() { "all requests".to_owned() } else { said.join(" ") }
    }

    /// The places that it names, by the keys that they stand under.
    pub fn lists(&self) -> [(&'static str, &[Place]); 10] {
        self.by_what().map(|(what, places)| (what.key(), places))
    }

    /// The places that it names, as [`Self::lists`] has them, to be changed.
    pub fn lists_mut(&mut self) -> [&mut Vec<Place>; 10] {
        let Self { mask, volatile, times, dates, ignore, jwt, names, now, clock, callers, .. } = self;
        [mask, volatile, times, dates, ignore, jwt, names, now, clock, callers]
    }

    /// All that it says of requests and answers, by key: places and headers each by itself, anything else as it is written.
    pub fn says(&self) -> Vec<(&'static str, Vec<String>)> {
        let lists =
            self.lists().map(|(key, places)| (key, places.iter().map(|p| p.as_str().to_owned()).collect()));
        let headers = self.require.iter().map(HeaderName::as_str).map(str::to_owned).collect();
        let fault = self.fault.as_ref().map(|fault| match fault.every {
            0 | 1 => fault.to_string(),
            every => format!("{fault}, every {every}"),
        });
        let others = [
            ("require", headers),
            ("sequence", written(self.sequence)),
            ("on_miss", written(self.on_miss)),
            ("protobuf_maps", written(self.protobuf_maps)),
            ("echo", written(self.echo)),
            ("fault", fault.into_iter().collect()),
            ("assumed", written(self.assumed)),
        ];
        lists.into_iter().chain(others).filter(|(_, said): &(_, Vec<String>)| !said.is_empty()).collect()
    }

    /// The places with what is to be done there.
    pub(super) fn by_what(&self) -> [(What, &[Place]); 10] {
        let Self { mask, volatile, times, dates, ignore, jwt, names, now, clock, callers, .. } = self;
        [
            (What::Mask, mask),
            (What::Volatile, volatile),
            (What::Times, times),
            (What::Dates, dates),
            (What::Ignore, ignore),
            (What::Jwt, jwt),
            (What::Name, names),
            (What::Now, now),
            (What::Clock, clock),
            (What::Caller, callers),
        ]
    }
}

impl What {
    fn key(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Volatile => "volatile",
            Self::Times => "times",
            Self::Dates => "dates",
            Self::Ignore => "ignore",
            Self::Jwt => "jwt",
            Self::Name => "names",
            Self::Now => "now",
            Self::Clock => "clock",
            Self::Caller => "callers",
        }
    }
}

/// A word, as YAML has it.
fn written(value: Option<impl Serialize>) -> Vec<String> {
    let json = value.and_then(|value| serde_json::to_string(&value).ok());
    json.map(|json| json.trim_matches('"').to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_rule_says_all_that_it_has_in_one_order() {
        let all = rule(
            r#"{"backend": "api.example.com", "method": "POST", "path": "/v1/*", "operation": "Pay",
                "mask": ["body/a"], "volatile": ["body/b", "query.c"], "times": ["body/d"], "dates": ["body/e"], "ignore": ["body/f"],
                "jwt": ["body/g"], "require": ["accept"], "sequence": "stick-last", "on_miss": "passthrough", "protobuf_maps": true,
                "echo": false, "fault": {"status": 503, "every": 3}}"#,
        );
        assert_eq!(all.about(), "POST api.example.com /v1/* Pay");
        let says: Vec<_> =
            all.says().into_iter().map(|(key, said)| format!("{key} {}", said.join(" "))).collect();
        assert_eq!(
            says,
            [
                "mask body/a",
                "volatile body/b query.c",
                "times body/d",
                "dates body/e",
                "ignore body/f",
                "jwt body/g",
                "require accept",
                "sequence stick-last",
                "on_miss passthrough",
                "protobuf_maps true",
                "echo false",
                "fault status=503, every 3",
            ]
        );
        let places: Vec<_> = all.places().map(Place::as_str).collect();
        assert_eq!(places, ["body/a", "body/b", "query.c", "body/d", "body/e", "body/f", "body/g"]);
    }

    #[test]
    fn an_empty_rule_says_nothing_of_all_requests() {
        let empty = rule("{}");
        assert_eq!((empty.about().as_str(), empty.says().len(), empty.is_empty()), ("all requests", 0, true));
    }
}
