//! Much of it: a body of 50 MB, and a file that is still being read.

use crate::site::{Site, exchange, snapshot};

#[tokio::test]
async fn a_long_body_is_shown_cut_and_downloads_whole() {
    let body = "0123456789abcde\n".repeat(50 << 16);
    let site = Site::new(|folder| {
        let long = exchange("https://api.test", "GET", "/long", 200, &body);
        snapshot(folder, "long", &[long, exchange("https://api.test", "GET", "/short", 200, "{}")]);
    })
    .await;
    let page = site.page("/s/long/traffic/1").await;
    assert!(page.contains("The first 65.5 kB of 52.4 MB are shown"), "{}", &page[..page.len().min(9_000)]);
    assert!(page.len() < 300_000, "{}", page.len());
    let answer = site.get("/s/long/traffic/1/response-body").await;
    assert!(answer.body == body.as_bytes(), "{} bytes", answer.body.len());
    assert!(site.page("/s/long/traffic?text=short").await.contains("/short"));
}
