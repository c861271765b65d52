//! Tests that recorded text is shown and never becomes markup of a page.

use crate::site::{Site, exchange, snapshot};
use understudy_core::headers::Headers;

/// Texts with which a client may try to make a page run code.
pub(crate) const PAYLOADS: [&str; 12] = [
    "<script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "\"><svg onload=window.ran=1>",
    "'><iframe srcdoc='<script>parent.ran=1</script>'>",
    "</textarea></title></style></script><script>window.ran=1</script>",
    "javascript:window.ran=1",
    "<a href=\"javascript:window.ran=1\">x</a>",
    "<!--<script>window.ran=1//-->",
    "{{7*7}}{% raw %}",
    "<base href=//evil.test/><meta http-equiv=refresh content=0;url=//evil.test>",
    "<form action=//evil.test><input name=token>",
    "&lt;script&gt;&#60;img src=x onerror=window.ran=1&#62;",
];

#[tokio::test]
async fn payloads_stay_text_at_any_place() {
    for payload in PAYLOADS {
        let site = Site::new(|folder| {
            let mut hostile = exchange(&format!("https://{payload}"), payload, payload, 200, payload);
            hostile.request.headers = Headers::from_pairs([(payload, payload), ("content-type", payload)]);
            hostile.request.body.bytes = payload.into();
            hostile.protocol = payload.into();
            let response = hostile.response.as_mut().unwrap();
            response.headers = Headers::from_pairs([(payload, payload), ("server", payload)]);
            response.trailers = Headers::from_pairs([(payload, payload)]);
            let json = serde_json::to_string(&serde_json::json!({ payload: payload })).unwrap();
            let pretty = exchange("https://api.test", "GET", "/", 200, &json);
            // A folder can't be called anything that has a slash in it.
            snapshot(folder, &payload.replace('/', "∕"), &[hostile, pretty]);
        })
        .await;
        let name: String = payload.replace('/', "∕").bytes().map(|byte| format!("%{byte:02X}")).collect();
        let base = format!("/s/{name}");
        let pages = [
            "/".to_owned(),
            base.clone(),
            format!("{base}/traffic"),
            format!(
                "{base}/traffic?text={name}&operation={name}&backend={name}&status={name}&sort={name}&direction={name}"
            ),
            format!("{base}/traffic/1"),
            format!("{base}/traffic/2"),
            format!("{base}/rules"),
            format!("{base}/lint"),
            format!("/s/{name}{name}"),
        ];
        for path in pages {
            let page = site.get(&path).await.text();
            check(&page, payload, &path);
        }
    }
}

/// All tags that our pages use. Recorded text may add none.
pub(crate) fn check(page: &str, payload: &str, path: &str) {
    if payload.contains('<') {
        assert!(!page.contains(payload), "{path}: {payload}");
    }
    for tag in ["<script>", "<img", "<iframe", "<base", "onload", "onerror"] {
        let inside = page.split('<').skip(1).any(|after| {
            let tag_text = format!("<{}", after.split('>').next().unwrap_or_default());
            // Inside of an attribute's value it is text.
            let outside: String = tag_text.split('"').step_by(2).collect();
            outside.contains(tag)
        });
        assert!(!inside, "{path}: {tag}");
    }
    assert!(!page.to_lowercase().contains("href=\"javascript:"), "{path}");
    assert_eq!(page.matches("<script").count(), 1, "{path}");
}

#[tokio::test]
async fn control_characters_are_made_visible() {
    let site = Site::new(|folder| {
        let odd = exchange("https://api.test", "GET", "/\u{202e}gpj.exe\u{1b}[31m", 200, "a\u{200b}b\0c");
        snapshot(folder, "odd", &[odd]);
    })
    .await;
    for path in ["/s/odd/traffic", "/s/odd/traffic/1"] {
        let page = site.page(path).await;
        assert!(page.contains("⟨U+202E⟩gpj.exe␛[31m"), "{path}: {page}");
        assert!(
            !page.contains('\u{202e}') && !page.contains('\u{1b}') && !page.contains('\u{200b}'),
            "{path}"
        );
    }
}

#[tokio::test]
async fn bad_lines_are_reported_and_other_lines_shown() {
    let site = Site::shop().await;
    let lines = site.read("shop/exchanges.ndjson");
    let first = lines.lines().next().unwrap();
    std::fs::write(site.path("shop/exchanges.ndjson"), format!("nonsense\n\n{first}\n{{\"type\":\"x\"}}\n"))
        .unwrap();
    let page = site.page("/s/shop/traffic").await;
    assert!(page.contains("2 of the file’s lines") || page.contains("2 of the file&#39;s lines"), "{page}");
    assert!(page.contains("/traffic/3\""), "the line in the file: {page}");
    assert_eq!(site.get("/s/shop/traffic/1").await.status, 404);
    assert!(site.page("/s/shop/traffic/3").await.contains("/v1/charges"));
    assert!(site.page("/s/shop/lint").await.contains("snapshot-line"));
}
