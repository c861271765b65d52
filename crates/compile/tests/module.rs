//! The filter that we ship, as the file that it is: what Envoy must find in it, what it may ask of Envoy, and how big it may be.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use understudy_compile::bundle::{
    BundleInfo, EXPORT_LENGTH, EXPORT_READ, IMPORT_LENGTH, IMPORT_MODULE, IMPORT_READ, SECTION, bundle,
    inspect, plain,
};
use understudy_module::RAW;
use wasmparser::{DataKind, Parser, Payload, Validator, WasmFeatures};

/// The plain module may have this many bytes: each proxy loads and compiles it.
const SIZE_BUDGET: usize = 1 << 20;

/// What Envoy looks for besides the callbacks (proxy-wasm ABI 0.2.1), and the two functions of the bundler.
const EXPORTS: [&str; 5] = ["memory", "_initialize", "proxy_abi_version_0_2_1", EXPORT_LENGTH, EXPORT_READ];

/// The callbacks that the filter uses; any other would cost a call into the VM for nothing.
const CALLBACKS: [&str; 12] = [
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_http_call_response",
    "proxy_on_delete",
];

/// What Rust's standard library may ask of Envoy's WASI: no files and no sockets.
const WASI: [&str; 6] =
    ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

type Names = BTreeSet<String>;

#[derive(Debug, Default)]
struct Parts {
    imports: BTreeMap<String, Names>,
    exports: Names,
    customs: Vec<String>,
    passive: Vec<usize>,
}

fn parts(module: &[u8]) -> Parts {
    let mut parts = Parts::default();
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports().map(Result::unwrap) {
                    parts.imports.entry(import.module.to_owned()).or_default().insert(import.name.to_owned());
                }
            }
            Payload::ExportSection(section) => {
                parts.exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
            }
            Payload::DataSection(section) => {
                let segments = section.into_iter().map(Result::unwrap);
                let passive = segments.filter(|segment| matches!(segment.kind, DataKind::Passive));
                parts.passive = passive.map(|segment| segment.data.len()).collect();
            }
            Payload::CustomSection(section) => parts.customs.push(section.name().to_owned()),
            _ => {}
        }
    }
    parts
}

fn names<'a>(of: impl IntoIterator<Item = &'a str>) -> Names {
    of.into_iter().map(str::to_owned).collect()
}

/// What holds for a module that Envoy loads, with a table of `length` bytes in it.
fn check(module: &[u8], length: usize) {
    Validator::new_with_features(WasmFeatures::WASM2).validate_all(module).unwrap();
    let parts = parts(module);
    assert_eq!(parts.exports, names(EXPORTS.into_iter().chain(CALLBACKS)));

    let modules: Vec<_> = parts.imports.keys().map(String::as_str).collect();
    assert_eq!(modules, ["env", "wasi_snapshot_preview1"]);
    assert!(parts.imports["env"].iter().all(|name| name.starts_with("proxy_")), "{:?}", parts.imports["env"]);
    let unknown: Vec<_> = parts.imports["wasi_snapshot_preview1"].difference(&names(WASI)).cloned().collect();
    assert_eq!(unknown, [""; 0], "functions that Envoy may not have");

    assert_eq!(parts.passive, [length]);
    assert_eq!(parts.customs.iter().filter(|name| *name == SECTION).count(), 1);
    assert_eq!(
        parts.customs.first().map(String::as_str),
        Some(SECTION),
        "it comes first, to be read cheaply"
    );
    assert!(!parts.customs.iter().any(|name| name == "producers" || name.starts_with(".debug")));
}

#[test]
fn the_compiled_filter_imports_its_table() {
    let imports = parts(RAW).imports;
    assert_eq!(imports[IMPORT_MODULE], names([IMPORT_LENGTH, IMPORT_READ]));
}

#[test]
fn the_plain_module_is_what_envoy_expects() {
    let module = plain(RAW).unwrap();
    check(&module, 0);
    println!("plain module: {} of {SIZE_BUDGET} bytes", module.len());
    assert!(module.len() <= SIZE_BUDGET, "{} bytes are over the budget of {SIZE_BUDGET}", module.len());
}

#[test]
fn a_bundled_module_differs_by_its_table_alone() {
    let table = support::filler_table(100_000);
    let (plain, info) = (plain(RAW).unwrap(), BundleInfo::default());
    let module = bundle(RAW, &table, &info).unwrap();
    check(&module, table.len());
    assert_eq!(bundle(&plain, &table, &info).unwrap(), module, "over the plain module it is the same");
    assert_eq!(inspect(&module).unwrap().table_bytes(), table);
    // The description, a few lengths.
    assert!(module.len() - plain.len() - table.len() < 300);
}

#[test]
fn no_path_of_the_machine_that_compiled_it_is_inside() {
    let text = String::from_utf8_lossy(RAW);
    let workspace = env!("CARGO_MANIFEST_DIR").strip_suffix("/crates/compile").unwrap();
    for path in [workspace, "/home/", "/root/", "/.cargo/", "registry/src"] {
        let at = text.find(path).map(|at| text[at..].chars().take(80).collect::<String>());
        assert_eq!(at, None, "{path}");
    }
}
