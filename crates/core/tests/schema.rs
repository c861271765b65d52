//! The published schema of the filter's configuration has the same keys, defaults and bounds as the
//! filter.
//!
//! No validator is needed: each statement of the schema is tried on the reader itself. The test
//! derives all cases from the schema, so that a key that only one of the two has fails here.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use understudy_core::config::Config;

const SCHEMA: &str = include_str!("../../../docs/reference/filter-configuration.schema.json");

/// The four objects of the configuration: the pointer to each in the schema, and a function that
/// makes a complete configuration of its keys.
const OBJECTS: [(&str, Whole); 4] = [
    ("", Value::Object),
    ("/$defs/backend", |keys| json!({ "backends": { "http://h": keys }, "collector": { "cluster": "c" } })),
    ("/$defs/collector", |keys| json!({ "collector": keys })),
    ("/$defs/redaction", |keys| json!({ "redaction": keys })),
];

type Whole = fn(Map<String, Value>) -> Value;

fn schema(pointer: &str) -> Value {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    schema.pointer(pointer).unwrap_or_else(|| panic!("the schema has no {pointer}")).clone()
}

fn properties(pointer: &str) -> Map<String, Value> {
    schema(pointer)["properties"].as_object().unwrap().clone()
}

fn read(config: &Value) -> Result<Config, String> {
    Config::from_json(config.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// Keys that an object needs for the tested key to be valid: required keys, and limits that must be
/// larger than others.
fn companions(pointer: &str, key: &str) -> Map<String, Value> {
    let mut keys = match pointer {
        "/$defs/backend" => json!({ "mode": "mock" }),
        "/$defs/collector" => {
            json!({ "cluster": "c", "batch_max_bytes": 1024, "queue_max_bytes": u32::MAX })
        }
        "/$defs/redaction" => json!({}),
        _ => json!({ "collector": { "cluster": "c" }, "body_cap_bytes": 1, "memory_max_bytes": u32::MAX }),
    };
    keys.as_object_mut().unwrap().remove(key);
    keys.as_object().unwrap().clone()
}

fn with(pointer: &str, whole: Whole, key: &str, value: Value) -> Result<Config, String> {
    let mut keys = companions(pointer, key);
    keys.insert(key.to_owned(), value);
    read(&whole(keys))
}

#[test]
fn schema_keys_equal_reader_keys() {
    for (pointer, whole) in OBJECTS {
        let stated: BTreeSet<_> = properties(pointer).keys().cloned().collect();
        // For an unknown key the reader lists all known keys.
        let error = with(pointer, whole, "no such key", json!(0)).unwrap_err();
        let (_, list) = error.split_once("unknown field `no such key`, expected ").unwrap();
        let known: BTreeSet<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(stated, known, "{pointer}");
        assert_eq!(schema(pointer)["additionalProperties"], json!(false), "{pointer}");
    }
}

#[test]
fn schema_required_keys_equal_reader_required_keys() {
    for (pointer, whole) in OBJECTS {
        let stated: BTreeSet<_> = schema(pointer)["required"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        for key in properties(pointer).keys() {
            let error = read(&whole(companions(pointer, key))).err();
            let required = error.is_some_and(|error| error.contains(&format!("missing field `{key}`")));
            assert_eq!(stated.contains(key), required, "{pointer} {key}");
        }
    }
}

#[test]
fn schema_defaults_equal_reader_defaults() {
    for (pointer, whole) in OBJECTS {
        let minimal: Map<String, Value> = companions(pointer, "")
            .into_iter()
            .filter(|(key, _)| {
                schema(pointer)["required"].as_array().is_some_and(|all| all.contains(&json!(key)))
            })
            .collect();
        let mut spelled = minimal.clone();
        for (key, property) in properties(pointer) {
            match property.get("default") {
                Some(default) => drop(spelled.insert(key, default.clone())),
                None => assert!(
                    minimal.contains_key(&key),
                    "{pointer}: {key} is neither required nor has a default"
                ),
            }
        }
        assert_eq!(read(&whole(spelled)), read(&whole(minimal)), "{pointer}");
    }
    assert_eq!(read(&json!({})).unwrap(), Config::default());
}

#[test]
fn schema_bounds_and_values_equal_reader_bounds_and_values() {
    for (pointer, whole) in OBJECTS {
        for (key, property) in properties(pointer) {
            let check = |value: Value, good: bool| {
                let outcome = with(pointer, whole, &key, value.clone());
                assert_eq!(outcome.is_ok(), good, "{pointer} {key}: {value}: {outcome:?}");
            };
            check(json!([]), property["type"] == "array");
            if property["type"] == "array" {
                check(json!(["a"]), true);
                check(json!([0]), false);
                check(json!([""]), false);
            }
            for value in property["enum"].as_array().into_iter().flatten() {
                check(value.clone(), true);
            }
            if property.get("enum").is_some() {
                check(json!("another"), false);
            }
            if let Some(least) = property["minimum"].as_u64() {
                check(json!(least), true);
                check(json!(least - 1), false);
            }
            if let Some(most) = property["maximum"].as_u64() {
                check(json!(most), true);
                check(json!(most + 1), false);
            }
            if property["type"] == "integer" {
                assert!(
                    property.get("minimum").is_some() && property.get("maximum").is_some(),
                    "{pointer} {key}"
                );
            }
        }
    }
}

#[test]
fn schema_conditions_and_patterns_equal_reader_checks() {
    let check = |config: Value, good: bool| {
        let outcome = read(&config);
        assert_eq!(outcome.is_ok(), good, "{config}: {outcome:?}");
    };
    // `if` and `then`.
    check(json!({ "default": "tap" }), false);
    check(json!({ "default": "tap", "collector": null }), false);
    check(json!({ "on_miss": "capture" }), false);
    check(json!({ "backends": { "http://h": { "mode": "tap" } } }), false);
    check(json!({ "backends": { "http://h": { "mode": "mock", "on_miss": "capture" } } }), false);
    check(json!({ "default": "tap", "collector": { "cluster": "c" } }), true);
    // `minLength` and `pattern`.
    check(json!({ "collector": { "cluster": "" } }), false);
    check(json!({ "collector": { "cluster": "c", "path": "v1" } }), false);
    check(json!({ "collector": { "cluster": "c", "path": "/" } }), true);
    // The latency's `pattern`.
    for good in ["none", "recorded", "0x", "0.5x", "12.125x", "1000x", "1000.000x"] {
        check(json!({ "latency": good }), true);
        check(json!({ "backends": { "http://h": { "mode": "mock", "latency": good } } }), true);
    }
    for bad in ["", "x", "1", "1000.001x", "1001x", "0.0001x", "-1x", "RECORDED"] {
        check(json!({ "latency": bad }), false);
    }
    // `propertyNames`.
    let backend = |name: &str, good: bool| check(json!({ "backends": { name: { "mode": "off" } } }), good);
    for good in ["http://h", "https://h:80", "http://h:443", "http://[::1]:8080", "http://h:8080"] {
        backend(good, true);
    }
    for bad in
        ["h", "http://", "http://h/", "http://H", "HTTP://h", "http://u@h", "http://h:80", "https://h:443"]
    {
        backend(bad, false);
    }
}
