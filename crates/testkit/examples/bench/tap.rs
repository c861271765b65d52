//! A tap beside the same Envoy without the filter.

use crate::Asked;
use crate::load::{self, HOST, Load, Server};
use serde_json::json;
use understudy_testkit::{Rig, Upstream};

pub(crate) async fn run(asked: &Asked) {
    println!("\n## Tap, one worker, in front of a backend that answers at once\n");
    load::head();
    let backend = Upstream::start(|_| {
        let body = r#"{"id":"ch_1","amount":100}"#;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Some(format!("{head}{body}").into_bytes())
    })
    .await;
    for load in [Load::Get, Load::Post] {
        let without = Rig::tap().without_filter().map(backend.map(HOST)).start().await;
        let with = Rig::tap().map(backend.map(HOST)).start().await;
        let bare = json!({ "enabled": false });
        let bare = Rig::tap().config("redaction", bare).map(backend.map(HOST)).start().await;
        let off = Rig::tap().config("default", "off".into()).map(backend.map(HOST)).start().await;
        let mut servers = [
            Server::new("no filter", without.proxy(), without.envoy.pid(), 1000),
            Server::new("filter, backend off", off.proxy(), off.envoy.pid(), 1000),
            Server::new("tap, redaction off", bare.proxy(), bare.envoy.pid(), 1000),
            Server::new("tap", with.proxy(), with.envoy.pid(), 1000),
        ];
        tokio::task::block_in_place(|| load::compare(&mut servers, load, asked.seconds, "0"));
        let (captured, dropped) =
            (with.counter("records.captured").await, with.counter("records.dropped").await);
        println!("| | records captured {captured}, dropped {dropped} | | | | |");
    }
}
