//! Custom resources against their schema: what it doesn't know is pruned, defaults are filled in, and what breaks it is refused. Rules in CEL
//! (`x-kubernetes-validations`) and `allOf`, `anyOf`, `oneOf`, `not` aren't looked at.

use serde_json::Value;

/// A field's path, and what is wrong with it.
pub(super) type Errors = Vec<(String, String)>;

/// Takes away what the schema doesn't know. An object's `apiVersion`, `kind` and `metadata` are known anyway.
pub(super) fn prune(value: &mut Value, schema: &Value, root: bool) {
    let open = schema["x-kubernetes-preserve-unknown-fields"] == true;
    match value {
        Value::Object(map) => {
            let known =
                |name: &str| schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
            let always = |name: &str| root && ["apiVersion", "kind", "metadata"].contains(&name);
            map.retain(|name, _| open || always(name) || known(name).is_some());
            for (name, value) in map.iter_mut().filter(|(name, _)| !always(name)) {
                if let Some(schema) = known(name) {
                    prune(value, schema, false);
                }
            }
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                list.iter_mut().for_each(|entry| prune(entry, schema, false));
            }
        }
        _ => {}
    }
}

/// Fills in defaults.
pub(super) fn fill(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = schema.get("default") {
                    // A null where none may be is as if it weren't there.
                    let absent =
                        map.get(name).is_none_or(|value| value.is_null() && schema["nullable"] != true);
                    if absent {
                        map.insert(name.clone(), default.clone());
                    }
                }
                if let Some(value) = map.get_mut(name) {
                    fill(value, schema);
                }
            }
            if let Some(schema) = schema.get("additionalProperties") {
                map.values_mut().for_each(|value| fill(value, schema));
            }
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                list.iter_mut().for_each(|entry| fill(entry, schema));
            }
        }
        _ => {}
    }
}

/// Says what breaks the schema.
pub(super) fn check(value: &Value, schema: &Value, path: &str, errors: &mut Errors) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let mut wrong = |message: String| errors.push((path.trim_start_matches('.').to_owned(), message));
    if let Some(expected) = mistyped(value, schema) {
        wrong(format!("Invalid value: {:?}: must be of type {expected}", kind_of(value)));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
        wrong(format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")));
    }
    for message in bounds(value, schema) {
        wrong(format!("Invalid value: {value}: {message}"));
    }
    match value {
        Value::Object(map) => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !map.contains_key(name) {
                    errors.push((
                        format!("{path}.{name}").trim_start_matches('.').into(),
                        "Required value".into(),
                    ));
                }
            }
            for (name, value) in map {
                let known = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
                if let Some(schema) = known {
                    check(value, schema, &format!("{path}.{name}"), errors);
                }
            }
        }
        Value::Array(list) => {
            if let Some(schema) = schema.get("items") {
                let each = list.iter().enumerate();
                each.for_each(|(index, entry)| check(entry, schema, &format!("{path}[{index}]"), errors));
            }
            repeated(list, schema, path, errors);
        }
        _ => {}
    }
}

/// Two entries of a list that its keys don't tell apart.
fn repeated(list: &[Value], schema: &Value, path: &str, errors: &mut Errors) {
    let form = crate::shape::Shape::Schema(schema);
    let list = Value::Array(list.to_vec());
    let mut seen = std::collections::BTreeSet::new();
    for (index, (step, ..)) in crate::shape::parts(&list, form).into_iter().flatten().enumerate() {
        if !seen.insert(step.clone()) {
            let path = format!("{path}[{index}]");
            errors
                .push((path.trim_start_matches('.').to_owned(), format!("Duplicate value: {}", &step[2..])));
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The type that it should have been.
fn mistyped(value: &Value, schema: &Value) -> Option<String> {
    let is = kind_of(value);
    if schema["x-kubernetes-int-or-string"] == true {
        return (!["integer", "string"].contains(&is)).then(|| "integer or string".into());
    }
    let expected = schema["type"].as_str()?;
    let fits = is == expected || (expected == "number" && is == "integer");
    (!fits).then(|| expected.to_owned())
}

/// What is too small, too large, too long, too short, or of another form.
fn bounds(value: &Value, schema: &Value) -> Vec<String> {
    let limit = |name: &str| schema[name].as_f64();
    let mut said = Vec::new();
    let mut between = |measure: f64, least: &str, most: &str, what: &str| {
        if let Some(least) = limit(least).filter(|least| measure < *least) {
            said.push(format!("{what} should be greater than or equal to {least}"));
        }
        if let Some(most) = limit(most).filter(|most| measure > *most) {
            said.push(format!("{what} should be less than or equal to {most}"));
        }
    };
    match value {
        Value::Number(number) => {
            between(number.as_f64().unwrap_or_default(), "minimum", "maximum", "it");
        }
        Value::String(text) => between(text.chars().count() as f64, "minLength", "maxLength", "its length"),
        Value::Array(list) => between(list.len() as f64, "minItems", "maxItems", "the number of its items"),
        Value::Object(map) => {
            between(map.len() as f64, "minProperties", "maxProperties", "the number of its properties");
        }
        _ => {}
    }
    if let (Some(text), Some(pattern)) = (value.as_str(), schema["pattern"].as_str()) {
        let pattern = regex::Regex::new(pattern).expect("a pattern of a schema");
        if !pattern.is_match(text) {
            said.push(format!("it should match '{pattern}'"));
        }
    }
    said
}
