//! `replay.yaml`: comparison, carried values, replaced values and goals. A person writes the file;
//! unknown keys are refused. `docs/reference/replay.md` describes it.

use crate::carry::{CarryRules, RequestPlace};
use crate::error::Error;
use crate::goal::Goal;
use crate::place::At;
use serde::Deserialize;
use std::path::Path;
use understudy_core::rules::{HeaderName, PathPattern, Place, Rule};

/// The format's version.
const VERSION: u32 = 1;

/// Headers of answers that are compared by default.
const HEADERS: [&str; 6] =
    ["allow", "cache-control", "content-language", "content-type", "location", "www-authenticate"];

/// The settings of a replay.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Goals; `None` if the file has none.
    pub goals: Option<Vec<Goal>>,
    /// Headers of answers that are compared.
    pub headers: Vec<String>,
    /// Rules for what doesn't count in answers.
    pub noise: Vec<Rule>,
    /// True if further such rules are learned.
    pub learn_noise: bool,
    /// Rules for carried values.
    pub carry: CarryRules,
    /// Values that are sent instead of recorded ones.
    pub set: Vec<Set>,
}

/// A value that is sent instead of a recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The requests and the place.
    pub at: RequestPlace,
    /// The value.
    pub value: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            goals: None,
            headers: HEADERS.map(str::to_owned).into(),
            noise: Vec::new(),
            learn_noise: true,
            carry: CarryRules::default(),
            set: Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileV1 {
    version: u32,
    #[serde(default)]
    goals: Option<Vec<String>>,
    #[serde(default)]
    compare: CompareV1,
    #[serde(default)]
    carry: CarryV1,
    #[serde(default)]
    set: Vec<SetV1>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CompareV1 {
    headers: Option<Vec<HeaderName>>,
    learn: bool,
    noise: Vec<NoiseV1>,
}

impl Default for CompareV1 {
    fn default() -> Self {
        Self { headers: None, learn: true, noise: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoiseV1 {
    method: Option<String>,
    path: Option<PathPattern>,
    #[serde(default)]
    ignore: Vec<Place>,
    #[serde(default)]
    mask: Vec<Place>,
    #[serde(default)]
    volatile: Vec<Place>,
    #[serde(default)]
    times: Vec<Place>,
    #[serde(default)]
    dates: Vec<Place>,
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CarryV1 {
    learn: bool,
    rules: Vec<CarryRuleV1>,
    never: Vec<String>,
}

impl Default for CarryV1 {
    fn default() -> Self {
        Self { learn: true, rules: Vec::new(), never: Vec::new() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarryRuleV1 {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetV1 {
    at: String,
    value: String,
}

impl Settings {
    /// Reads the text of a `replay.yaml`. `file` is named in errors; `variable` returns the value
    /// of `${NAME}`.
    ///
    /// # Errors
    /// The text is invalid; the error names the place.
    pub fn from_yaml(
        text: &str,
        file: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let bad = |problem: String| Error::Settings { file: file.to_owned(), problem };
        let read: FileV1 = serde_saphyr::from_str(text).map_err(|error| bad(error.to_string()))?;
        if read.version != VERSION {
            return Err(bad(format!(
                "version {} isn't known; this Understudy reads version {VERSION}",
                read.version
            )));
        }
        let goals = read.goals.map(|goals| goals.iter().map(|text| Goal::must(text)).collect());
        let endpoint = |text: &String| RequestPlace::parse(text).map_err(bad);
        let mut carry = CarryRules { off: !read.carry.learn, ..CarryRules::default() };
        for rule in &read.carry.rules {
            carry.rules.push((endpoint(&rule.from)?, endpoint(&rule.to)?));
        }
        carry.never = read.carry.never.iter().map(endpoint).collect::<Result<_, _>>()?;
        let mut set = Vec::new();
        for one in &read.set {
            let value = expand(&one.value, &variable).map_err(bad)?;
            set.push(Set { at: endpoint(&one.at)?, value });
        }
        let headers = read.compare.headers.map(|names| names.into_iter().map(String::from).collect());
        Ok(Self {
            goals: goals.transpose()?,
            headers: headers.unwrap_or_else(|| Self::default().headers),
            noise: read.compare.noise.into_iter().map(Rule::from).collect(),
            learn_noise: read.compare.learn,
            carry,
            set,
        })
    }
}

impl Set {
    /// Sets the value in a request that is selected.
    pub(crate) fn apply(&self, request: &mut understudy_core::exchange::Request) {
        if self.at.is_about(request) && matches!(self.at.at, At::Header(_)) | self.is_there(request) {
            crate::place::set(request, &self.at.at, self.value.as_bytes());
        }
    }

    fn is_there(&self, request: &understudy_core::exchange::Request) -> bool {
        crate::place::of_request(request).iter().any(|(at, _)| *at == self.at.at)
    }
}

impl From<NoiseV1> for Rule {
    fn from(noise: NoiseV1) -> Self {
        let NoiseV1 { method, path, ignore, mask, volatile, times, dates, why } = noise;
        Self { method, path, ignore, mask, volatile, times, dates, why, ..Self::default() }
    }
}

/// Replaces `${NAME}` by variables.
fn expand(text: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, behind) = rest.split_at(at);
        let (name, after) = behind[2..]
            .split_once('}')
            .ok_or_else(|| format!("{text:?}: `${{` without `}}`; write ${{NAME}} for a variable"))?;
        let value = variable(name);
        out.push_str(before);
        out.push_str(&value.ok_or_else(|| format!("the variable {name} isn't set, which {text:?} needs"))?);
        rest = after;
    }
    Ok(out + rest)
}

#[cfg(test)]
mod tests;
