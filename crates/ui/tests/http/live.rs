//! Tests of the pages of a recording in progress.

use crate::site::exchange;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_collector::{FolderConfig, Ingest, IngestConfig, Store, StoreUrl};
use understudy_core::v1;
use understudy_ui::{Config, Source, Ui};

struct Recording {
    folder: TempDir,
    ingest: Ingest,
    seq: std::cell::Cell<u64>,
}

impl Recording {
    async fn new() -> Self {
        Self::with_segments_of(1 << 20).await
    }

    async fn with_segments_of(bytes: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = FolderConfig::new(folder.path());
        config.segment_bytes = bytes;
        let store = std::sync::Arc::new(Store::open(config).await.unwrap());
        Self { folder, ingest: Ingest::new(store, &IngestConfig::default()), seq: std::cell::Cell::new(0) }
    }

    /// Stores a batch with a request for each of these paths.
    async fn take(&self, paths: &[String]) {
        self.seq.set(self.seq.get() + 1);
        let seq = self.seq.get();
        let mut batch =
            format!("{{\"type\":\"batch\",\"v\":1,\"vm\":\"a\",\"seq\":{seq},\"dropped\":0}}\n").into_bytes();
        for (number, path) in paths.iter().enumerate() {
            let mut one = exchange("https://api.test", "GET", path, 200, "{}");
            (one.id, one.time) = (format!("a-{seq}-{number}"), 1_795_276_119_000_000 + seq);
            v1::write_record(&one, None, &mut batch);
        }
        self.ingest.submit(batch.into()).await.unwrap();
    }
}

async fn get(ui: &Ui, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(ui.local_addr()).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", ui.local_addr());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    all
}

/// Requests the page until it contains a text.
async fn until(ui: &Ui, path: &str, says: &str) -> String {
    let began = std::time::Instant::now();
    loop {
        let page = get(ui, path).await;
        if page.contains(says) {
            return page;
        }
        assert!(began.elapsed().as_secs() < 60, "{says}: {page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn new_exchanges_are_shown_newest_first() {
    let recording = Recording::new().await;
    recording.take(&["/first".to_owned()]).await;
    let ui = Ui::bind(
        "127.0.0.1:0",
        Config::new(Source::Store(StoreUrl::Folder(recording.folder.path().to_owned()))),
    )
    .await
    .unwrap();
    assert!(get(&ui, "/").await.contains("location: /live"));
    let page = until(&ui, "/live", "GET /first").await;
    assert!(page.contains("data-refresh") && page.contains("Following"), "{page}");
    recording.take(&["/second".to_owned(), "/third".to_owned()]).await;
    let page = until(&ui, "/live", "GET /third").await;
    let at = |text: &str| page.rfind(text).unwrap();
    assert!(at("GET /third") < at("GET /second") && at("GET /second") < at("GET /first"), "{page}");
    let page = get(&ui, "/live?operation=first").await;
    assert!(page.contains("1 of 3 exchanges"), "{page}");
    let page = get(&ui, "/live?text=SECOND").await;
    assert!(page.contains("1 of 3 exchanges"), "{page}");
    let page = get(&ui, "/live?pause=1").await;
    assert!(!page.contains("data-refresh") && page.contains("Paused"), "{page}");
    let page = get(&ui, "/live/traffic/2").await;
    assert!(
        page.contains("GET /second")
            && page.contains("href=\"/live/traffic/3\"")
            && page.contains("curl --globoff"),
        "{page}"
    );
    assert!(get(&ui, "/live/traffic/2/response-body").await.ends_with("\r\n\r\n{}"));
    assert!(get(&ui, "/live/traffic/9").await.starts_with("HTTP/1.1 404"));
    assert!(get(&ui, "/s/x").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn segments_that_are_sealed_meanwhile_are_neither_lost_nor_shown_twice() {
    let recording = Recording::with_segments_of(1).await;
    let ui = Ui::bind(
        "127.0.0.1:0",
        Config::new(Source::Store(StoreUrl::Folder(recording.folder.path().to_owned()))),
    )
    .await
    .unwrap();
    assert!(get(&ui, "/live").await.contains("Nothing yet"));
    let sealed = || std::fs::read_dir(recording.folder.path().join("segments")).into_iter().flatten().count();
    for number in 1..=4 {
        recording.take(&[format!("/n/{number}")]).await;
        let page = until(&ui, "/live", &format!("GET /n/{number}<")).await;
        let expect = if number == 1 { "1 exchange<".to_owned() } else { format!("{number} exchanges<") };
        assert!(page.contains(&expect), "{expect}: {page}");
    }
    // Each batch has its own segment. All segments before the last are sealed soon.
    let began = std::time::Instant::now();
    while sealed() < 3 {
        assert!(began.elapsed().as_secs() < 60, "{} segments are sealed", sealed());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    recording.take(&["/after".to_owned()]).await;
    let page = until(&ui, "/live", "GET /after<").await;
    assert!(page.contains("5 exchanges<"), "{page}");
}

#[tokio::test]
async fn memory_is_bounded_and_a_removed_store_is_reported() {
    let recording = Recording::new().await;
    let ui = Ui::bind(
        "127.0.0.1:0",
        Config::new(Source::Store(StoreUrl::Folder(recording.folder.path().to_owned()))),
    )
    .await
    .unwrap();
    let many: Vec<_> = (0..2_500).map(|number| format!("/n/{number}")).collect();
    recording.take(&many).await;
    let page = until(&ui, "/live", "GET /n/2499").await;
    assert!(
        page.contains("The newest of 2,500 exchanges since the server was started are shown, at most 2,000."),
        "{page}"
    );
    assert!(get(&ui, "/live/traffic/500").await.starts_with("HTTP/1.1 404"));
    assert!(get(&ui, "/live/traffic/501").await.starts_with("HTTP/1.1 200"));
    drop(recording);
    let page = until(&ui, "/live", "can&#39;t be read any more").await;
    assert!(page.contains("GET /n/2499"), "what came is shown");
}
