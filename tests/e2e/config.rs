//! The filter's configuration: what is refused, what each setting does, and changes while requests
//! come in.

use crate::requests::head;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use understudy_compile::bundle::inspect;
use understudy_core::table::MAGIC;
use understudy_core::verdict::{Kind, Reason};
use understudy_testkit::{Connection, Rig, RigBuilder, Upstream, eventually, get, recorded};

#[track_caller]
fn refused(started: Result<Rig, understudy_envoy::Error>) -> String {
    match started {
        Ok(_) => panic!("Envoy starts"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_bad_configuration_refuses_to_start_and_names_the_key() {
    for (key, value, expect) in [
        ("defualt", json!("tap"), "unknown field `defualt`"),
        ("default", json!("tape"), "unknown variant `tape`"),
        ("default", json!("tap"), "`default`: `tap` needs a `collector`"),
        (
            "backends",
            json!({ "http://a.test": { "mode": "mock", "on_mis": "fail" } }),
            "unknown field `on_mis`",
        ),
        ("body_cap_bytes", json!(0), "`body_cap_bytes`: must be between"),
    ] {
        let said = refused(Rig::responder().config(key, value).try_start().await);
        assert!(said.contains(expect), "{said}");
    }
}

#[tokio::test]
async fn a_plain_filter_without_any_configuration_lets_everything_through() {
    let upstream = Upstream::ok().await;
    let rig = Rig::responder()
        .with_backends()
        .map(upstream.map("api.test"))
        .edit(|bootstrap| {
            let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
            let filters = bootstrap.pointer_mut(manager).and_then(Value::as_array_mut).expect("filters");
            let filter =
                filters.iter_mut().find(|filter| filter["name"] == "understudy").expect("the filter");
            let plugin = filter["typed_config"]["config"].as_object_mut().expect("a plugin");
            plugin.remove("configuration").expect("a configuration");
        })
        .start()
        .await;
    let answer = get(rig.proxy(), "http://api.test/").await;
    assert_eq!((answer.text().as_str(), answer.header("x-understudy")), ("real", None));
    rig.assert_sound().await;
}

/// All modes side by side, each with a backend of its own.
fn all_modes(upstream: &Upstream) -> RigBuilder {
    let hosts = ["off", "mock", "tap", "pass", "capture"];
    let builder = Rig::responder().with_backends().collector().config("default", json!("off")).config(
        "backends",
        json!({
            "http://mock.test": { "mode": "mock" },
            "http://tap.test": { "mode": "tap" },
            "http://pass.test": { "mode": "mock", "on_miss": "passthrough" },
            "http://capture.test": { "mode": "mock", "on_miss": "capture" },
        }),
    );
    hosts.into_iter().fold(builder, |builder, host| {
        let builder = builder.map(upstream.map(&format!("{host}.test")));
        match host {
            "off" | "tap" => builder,
            _ => builder.exchange(recorded("GET", &format!("http://{host}.test"), "/known").body("recorded")),
        }
    })
}

#[tokio::test]
async fn each_backend_has_its_mode() {
    let upstream = Upstream::ok().await;
    let rig = all_modes(&upstream).start().await;
    let ask = async |host: &str, path: &str| {
        let answer = get(rig.proxy(), &format!("http://{host}.test/{path}")).await;
        (answer.text(), answer.header("x-understudy"))
    };
    let matched = ("recorded".to_owned(), Some("match".to_owned()));
    let real = ("real".to_owned(), None);
    assert_eq!(ask("off", "known").await, real);
    assert_eq!(ask("tap", "known").await, real);
    for host in ["mock", "pass", "capture"] {
        assert_eq!(ask(host, "known").await, matched, "{host}");
    }
    assert_eq!(upstream.seen().len(), 2);
    assert_eq!(ask("mock", "new").await.1.as_deref(), Some("miss"));
    assert_eq!(upstream.seen().len(), 2);
    assert_eq!(ask("pass", "new").await, real);
    assert_eq!(ask("capture", "new").await, real);
    assert_eq!(upstream.seen().len(), 4);

    let records = rig.records(8).await;
    let mut told: Vec<_> = records
        .iter()
        .map(|record| {
            let verdict = record.verdict.as_ref().map(|verdict| (verdict.kind, verdict.reason));
            (
                record.exchange.backend.trim_start_matches("http://"),
                verdict,
                record.exchange.response.is_some(),
            )
        })
        .collect();
    told.sort_by_key(|(host, verdict, _)| (*host, verdict.map(|(kind, _)| kind as u8)));
    let no_entry = Some(Reason::NoEntry);
    assert_eq!(
        told,
        [
            ("capture.test", None, true),
            ("capture.test", Some((Kind::Match, None)), false),
            ("capture.test", Some((Kind::Passthrough, no_entry)), false),
            ("mock.test", Some((Kind::Match, None)), false),
            ("mock.test", Some((Kind::Miss, no_entry)), false),
            ("pass.test", Some((Kind::Match, None)), false),
            ("pass.test", Some((Kind::Passthrough, no_entry)), false),
            ("tap.test", None, true),
        ]
    );
    rig.assert_sound().await;
}

#[tokio::test]
async fn the_verdict_header_can_be_left_out() {
    let rig = Rig::responder()
        .config("verdict_header", json!(false))
        .exchange(recorded("GET", "http://api.test", "/").header("x-a", "1").body("recorded"))
        .start()
        .await;
    for (path, status) in [("", 200), ("new", 404)] {
        let answer = get(rig.proxy(), &format!("http://api.test/{path}")).await;
        assert_eq!((answer.status, answer.header("x-understudy")), (status, None));
    }
}

fn version(text: &str) -> RigBuilder {
    Rig::responder().exchange(recorded("GET", "http://api.test", "/").body(text))
}

#[tokio::test]
async fn a_reload_keeps_answering() {
    let rig = version("a").reloadable().start().await;
    let mut old = Connection::open(rig.proxy()).await;
    assert_eq!(old.exchange(head("GET", "api.test", "/", ""), false).await.text(), "a");
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for keeps in [false, false, true, true] {
        let (proxy, stop, asked) = (rig.proxy(), stop.clone(), asked.clone());
        clients.spawn(async move {
            let mut connection = Connection::open(proxy).await;
            while !stop.load(Ordering::SeqCst) {
                connection.send(head("GET", "api.test", "/", "")).await;
                let answer = connection.answer(false).await;
                assert!(
                    answer.status == 200 && ["a", "b", "c"].contains(&answer.text().as_str()),
                    "{answer:?}"
                );
                asked.fetch_add(1, Ordering::SeqCst);
                if !keeps || answer.header("connection").as_deref() == Some("close") {
                    connection = Connection::open(proxy).await;
                }
            }
        });
    }
    for text in ["b", "c"] {
        let before = asked.load(Ordering::SeqCst);
        rig.reload(&version(text).bundled(), None);
        eventually("the new table answers", async || {
            get(rig.proxy(), "http://api.test/").await.text() == text
        })
        .await;
        eventually("and goes on", async || asked.load(Ordering::SeqCst) > before + 40).await;
        assert_eq!(get(rig.proxy(), "http://api.test/").await.text(), text);
    }
    // Connections that were open before keep the old configuration until they are drained.
    assert_eq!(old.exchange(head("GET", "api.test", "/", ""), false).await.text(), "a");
    // One that is refused leaves everything as it was, and says why.
    rig.reload(&version("d").bundled(), Some(&json!({ "defualt": "mock" })));
    eventually("it is refused", async || rig.envoy.problems().contains("unknown field `defualt`")).await;
    assert_eq!(get(rig.proxy(), "http://api.test/").await.text(), "c");
    stop.store(true, Ordering::SeqCst);
    clients.join_all().await;
}

#[tokio::test]
async fn a_table_or_module_that_is_damaged_does_not_start() {
    let good = version("a").bundled();
    let at = good.windows(8).rposition(|window| window == MAGIC).expect("a table");
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut module = good.clone();
        change(&mut module);
        module
    };
    let cases = [
        ("version", damaged(&|m| m[at + 8] = 7), "", "format version 7, this understudy reads version 4"),
        ("magic", damaged(&|m| m[at] = b'X'), "", "this is no signature table"),
        ("length", damaged(&|m| m[at + 12] ^= 0xff), "", "the table is damaged"),
        ("truncated", good[..good.len() / 2].to_vec(), "the module is cut off after", "Failed to load Wasm"),
        ("not wasm", b"#!/bin/sh\n".to_vec(), "this is no WebAssembly module", "Failed to load Wasm"),
        (
            "compiled only",
            understudy_module::RAW.to_vec(),
            "no table has been given to",
            "Failed to load Wasm",
        ),
    ];
    for (what, module, tool, envoy) in cases {
        let said = inspect(&module).expect_err("a damaged module").to_string();
        assert!(said.contains(tool), "{what}: {said}");
        let said = refused(Rig::responder().module(module).try_start().await);
        assert!(said.contains(envoy), "{what}: {said}");
    }
    // One byte of an answer's: Envoy would serve it, so that every tool looks first.
    let end = at + version("a").table().len();
    let said = inspect(&damaged(&|module| module[end - 1] ^= 1)).expect_err("a damaged table").to_string();
    assert!(said.contains("the table has another digest"), "{said}");
}
