//! The effect of the resources: they are applied by Istio's rules to a sidecar's configuration as
//! Istio makes it, and run in a real Envoy with a control plane beside it. No cluster is needed.
//! `docs/how-to/istio.md` says what that leaves open.

mod failures;
mod https;
mod istio;
mod sidecar;
mod traffic;
mod unharmed;

use istio::{Agent, Workload};
use serde_json::{Value, json};
use sidecar::Endpoints;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use understudy_compile::bundle::{BundleInfo, bundle};
use understudy_compile::table::TableBuilder;
use understudy_core::table::shelf;
use understudy_istio::{Collector, Module, ROOT_NAMESPACE, Respond, Scope, Tap};
use understudy_snapshot::Header;
use understudy_testkit::Recorded;

fn module() -> Module {
    Module::new("oci://registry.test/mocks:1", None).expect("a module")
}

/// The workload under test, in the namespace `payments` with the label `app: payment`, and its
/// annotations.
fn payment(annotations: Value) -> (Workload, Value) {
    workload("payments", "payment", annotations)
}

fn workload(namespace: &str, app: &str, annotations: Value) -> (Workload, Value) {
    let labels = [("app".to_owned(), app.to_owned())].into();
    (Workload { namespace: namespace.to_owned(), labels }, annotations)
}

fn scope() -> Scope {
    Scope::namespace("payments").and_then(|scope| scope.with_label("app=payment")).expect("a scope")
}

fn mesh() -> Scope {
    Scope::namespace(ROOT_NAMESPACE).expect("a scope")
}

fn tap(scope: Scope, collector: SocketAddr) -> Vec<Value> {
    let collector = Collector::new(&collector.to_string(), false).expect("a collector");
    let service = Some("payment".to_owned());
    Tap { scope, module: module(), collector, inbound: true, service, https: None }.resources()
}

fn respond(scope: Scope, opt_in: bool) -> Vec<Value> {
    let (snapshot, on_miss, collector, service) = (None, None, None, None);
    let mocks = Vec::new();
    Respond { scope, module: module(), opt_in, snapshot, mocks, on_miss, collector, service, https: None }
        .resources()
}

fn opted_in() -> Value {
    json!({ "replay.speedscale.com/mode": "responder-only" })
}

/// A backend at this address, and an app without callers.
fn backend(at: SocketAddr) -> Endpoints {
    Endpoints { backend: at, app: ([127, 0, 0, 1], 9).into(), h2: false, entry: None, collector: None }
}

/// An agent that fetches the filter with these exchanges. The folder has to outlive the agent.
fn fetches(exchanges: Vec<Recorded>) -> (Agent, TempDir) {
    holds(&filter(exchanges))
}

fn filter(exchanges: Vec<Recorded>) -> Vec<u8> {
    match exchanges.is_empty() {
        true => module_of(&[]),
        false => module_of(&[table("payment", exchanges)]),
    }
}

/// The table of a snapshot.
fn table(name: &str, exchanges: Vec<Recorded>) -> Vec<u8> {
    table_of(&Header { name: name.to_owned(), ..Header::default() }, exchanges)
}

fn table_of(header: &Header, exchanges: Vec<Recorded>) -> Vec<u8> {
    let mut builder = TableBuilder::new(header);
    for (number, exchange) in (1..).zip(exchanges) {
        builder.push(&exchange.exchange(number)).expect("an exchange");
    }
    builder.finish().expect("a table").bytes
}

fn module_of(tables: &[Vec<u8>]) -> Vec<u8> {
    let bytes = if tables.is_empty() { Vec::new() } else { shelf(tables).expect("a shelf") };
    bundle(understudy_module::RAW, &bytes, &BundleInfo::default()).expect("a module")
}

fn holds(module: &[u8]) -> (Agent, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("module.wasm");
    std::fs::write(&path, module).expect("a module");
    (Agent::Fetches(path), folder)
}
