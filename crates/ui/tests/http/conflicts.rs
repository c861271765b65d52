//! Tests of saving the modes of backends: saved, refused, and no concurrent change lost.

use crate::site::{Site, field};

const STRIPE: &str = "https://api.stripe.com";
const STOCK: &str = "http://stock.test:8080";

/// The fields of the form as it was shown, with these backends checked.
fn form<'a>(token: &'a str, digest: &'a str, mocked: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("token", token), ("digest", digest)];
    fields.extend([("backend", STOCK), ("was", STOCK), ("backend", STRIPE), ("was", STRIPE)]);
    fields.extend(mocked.iter().map(|name| ("mock", *name)));
    fields
}

#[tokio::test]
async fn a_choice_is_saved_and_the_rest_of_the_file_stays() {
    let site = Site::shop().await;
    let page = site.page("/s/shop").await;
    let (token, digest) = (field(&page, "token"), field(&page, "digest"));
    let before = site.read("shop/snapshot.yaml");
    let answer = site.post("/s/shop/backends", &form(&token, &digest, &[STOCK])).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/s/shop?saved=1"));
    let after = site.read("shop/snapshot.yaml");
    let stripe = after.find(STRIPE).unwrap();
    assert!(after[stripe..].contains("mode: off") && after[..stripe].contains("mode: mock"), "{after}");
    assert_eq!(after.replace("mode: off", "mode: mock"), before, "one word, remarks and all");
    let page = site.page("/s/shop?saved=1").await;
    assert!(page.contains("Saved.") && page.contains("1 of 2 mocked"), "{page}");
    let digest = field(&page, "digest");
    site.post("/s/shop/backends", &form(&token, &digest, &[STOCK, STRIPE])).await;
    assert_eq!(site.read("shop/snapshot.yaml"), before, "there and back");
}

#[tokio::test]
async fn second_of_two_changes_is_refused_with_the_difference_and_kept() {
    let site = Site::shop().await;
    let page = site.page("/s/shop").await;
    let (token, digest) = (field(&page, "token"), field(&page, "digest"));
    assert_eq!(site.post("/s/shop/backends", &form(&token, &digest, &[STOCK])).await.status, 303);
    // Another user, who has loaded the page before the change, now turns the other backend off.
    let answer = site.post("/s/shop/backends", &form(&token, &digest, &[STRIPE])).await;
    let page = answer.text();
    assert_eq!(answer.status, 409);
    assert!(page.contains("Nothing was saved") && page.contains("    mode: off"), "what changed: {page}");
    let checked = |name: &str| {
        let (_, after) = page.split_once(&format!("name=\"mock\" value=\"{name}\"")).unwrap();
        after.split('>').next().unwrap().ends_with("checked")
    };
    assert!(!checked(STOCK), "what they chose is kept");
    assert!(!checked(STRIPE), "what they left alone is as the first one has it");
    assert!(page.contains("not saved"));
    let now = field(&page, "digest");
    let again =
        [&form(&token, &now, &[])[..2], &[("backend", STOCK), ("was", STOCK), ("backend", STRIPE)]].concat();
    assert_eq!(site.post("/s/shop/backends", &again).await.status, 303);
    assert_eq!(site.read("shop/snapshot.yaml").matches("mode: off").count(), 2, "both choices");
}

#[tokio::test]
async fn an_edit_by_hand_is_noticed() {
    let site = Site::shop().await;
    let page = site.page("/s/shop").await;
    let (token, digest) = (field(&page, "token"), field(&page, "digest"));
    let edited = site.read("shop/snapshot.yaml").replace("on_miss: fail", "on_miss: passthrough # for now");
    std::fs::write(site.path("shop/snapshot.yaml"), &edited).unwrap();
    let answer = site.post("/s/shop/backends", &form(&token, &digest, &[])).await;
    assert_eq!(answer.status, 409);
    assert!(answer.text().contains("on_miss: passthrough # for now"), "{}", answer.text());
    assert_eq!(site.read("shop/snapshot.yaml"), edited);
    assert!(site.page("/s/shop").await.contains("passthrough"), "the page follows the file");
}

#[tokio::test]
async fn a_file_broken_by_hand_is_a_page_with_its_line() {
    let site = Site::shop().await;
    let page = site.page("/s/shop").await;
    let (token, digest) = (field(&page, "token"), field(&page, "digest"));
    let broken = site.read("shop/snapshot.yaml").replace("on_miss: fail", "on_mis: fail <b>");
    std::fs::write(site.path("shop/snapshot.yaml"), &broken).unwrap();
    for path in ["/s/shop", "/s/shop/rules", "/s/shop/lint", "/s/shop/traffic/1"] {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 422, "{path}");
        let page = answer.text();
        assert!(page.contains("snapshot.yaml:5") && page.contains("at-fault"), "{path}: {page}");
        assert!(page.contains("on_mis: fail &#60;b&#62;"), "{path}: {page}");
    }
    let answer = site.post("/s/shop/backends", &form(&token, &digest, &[])).await;
    assert_eq!(answer.status, 422);
    assert_eq!(site.read("shop/snapshot.yaml"), broken, "nothing is written over it");
    assert!(site.page("/").await.contains("can’t be read"));
    assert_eq!(site.get("/s/shop/traffic").await.status, 200, "what was recorded can be read all the same");
}

#[tokio::test]
async fn rules_are_applied_and_undone() {
    use crate::site::{exchange, snapshot};
    let site = Site::new(|folder| {
        let call = |nonce: &str| exchange("https://api.test", "GET", &format!("/b?nonce={nonce}"), 200, "{}");
        let calls =
            [call("8f5e0f7c-9f1b-4b7e-9a53-0d5c5d7b6b01"), call("1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f")];
        snapshot(folder, "s", &calls);
    })
    .await;
    let before = site.read("s/snapshot.yaml");
    let page = site.page("/s/s/rules").await;
    assert!(
        page.contains("None: each value of a request is compared") && page.contains("query.nonce"),
        "{page}"
    );
    assert!(page.contains("new with each call"), "the evidence: {page}");
    let (token, digest, rule) = (field(&page, "token"), field(&page, "digest"), field(&page, "rule"));
    let fields = [("token", &*token), ("digest", &digest), ("rule", &rule)];
    assert_eq!(site.post("/s/s/rules/apply", &fields).await.status, 303);
    let page = site.page("/s/s/rules").await;
    assert!(page.contains("The recording supports no other rule"), "{page}");
    assert!(site.read("s/snapshot.yaml").contains("query.nonce"));
    assert_eq!(site.post("/s/s/rules/apply", &fields).await.status, 409, "with the page of before");
    let (digest, rule) = (field(&page, "digest"), field(&page, "rule"));
    let fields = [("token", &*token), ("digest", &digest), ("rule", &rule)];
    assert_eq!(site.post("/s/s/rules/undo", &fields).await.status, 303);
    assert_eq!(site.read("s/snapshot.yaml"), before, "there and back");
    assert_eq!(site.post("/s/s/rules/undo", &fields).await.status, 409);
}
