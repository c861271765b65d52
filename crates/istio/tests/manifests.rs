//! The files in `envoy/istio` are the resources of default settings, and the filter accepts their
//! configuration. `BLESS=1` rewrites the files. `tests/schemas` holds them against the published
//! schemas of Istio and Kubernetes.

use serde_json::Value;
use std::path::PathBuf;
use understudy_istio::{
    Certificates, Collector, Https, Module, ROOT_NAMESPACE, Respond, Scope, Simple, Tap, pod_patch, removal,
    to_yaml,
};

const COLLECTOR: &str = "understudy-collector.understudy.svc.cluster.local:4440";

fn payment() -> Scope {
    Scope::namespace("payments").and_then(|scope| scope.with_label("app=payment")).unwrap()
}

fn tap() -> Tap {
    let module = Module::new("oci://registry.example/understudy:0.1.0", None).unwrap();
    let collector = Collector::new(COLLECTOR, false).unwrap();
    Tap {
        scope: payment(),
        module,
        collector,
        inbound: true,
        service: Some("payment".to_owned()),
        https: None,
    }
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
        https: None,
    }
}

fn opt_in() -> Respond {
    let scope = Scope::namespace(ROOT_NAMESPACE).unwrap();
    let collector = Some(Collector::new(COLLECTOR, true).unwrap());
    Respond { scope, opt_in: true, service: None, collector, on_miss: Some("fail".to_owned()), ..respond() }
}

fn https() -> Option<Https> {
    Some(Https::new(["api.stripe.com", "api.hubapi.com"], 443, None).unwrap())
}

/// Placeholders instead of certificates, which are new each time.
fn certificates() -> Certificates {
    let [chain, key, authority, bundle] =
        ["the certificate", "its key", "the authority", "the authority and the system's roots"]
            .map(|what| format!("({what}: PEM)\n"));
    Certificates { scope: payment(), chain, key, authority, bundle }
}

/// The files, each with its command and resources.
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
            Tap { inbound: false, ..tap() }.simple(Simple::WasmPlugin).unwrap(),
        ),
        (
            "tap-simple-1.30.yaml",
            "istio tap -n payments --service payment --simple=traffic-extension --module oci://registry.example/understudy:0.1.0",
            Tap { inbound: false, ..tap() }.simple(Simple::TrafficExtension).unwrap(),
        ),
        (
            "https/certificates.yaml",
            "istio certificates -n payments --service payment --https api.stripe.com,api.hubapi.com",
            certificates().resources(),
        ),
        (
            "https/pod-patch.yaml",
            "istio pod-patch -n payments --service payment --container payment",
            vec![pod_patch(&payment(), "payment")],
        ),
        (
            "https/tap.yaml",
            "istio tap -n payments --service payment --https api.stripe.com,api.hubapi.com --module oci://registry.example/understudy:0.1.0",
            Tap { inbound: false, https: https(), ..tap() }.resources(),
        ),
        (
            "https/respond.yaml",
            "istio respond -n payments --service payment --https api.stripe.com,api.hubapi.com --module oci://registry.example/payment-mocks:1",
            Respond { https: https(), ..respond() }.resources(),
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
fn files_are_the_resources_of_their_commands() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy/istio"));
    for (name, command, resources) in files() {
        let text = format!("# understudy {command}\n{}", to_yaml(&resources));
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let known = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(known, text, "{name}: BLESS=1 rewrites it");
    }
}

#[test]
fn removal_names_every_created_resource() {
    let removed: Vec<_> = removal(&payment()).iter().map(identity).collect();
    let simple = |form| Tap { inbound: false, ..tap() }.simple(form).unwrap();
    let made = [
        Tap { https: https(), ..tap() }.resources(),
        Respond { https: https(), ..respond() }.resources(),
        simple(Simple::WasmPlugin),
        simple(Simple::TrafficExtension),
    ];
    for resource in made.concat() {
        assert!(removed.contains(&identity(&resource)), "{resource}");
    }
    assert_eq!(removed.len(), 6);
}

fn identity(resource: &Value) -> [Value; 4] {
    let metadata = &resource["metadata"];
    [&resource["apiVersion"], &resource["kind"], &metadata["name"], &metadata["namespace"]].map(Value::clone)
}

/// All values of a key, at any depth.
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
fn filter_accepts_each_configuration() {
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
    assert_eq!(count, 8);
}

#[test]
fn stub_and_annotations_match_the_filter() {
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
    find(&resources[0], "value_match", &mut matches);
    matches.retain(|value| value["safe_regex"]["regex"].as_str().is_some_and(|regex| regex.contains(expect)));
    assert_eq!(matches.len(), workload::GROUPS.len());
}

/// Runs the edits that the container of an Envoy beside the app makes to the files in `envoy/`.
#[test]
fn envoy_beside_the_app_avoids_istios_ports() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy"));
    let text = std::fs::read_to_string(root.join("istio/https/own-envoy.yaml")).unwrap();
    let patch: Value = serde_saphyr::from_str(&text).unwrap();
    let containers = patch["spec"]["template"]["spec"]["initContainers"].as_array().unwrap();
    let named = |name: &str| containers.iter().find(|container| container["name"] == name).unwrap();
    let envoy = named("understudy-envoy");
    assert_eq!(envoy["image"], format!("envoyproxy/envoy:v{}", understudy_envoy::TESTED_VERSION));

    let folder = tempfile::tempdir().unwrap();
    let script = envoy["command"][2].as_str().unwrap();
    let (edit, rest) = script.split_once("until").unwrap();
    let place = |path: &std::path::Path| format!("{}/", path.display());
    // The checkout itself may lie in /tmp.
    let edit = edit.replace("/tmp/", &place(folder.path())).replace("/config/", &place(&root));
    let status = std::process::Command::new("sh").args(["-c", &edit]).status().unwrap();
    assert!(status.success(), "{edit}");
    let [tap, sidecar] = ["envoy.yaml", "sidecar.yaml"].map(|name| {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(
            !text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains("1500")),
            "{text}"
        );
        text
    });
    let redirect = named("understudy-redirect")["args"].as_array().unwrap().last().unwrap();
    assert!(sidecar.contains(&format!("port_value: {}", redirect.as_str().unwrap())), "{sidecar}");
    let (host, port) = COLLECTOR.split_once(':').unwrap();
    assert!(tap.contains(&format!("address: {host}, port_value: {port}")), "{tap}");
    let socket = &named("understudy-certificates")["args"][3];
    let socket = socket.as_str().unwrap();
    assert!(tap.contains(&format!("path: {socket}")) && rest.contains(socket), "{tap}");
}
