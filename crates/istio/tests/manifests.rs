//! The files in `envoy/istio` are what the settings give, and what the resources say of the filter is what the filter knows.
//! `BLESS=1` writes them anew. `tests/schemas` holds them against the published schemas of Istio and Kubernetes.

use serde_json::Value;
use std::path::PathBuf;
use understudy_istio::{Collector, Module, ROOT_NAMESPACE, Respond, Scope, Tap, removal, to_yaml};

const COLLECTOR: &str = "understudy-collector.understudy.svc.cluster.local:4440";

fn payment() -> Scope {
    Scope::namespace("payments").and_then(|scope| scope.with_label("app=payment")).unwrap()
}

fn tap() -> Tap {
    let module = Module::new("oci://registry.example/understudy:0.1.0", None).unwrap();
    let collector = Collector::new(COLLECTOR, false).unwrap();
    Tap { scope: payment(), module, collector, inbound: true, service: Some("payment".to_owned()) }
}

fn respond() -> Respond {
    Respond {
        scope: payment(),
        module: Module::new("oci://registry.example/payment-mocks:1", None).unwrap(),
        opt_in: false,
        snapshot: None,
        mocks: Vec::new(),
        on_miss: None,
        collector: None,
        service: Some("payment".to_owned()),
    }
}

fn opt_in() -> Respond {
    let scope = Scope::namespace(ROOT_NAMESPACE).unwrap();
    let collector = Some(Collector::new(COLLECTOR, true).unwrap());
    Respond { scope, opt_in: true, service: None, collector, on_miss: Some("fail".to_owned()), ..respond() }
}

/// The files, and by which command each is made.
fn files() -> Vec<(&'static str, &'static str, Vec<Value>)> {
    vec![
        (
            "tap.yaml",
            "istio tap -n payments --service payment --inbound --module oci://registry.example/understudy:0.1.0",
            tap().resources(),
        ),
        (
            "tap-simple.yaml",
            "istio tap -n payments --service payment --simple --module oci://registry.example/understudy:0.1.0",
            Tap { inbound: false, ..tap() }.simple().unwrap(),
        ),
        (
            "respond.yaml",
            "istio respond -n payments --service payment --module oci://registry.example/payment-mocks:1",
            respond().resources(),
        ),
        (
            "respond-opt-in.yaml",
            "istio respond --mesh --opt-in --on-miss fail --module oci://registry.example/payment-mocks:1 \
             --through-mesh --collector understudy-collector.understudy.svc.cluster.local:4440",
            opt_in().resources(),
        ),
        ("remove.yaml", "istio remove -n payments --service payment", removal(&payment())),
    ]
}

#[test]
fn the_files_are_what_the_settings_give() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy/istio"));
    for (name, command, resources) in files() {
        let text = format!("# understudy {command}\n{}", to_yaml(&resources));
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(known, text, "{name}: BLESS=1 writes it anew");
    }
}

#[test]
fn what_is_removed_is_what_was_made() {
    let removed: Vec<_> = removal(&payment()).iter().map(identity).collect();
    let made = [tap().resources(), Tap { inbound: false, ..tap() }.simple().unwrap(), respond().resources()];
    for resource in made.concat() {
        assert!(removed.contains(&identity(&resource)), "{resource}");
    }
    assert_eq!(removed.len(), 3);
}

fn identity(resource: &Value) -> [Value; 4] {
    let metadata = &resource["metadata"];
    [&resource["apiVersion"], &resource["kind"], &metadata["name"], &metadata["namespace"]].map(Value::clone)
}

/// The values of a key, however deep.
fn find<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get(key));
            object.values().for_each(|value| find(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| find(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_filter_takes_each_configuration() {
    let mut count = 0;
    for (name, _, resources) in files() {
        for resource in &resources {
            let (mut plugins, mut simple) = (Vec::new(), Vec::new());
            find(resource, "configuration", &mut plugins);
            find(resource, "pluginConfig", &mut simple);
            let texts = plugins.iter().map(|plugin| plugin["value"].as_str().unwrap().to_owned());
            for text in texts.chain(simple.iter().map(ToString::to_string)) {
                understudy_core::config::Config::from_json(text.as_bytes())
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                count += 1;
            }
        }
    }
    assert_eq!(count, 5);
}

#[test]
fn stub_and_annotations_are_those_of_the_filter() {
    use understudy_core::{engine, workload};
    let resources = opt_in().resources();
    let text = serde_json::to_string(&resources).unwrap();
    assert!(
        text.contains(&format!(
            "\":authority\",\"string_match\":{{\"exact\":\"{}\"}}",
            engine::STUB_AUTHORITY
        ))
    );
    assert!(text.contains(&format!("\"key\":\"{}\"", engine::STUB_HEADER)));
    for group in workload::GROUPS {
        assert!(text.contains(&format!("ANNOTATIONS['{group}/{}']", workload::MODE)), "{group}");
    }
    let (mut matches, expect) = (Vec::new(), workload::RESPONDER_ONLY);
    find(&resources[0], "string_match", &mut matches);
    matches.retain(|value| value["exact"] == expect);
    assert_eq!(matches.len(), workload::GROUPS.len());
}
