//! Tests of access: accepted clients, security headers of each response, and names that lead out of
//! the folder.

use crate::site::{Site, field, shop, snapshot};

#[tokio::test]
async fn each_response_keeps_content_from_running() {
    let site = Site::shop().await;
    let paths = [
        "/",
        "/s/shop",
        "/s/shop/traffic",
        "/s/shop/traffic/1",
        "/s/shop/traffic/1/response-body",
        "/s/shop/traffic/1/exchange.json",
        "/s/shop/rules",
        "/s/shop/lint",
        "/assets/style.css",
        "/assets/app.js",
        "/assets/icon.svg",
        "/nowhere",
        "/s/none",
        "/s/shop/traffic/99",
        "/s/shop/traffic/x",
    ];
    for path in paths {
        let answer = site.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
    }
}

#[tokio::test]
async fn pages_name_no_outside_address_and_have_nothing_inline() {
    let site = Site::shop().await;
    for path in
        ["/", "/s/shop", "/s/shop/traffic", "/s/shop/traffic/2", "/s/shop/rules", "/s/shop/lint", "/nowhere"]
    {
        let page = site.get(path).await.text();
        for attribute in ["href=\"", "src=\"", "action=\""] {
            for value in page.split(attribute).skip(1) {
                let own = value.starts_with('/') && !value.starts_with("//") || value.starts_with('#');
                assert!(own, "{path}: {attribute}{}", &value[..value.len().min(60)]);
            }
        }
        assert!(
            !page.contains(" style=") && !page.contains("<style") && !page.contains(" onclick"),
            "{path}"
        );
        assert_eq!(page.matches("<script").count(), 1, "{path}: the one file alone");
    }
}

#[tokio::test]
async fn other_hosts_and_sites_are_refused() {
    let site = Site::shop().await;
    let own = format!("http://{}", site.host());
    let check = async |method: &str, headers: &[(&str, &str)], expect: u16, says: &str| {
        let answer = site.ask(method, "/s/shop/backends", headers, "").await;
        assert_eq!(answer.status, expect, "{method} {headers:?}: {}", answer.text());
        assert!(answer.text().contains(says), "{headers:?}: {}", answer.text());
    };
    check("GET", &[("host", "evil.test")], 403, "DNS rebinding").await;
    check("GET", &[("host", "127.0.0.1.evil.test")], 403, "DNS rebinding").await;
    check("GET", &[("host", "localhost")], 405, "").await;
    check("POST", &[("origin", "http://evil.test")], 403, "another site").await;
    check("POST", &[("origin", "null")], 403, "another site").await;
    check("POST", &[("origin", &own), ("sec-fetch-site", "cross-site")], 403, "another site").await;
    check("GET", &[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image")], 403, "Another site").await;
    let request = format!(
        "POST /s/shop/backends HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        site.host()
    );
    assert_eq!(site.send(request.as_bytes()).await.status, 403, "no origin");
    let request = "GET / HTTP/1.0\r\n\r\n";
    assert_eq!(site.send(request.as_bytes()).await.status, 403, "no host");
    assert_eq!(site.post("/s/shop/backends", &[("token", "wrong")]).await.status, 403);
    assert_eq!(site.post("/s/shop/rules/undo", &[("token", "")]).await.status, 403);
    assert_eq!(site.post("/s/shop/rules/apply", &[]).await.status, 403);
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        assert_eq!(site.ask(method, "/s/shop", &[], "").await.status, 405, "{method}");
    }
    assert!(site.read("shop/snapshot.yaml").contains("mode: mock"), "nothing was changed");
}

#[tokio::test]
async fn address_beyond_this_machine_requires_a_token() {
    let site = Site::with("0.0.0.0:0", |folder| snapshot(folder, "shop", &shop())).await;
    let token = site.ui.url().split("token=").nth(1).unwrap().to_owned();
    for path in ["/", "/s/shop", "/assets/style.css", "/s/shop/traffic/1/exchange.json", "/?token=wrong"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(!answer.text().contains("stripe") && !answer.text().contains(&token), "{path}");
    }
    let answer = site.get(&format!("/?token={token}")).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/"), "the token leaves the address bar");
    let elsewhere = site.get(&format!("//evil.test/?token={token}")).await;
    assert_eq!(elsewhere.header("location"), "/evil.test/", "no other host");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(site.ask("GET", "/s/shop", &[("cookie", cookie)], "").await.status, 200);
    assert_eq!(site.ask("GET", "/s/shop", &[("cookie", "understudy=1")], "").await.status, 403);
}

#[cfg(unix)]
#[tokio::test]
async fn names_never_lead_out_of_the_folder() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::TempDir::new().unwrap();
    snapshot(outside.path(), "secret", &shop());
    let site = Site::new(|folder| {
        snapshot(folder, "shop", &shop());
        symlink(outside.path().join("secret"), folder.join("link")).unwrap();
        std::fs::create_dir(folder.join("files")).unwrap();
        symlink(outside.path().join("secret/snapshot.yaml"), folder.join("files/snapshot.yaml")).unwrap();
        symlink("/etc/passwd", folder.join("files/exchanges.ndjson")).unwrap();
    })
    .await;
    for name in ["..", "%2e%2e", "..%2f", "%2e%2e%2fshop", "%2Fetc", "shop%2F..%2Fshop", "shop%00", ".", ""] {
        let answer = site.get(&format!("/s/{name}")).await;
        assert_eq!(answer.status, 404, "{name}: {}", answer.text());
    }
    for path in [
        "/s/link",
        "/s/link/traffic",
        "/s/link/traffic/1/exchange.json",
        "/s/files",
        "/s/files/traffic",
        "/s/files/lint",
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        assert!(answer.text().contains("leads out of"), "{path}");
    }
    let list = site.page("/").await;
    assert!(list.contains("/s/link") && list.matches("can’t be read").count() == 2, "{list}");
}

#[tokio::test]
async fn downloads_are_attachments_with_a_safe_name() {
    let name = "a b;\"x\" ü";
    let site = Site::new(|folder| snapshot(folder, name, &shop())).await;
    let base = "/s/a%20b%3B%22x%22%20%C3%BC/traffic/1";
    let answer = site.get(&format!("{base}/response-body")).await;
    assert_eq!(answer.text(), "{\"charges\":[1,2.50]}", "to the byte");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"a-b--x----1-response-body\"");
    let answer = site.get(&format!("{base}/exchange.json")).await;
    assert!(answer.text().starts_with("{\"type\":\"exchange\""), "{}", answer.text());
    assert_eq!(site.get(&format!("{base}/anything")).await.status, 404);
}

#[tokio::test]
async fn a_form_without_the_digest_saves_nothing() {
    let site = Site::shop().await;
    let token = field(&site.page("/s/shop").await, "token");
    let answer =
        site.post("/s/shop/backends", &[("token", &token), ("backend", "https://api.stripe.com")]).await;
    assert_eq!(answer.status, 409);
    assert_eq!(site.read("shop/snapshot.yaml").matches("mode: mock").count(), 2);
}

#[tokio::test]
async fn a_form_adds_no_backend_that_was_never_recorded() {
    let site = Site::shop().await;
    let page = site.page("/s/shop").await;
    let (token, digest) = (field(&page, "token"), field(&page, "digest"));
    let fields = [("token", &*token), ("digest", &digest), ("backend", "https://evil.test")];
    let answer = site.post("/s/shop/backends", &fields).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(!site.read("shop/snapshot.yaml").contains("evil.test"));
}
