//! How server-side apply sees an object: which maps and lists are one value, and which have parts that different managers can own.

use serde_json::Value;

/// What is known of a place in an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'a> {
    /// The object itself: a custom resource with its schema, or a built-in one.
    Root(Option<&'a Value>),
    /// A place in a custom resource that its schema says something of.
    Schema(&'a Value),
    /// A place in a built-in resource, or in anyone's metadata: how the list or map here is taken.
    BuiltIn(&'static str),
    /// Nothing is known: maps have parts, lists are one value. Servers before 1.21 take maps within an open one whole.
    Free,
}

/// How a value is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As one.
    Whole,
    /// By its keys.
    Map,
    /// A list of objects that these fields tell apart.
    Keyed(Vec<String>),
    /// A list of values, each by itself.
    Set,
}

/// Lists and maps of built-in resources whose form isn't the usual one, by the field's name: the keys of a list, `=` for a set, `!` for a map
/// that is one value. From the `x-kubernetes-list-map-keys`, `-list-type` and `-map-type` of Kubernetes' published OpenAPI document.
const KNOWN: [(&str, &str); 22] = [
    ("conditions", "type"),
    ("containers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("finalizers", "="),
    ("hostAliases", "ip"),
    ("imagePullSecrets", "name"),
    ("initContainers", "name"),
    ("loadBalancerSourceRanges", ""),
    ("matchLabels", "!"),
    ("nodeSelector", "!"),
    ("ownerReferences", "uid"),
    ("podSelector", "!"),
    ("ports", "ports"),
    ("readinessGates", ""),
    ("secrets", "name"),
    ("selector", "!"),
    ("resourceClaims", "name"),
    ("topologySpreadConstraints", "topologyKey,whenUnsatisfiable"),
    ("volumeDevices", "devicePath"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

impl<'a> Shape<'a> {
    /// Of a map's value.
    pub(super) fn field(self, name: &str) -> Self {
        match self {
            Shape::Root(Some(schema)) if name != "metadata" => Shape::Schema(schema).field(name),
            Shape::Schema(schema) => match schema["properties"].get(name) {
                Some(known) => Shape::Schema(known),
                None => schema.get("additionalProperties").map_or(Shape::Free, Shape::Schema),
            },
            Shape::Root(_) | Shape::BuiltIn(_) => {
                let known = KNOWN.iter().find(|(known, _)| *known == name);
                Shape::BuiltIn(known.map_or("", |(_, form)| form))
            }
            Shape::Free => Shape::Free,
        }
    }

    /// Of a list's entry.
    pub(super) fn entry(self) -> Self {
        match self {
            Shape::Schema(schema) => schema.get("items").map_or(Shape::Free, Shape::Schema),
            Shape::BuiltIn(_) => Shape::BuiltIn(""),
            Shape::Root(_) | Shape::Free => Shape::Free,
        }
    }

    /// How `value`, which is here, is taken.
    pub(super) fn form(self, value: &Value) -> Form {
        match (self, value) {
            (Shape::Schema(schema), Value::Object(_)) if schema["x-kubernetes-map-type"] == "atomic" => {
                Form::Whole
            }
            (Shape::BuiltIn("!"), Value::Object(_)) => Form::Whole,
            (_, Value::Object(_)) => Form::Map,
            (Shape::Schema(schema), Value::Array(_)) => match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => Form::Keyed(texts(&schema["x-kubernetes-list-map-keys"])),
                Some("set") => Form::Set,
                _ => Form::Whole,
            },
            (Shape::BuiltIn("="), Value::Array(_)) => Form::Set,
            (Shape::BuiltIn("ports"), Value::Array(ports)) => {
                let of_container = ports.iter().any(|port| port.get("containerPort").is_some());
                Form::Keyed(vec![
                    if of_container { "containerPort" } else { "port" }.into(),
                    "protocol".into(),
                ])
            }
            (Shape::BuiltIn(keys), Value::Array(_)) if !keys.is_empty() => {
                Form::Keyed(keys.split(',').map(str::to_owned).collect())
            }
            _ => Form::Whole,
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A list's entry as a path has it: `k:{"name":"app"}`.
pub(super) fn key_of(entry: &Value, keys: &[String]) -> String {
    let mut sorted: Vec<_> = keys.iter().collect();
    sorted.sort();
    let parts = sorted.into_iter().map(|key| {
        // The one default that a key has.
        let default = if key == "protocol" { Value::from("TCP") } else { Value::Null };
        (key.clone(), entry.get(key).cloned().unwrap_or(default))
    });
    format!("k:{}", Value::Object(parts.collect()))
}

/// The parts of a value that others can own, each with its step of a path; none if it is taken as one.
pub(super) fn parts<'v, 'a>(
    value: &'v Value,
    shape: Shape<'a>,
) -> Option<Vec<(String, &'v Value, Shape<'a>)>> {
    match (shape.form(value), value) {
        (Form::Map, Value::Object(map)) => {
            Some(map.iter().map(|(name, value)| (format!("f:{name}"), value, shape.field(name))).collect())
        }
        (Form::Keyed(keys), Value::Array(list)) => {
            Some(list.iter().map(|entry| (key_of(entry, &keys), entry, shape.entry())).collect())
        }
        (Form::Set, Value::Array(list)) => {
            Some(list.iter().map(|entry| (format!("v:{entry}"), entry, Shape::Free)).collect())
        }
        _ => None,
    }
}
