//! The files in `envoy/` agree with each other and with the repository. No Envoy runs here.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn yaml(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join("envoy").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn common_parts_of_the_two_bootstraps_are_equal() {
    let (tap, responder) = (yaml("envoy.yaml"), yaml("responder.yaml"));
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let same =
        ["/node", "/admin", "/bootstrap_extensions", "/stats_config"].map(str::to_owned).into_iter().chain(
            [
                "/static_resources/listeners/0/address",
                "/static_resources/listeners/0/per_connection_buffer_limit_bytes",
                "/static_resources/listeners/1/per_connection_buffer_limit_bytes",
                "/static_resources/listeners/1/listener_filters",
                "/static_resources/listeners/1/listener_filters_timeout",
                "/static_resources/listeners/1/access_log",
                "/static_resources/listeners/1/filter_chains/0/filter_chain_match",
                "/static_resources/listeners/1/filter_chains/0/transport_socket",
                "/static_resources/listeners/1/filter_chains/1/filter_chain_match",
            ]
            .map(str::to_owned),
        );
    let in_manager = [
        "http_filters/2/typed_config/config/vm_config",
        "http2_protocol_options",
        "common_http_protocol_options",
        "max_request_headers_kb",
        "server_header_transformation",
        "generate_request_id",
        "normalize_path",
    ];
    for pointer in same.chain(in_manager.map(|name| format!("{manager}/{name}"))) {
        assert!(tap.pointer(&pointer).is_some(), "{pointer}");
        assert_eq!(tap.pointer(&pointer), responder.pointer(&pointer), "{pointer}");
    }
}

#[test]
fn compose_files_mount_existing_paths_and_pin_the_tested_envoy() {
    for (file, mounts) in [("docker-compose.yaml", 3), ("docker-compose.sidecar.yaml", 6)] {
        let compose = yaml(file);
        let services = compose["services"].as_object().unwrap();
        let image = format!("envoyproxy/envoy:v{}", understudy_envoy::TESTED_VERSION);
        assert_eq!(services["envoy"]["image"], image, "{file}");
        let of = |service: &Value| service["volumes"].as_array().cloned().unwrap_or_default();
        let binds: Vec<_> = services.values().flat_map(of).filter(Value::is_object).collect();
        for mount in &binds {
            let (source, target) = (mount["source"].as_str().unwrap(), mount["target"].as_str().unwrap());
            assert_eq!(mount["bind"]["create_host_path"], false, "{file}: {source}");
            assert!(
                source.starts_with("../target/") || root().join("envoy").join(source).exists(),
                "{source}"
            );
            // A mounted file has the same path in the container as in the repository, so that the
            // paths in envoy.yaml are valid.
            if let Ok(inside) = Path::new(target).strip_prefix("/understudy") {
                assert!(Path::new("envoy").join(source).ends_with(inside.file_name().unwrap()), "{source}");
                assert!(inside.starts_with("target") || root().join(inside).exists(), "{target}");
            }
        }
        assert_eq!(binds.len(), mounts, "{file}");
        assert_eq!(services["envoy"]["working_dir"], "/understudy", "{file}");
    }
}

#[test]
fn inbound_listener_changes_as_little_as_the_outbound_one() {
    let tap = yaml("envoy.yaml");
    let listener = |name: &str| {
        let listeners = tap["static_resources"]["listeners"].as_array().unwrap();
        listeners.iter().find(|listener| listener["name"] == name).unwrap().clone()
    };
    let (way_out, way_in) = (listener("proxy"), listener("inbound"));
    let manager =
        |listener: &Value| listener.pointer("/filter_chains/0/filters/0/typed_config").unwrap().clone();
    let (out, own) = (manager(&way_out), manager(&way_in));
    // Parts that only one of the two has: the destination, and the expected content of each.
    let apart = [
        "stat_prefix",
        "http_filters",
        "route_config",
        "upgrade_configs",
        "local_reply_config",
        "http_protocol_options",
        "http2_protocol_options",
    ];
    let keys = out.as_object().unwrap().keys().chain(own.as_object().unwrap().keys());
    for key in keys.filter(|key| !apart.contains(&key.as_str())) {
        assert_eq!(out[key], own[key], "{key}");
    }
    for key in out["http_protocol_options"].as_object().unwrap().keys() {
        assert_eq!(out["http_protocol_options"][key], own["http_protocol_options"][key], "{key}");
    }
    for key in ["per_connection_buffer_limit_bytes", "enable_reuse_port"] {
        assert_eq!(way_out[key], way_in[key], "{key}");
    }
    let filter = &own["http_filters"][0]["typed_config"]["config"];
    let config: Value = serde_json::from_str(filter["configuration"]["value"].as_str().unwrap()).unwrap();
    let address = &way_in["address"]["socket_address"];
    let port = address["port_value"].as_u64().unwrap();
    assert_eq!(config["listener"], format!("{}:{port}", address["address"].as_str().unwrap()));
    assert_eq!(config["direction"], "inbound");
}

#[test]
fn sidecar_script_and_compose_file_agree() {
    let (sidecar, compose) = (yaml("sidecar.yaml"), yaml("docker-compose.sidecar.yaml"));
    let script = std::fs::read_to_string(root().join("envoy/redirect.sh")).unwrap();
    let listener = &sidecar["static_resources"]["listeners"][0];
    let port = &listener["address"]["socket_address"]["port_value"];
    assert_eq!(&listener["additional_addresses"][0]["address"]["socket_address"]["port_value"], port);
    assert_eq!(&listener["filter_chains"][0]["filter_chain_match"]["destination_port"], port);
    assert!(script.contains(&format!("\nLISTENER={port} ")), "{port}");
    let services = &compose["services"];
    let user = services["envoy"]["user"].as_str().unwrap();
    assert_eq!(services["certificates"]["user"], user);
    let uid = user.split(':').next().unwrap();
    assert_eq!(services["redirect"]["command"].as_array().unwrap()[3..], ["--uid", uid]);
}
