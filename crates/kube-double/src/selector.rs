//! Label and field selectors.

use crate::failure::Failure;
use serde_json::Value;

/// Which objects are meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// From `labelSelector` and `fieldSelector`.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, Failure> {
        Ok(Self {
            labels: split(labels).into_iter().map(|term| requirement(&term)).collect::<Result<_, _>>()?,
            fields: split(fields).into_iter().map(|term| field(&term)).collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &String| labels.get(key).and_then(Value::as_str);
        let holds = |requirement: &Requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        };
        let pointed = |path: &str| {
            let value = object.pointer(&format!("/{}", path.replace('.', "/")));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        self.labels.iter().all(holds)
            && self.fields.iter().all(|(path, value, equal)| (pointed(path) == value) == *equal)
    }
}

/// At commas that aren't in parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut terms, mut depth) = (vec![String::new()], 0);
    for character in text.chars() {
        depth += i32::from(character == '(') - i32::from(character == ')');
        match terms.last_mut() {
            Some(term) if character != ',' || depth > 0 => term.push(character),
            _ => terms.push(String::new()),
        }
    }
    terms.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn requirement(term: &str) -> Result<Requirement, Failure> {
    let wrong = || Failure::bad_request(format!("unable to parse requirement: {term:?}"));
    let values = |list: &str| -> Result<Vec<String>, Failure> {
        let inner =
            list.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).ok_or_else(wrong)?;
        Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    let own = |text: &str| text.trim().to_owned();
    if let Some((key, list)) = term.split_once(" notin ") {
        return Ok(Requirement::NotIn(own(key), values(list)?));
    }
    if let Some((key, list)) = term.split_once(" in ") {
        return Ok(Requirement::In(own(key), values(list)?));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(Requirement::NotIn(own(key), vec![own(value)]));
    }
    if let Some((key, value)) = term.split_once('=') {
        return Ok(Requirement::In(own(key), vec![own(value.trim_start_matches('='))]));
    }
    match term.strip_prefix('!') {
        Some(key) => Ok(Requirement::Absent(own(key))),
        None => Ok(Requirement::Exists(own(term))),
    }
}

fn field(term: &str) -> Result<(String, String, bool), Failure> {
    if let Some((path, value)) = term.split_once("!=") {
        return Ok((path.to_owned(), value.to_owned(), false));
    }
    let (path, value) = term
        .split_once('=')
        .ok_or_else(|| Failure::bad_request(format!("invalid selector: {term:?}; can't understand it")))?;
    Ok((path.to_owned(), value.trim_start_matches('=').to_owned(), true))
}
