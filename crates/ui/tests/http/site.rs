//! A folder with snapshots, its pages, and a client that sends exactly the given bytes.

use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use understudy_core::exchange::{Body, Exchange, Response};
use understudy_core::headers::Headers;
use understudy_core::v1;
use understudy_ui::{Config, Source, Ui};

/// A folder and its pages.
pub(crate) struct Site {
    folder: TempDir,
    pub(crate) ui: Ui,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Site {
    /// A folder that `fill` fills, and its pages.
    pub(crate) async fn new(fill: impl FnOnce(&Path)) -> Self {
        Self::with("127.0.0.1:0", fill).await
    }

    pub(crate) async fn with(address: &str, fill: impl FnOnce(&Path)) -> Self {
        Self::configured(address, |folder, _| fill(folder)).await
    }

    /// The same with other settings.
    pub(crate) async fn configured(address: &str, fill: impl FnOnce(&Path, &mut Config)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = Config::new(Source::Folder(folder.path().to_owned()));
        fill(folder.path(), &mut config);
        // Pages wait for complete results, so that no test depends on speed.
        config.patience_ms = 60_000;
        Self { ui: Ui::bind(address, config).await.unwrap(), folder }
    }

    /// Two backends, three exchanges, in a snapshot `shop`.
    pub(crate) async fn shop() -> Self {
        Self::new(|folder| snapshot(folder, "shop", &shop())).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn host(&self) -> String {
        self.ui.local_addr().to_string()
    }

    /// Sends these bytes.
    pub(crate) async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ui.local_addr().port())).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: all[end + 4..].to_vec() }
    }

    /// A request as a browser makes it, with further headers.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.host();
        let has = |name: &str| headers.iter().any(|(known, _)| *known == name);
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !has("host") {
            request.push_str(&format!("host: {host}\r\n"));
        }
        if method == "POST" && !has("origin") {
            request.push_str(&format!("origin: http://{host}\r\n"));
        }
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        self.send(request.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// An existing page.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        self.ask("POST", path, &[], &fields.join("&")).await
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a page is UTF-8")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default()
    }
}

/// The value of a hidden field of a page.
pub(crate) fn field(page: &str, name: &str) -> String {
    let (_, after) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    unescape(after.split('"').next().unwrap())
}

pub(crate) fn unescape(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}

/// An exchange.
pub(crate) fn exchange(backend: &str, method: &str, path: &str, status: u16, body: &str) -> Exchange {
    let mut exchange =
        Exchange { backend: backend.into(), protocol: "HTTP/1.1".into(), ..Exchange::default() };
    exchange.request.method = method.into();
    exchange.request.path = path.into();
    exchange.response = Some(Response {
        status,
        headers: Headers::from_pairs([("content-type", "application/json")]),
        body: Body { bytes: body.into(), truncated: None },
        ..Response::default()
    });
    exchange
}

pub(crate) fn shop() -> Vec<Exchange> {
    vec![
        exchange("https://api.stripe.com", "GET", "/v1/charges?limit=3", 200, "{\"charges\":[1,2.50]}"),
        exchange("https://api.stripe.com", "POST", "/v1/charges", 402, "{\"error\":\"card declined\"}"),
        exchange("http://stock.test:8080", "GET", "/items/7", 503, ""),
    ]
}

/// Writes a snapshot.
pub(crate) fn snapshot(folder: &Path, name: &str, exchanges: &[Exchange]) {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut lines = Vec::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        let mut exchange = exchange.clone();
        exchange.id = (number + 1).to_string();
        exchange.time = 1_795_276_119_000_000 + number as u64 * 1_000_000;
        exchange.duration = 1_000 * (number as u64 + 1);
        v1::write_record(&exchange, None, &mut lines);
    }
    std::fs::write(folder.join("exchanges.ndjson"), lines).unwrap();
    let mut backends: Vec<&str> = exchanges.iter().map(|exchange| exchange.backend.as_str()).collect();
    backends.sort_unstable();
    backends.dedup();
    let known: Vec<_> = backends
        .iter()
        .filter(|name| {
            understudy_core::backend::parts(name).is_some() && !name.contains(['"', '<', '\'', ' '])
        })
        .map(|name| format!("  \"{name}\":\n    mode: mock\n"))
        .collect();
    let backends = if known.is_empty() { String::new() } else { format!("backends:\n{}", known.concat()) };
    let name = serde_json::to_string(name).unwrap();
    let header = format!(
        "# mine\nversion: 1\nname: {name}\nrecorded: 2026-11-21T15:48:49Z\non_miss: fail\n{backends}"
    );
    std::fs::write(folder.join("snapshot.yaml"), header).unwrap();
}
