//! The reports of replays: listed, opened and compared; and the changes that they offer for a
//! request that missed.

use crate::site::{Site, exchange, field, snapshot, unescape};
use std::path::Path;
use understudy_core::exchange::Exchange;
use understudy_core::headers::Headers;
use understudy_core::verdict::{Change, Difference, Nearest};
use understudy_replay::report::{
    Ending, Figures, How, JudgedCall, Logs, Message, Pair, Performance, Report, Responder, Success, TYPE,
    VERSION, WholeRequest,
};

const STARTED: &str = "2026-11-21T09:00:00Z";
const MISS: &str = "/s/shop/reports/one.json/responder/0";

fn order(body: &str, answer: &str) -> Exchange {
    let mut exchange = exchange("http://shop.test", "POST", "/orders", 201, answer);
    exchange.request.headers = Headers::from_pairs([("content-type", "application/json")]);
    exchange.request.body.bytes = body.into();
    exchange
}

/// A request that missed, as the report has it.
fn missed(exchange: Exchange) -> JudgedCall {
    let request = &exchange.request;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let head = format!("{} {}", text(&request.method), text(&request.path));
    let differs = vec![Difference {
        key: "body/till".into(),
        change: Change::Changed,
        recorded: Some("\"till-7\"".into()),
        live: Some("\"till-8\"".into()),
    }];
    JudgedCall {
        time: "2026-11-21T09:00:01Z".into(),
        backend: exchange.backend.clone(),
        operation: text(&request.method),
        location: text(&request.path),
        verdict: "miss".into(),
        status: Some(404),
        signature: vec![("method".into(), "POST".into())],
        reason: Some("no recorded request has this signature".into()),
        nearest: vec![Nearest { exchange: "1".into(), request: "POST /orders".into(), score: 80, differs }],
        request: Some(Message { head, ..Message::default() }),
        whole: Some(Box::new(WholeRequest(exchange))),
        ..JudgedCall::default()
    }
}

/// A request as it is before anybody has answered it.
fn asked(body: &str) -> Exchange {
    Exchange { response: None, time: 1_795_300_000_000_000, ..order(body, "") }
}

fn report(snapshot: &str, verdicts: Vec<JudgedCall>) -> Report {
    let misses = verdicts.iter().filter(|asked| asked.verdict == "miss").count() as u64;
    Report {
        kind: TYPE.into(),
        v: VERSION,
        passed: false,
        snapshot: snapshot.into(),
        service: None,
        build_tag: Some("v1.2".into()),
        mode: "full-replay".into(),
        target: None,
        started: STARTED.into(),
        duration_us: 1_000_000,
        end: Ending { how: How::Complete, detail: String::new() },
        goals: Vec::new(),
        success: Success { sent: 1, different: 1, rate: Some(0.0), ..Success::default() },
        performance: Performance {
            replayed: Some(Figures { count: 1, p95_us: 2_500, ..Figures::default() }),
            ..Performance::default()
        },
        endpoints: Vec::new(),
        responder: Some(Responder {
            requests: misses,
            misses,
            rate: Some(0.0),
            verdicts,
            ..Responder::default()
        }),
        pairs: vec![Pair {
            exchange: "9".into(),
            method: "GET".into(),
            path: "/pay".into(),
            sent: 1,
            different: 1,
            ..Pair::default()
        }],
        ignored: Vec::new(),
        carried: Vec::new(),
        logs: Some(Logs { text: "said so\n".into(), left_out: 0 }),
        notes: Vec::new(),
    }
}

fn put(folder: &Path, name: &str, report: &Report) {
    let folder = folder.join("shop/.reports");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), serde_json::to_vec(report).unwrap()).unwrap();
}

/// A snapshot `shop` with these exchanges, and a report of these misses.
async fn shop(exchanges: &[Exchange], misses: Vec<JudgedCall>) -> Site {
    Site::new(|folder| {
        snapshot(folder, "shop", exchanges);
        put(folder, "one.json", &report("shop", misses));
    })
    .await
}

/// The fields of the form that makes the rule of a page.
fn form(page: &str) -> Vec<(&'static str, String)> {
    let (_, after) = page.split_once("/rule\">").unwrap_or_else(|| panic!("no rule to make: {page}"));
    let form = after.split("</form>").next().unwrap();
    let values = |name: &str| {
        let start = format!("name=\"{name}\" value=\"");
        let parts = form.split(&start).skip(1);
        parts.map(|part| unescape(part.split('"').next().unwrap())).collect::<Vec<_>>()
    };
    ["token", "digest", "with", "place", "leave"]
        .into_iter()
        .flat_map(|name| values(name).into_iter().map(move |value| (name, value)))
        .collect()
}

async fn send(site: &Site, path: &str, fields: &[(&str, String)]) -> (u16, String) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = site.post(path, &fields).await;
    (answer.status, format!("{}{}", answer.header("location"), answer.text()))
}

const TILL_7: &str = r#"{"till":"till-7","sum":1}"#;
const TILL_8: &str = r#"{"till":"till-8","sum":1}"#;
const TILL_9: &str = r#"{"till":"till-9","sum":1}"#;

#[tokio::test]
async fn reports_are_listed_and_opened() {
    let site = shop(&[order(TILL_7, "{}")], vec![missed(asked(TILL_8))]).await;
    let later = Report { passed: true, started: "2026-11-21T10:00:00Z".into(), ..report("shop", Vec::new()) };
    put(&site.path(""), "two.json", &later);
    let page = site.page("/s/shop/reports").await;
    let (first, second) = (page.find("10:00:00").unwrap(), page.find("09:00:00").unwrap());
    assert!(first < second, "the newest first: {page}");
    for text in ["v1.2", "2.50 ms", ">passed<", ">failed<", "0.0 %", "aria-current=\"page\">Reports"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let check = async |path: &str, texts: &[&str]| {
        let page = site.page(&format!("/s/shop/reports/{path}")).await;
        texts.iter().for_each(|text| assert!(page.contains(text), "{path}: {text}: {page}"));
    };
    check("one.json", &["Failed", "class=\"chart\"", "full-replay"]).await;
    check("one.json/success", &["GET /pay", "different", "1 of 1 requests"]).await;
    check("one.json/success?what=same", &["Nothing like that"]).await;
    check("one.json/success/0", &["GET /pay"]).await;
    check("one.json/responder", &["POST /orders", "miss", "1 that didn’t match, 0 would match"]).await;
    check("one.json/responder/0", &["till-7", "till-8", "Make this rule", "Add to the snapshot"]).await;
    check("one.json/logs", &["said so"]).await;
    for gone in ["none.json", "one.json/success/1", "one.json/responder/7", "..%2f..%2fsnapshot.yaml"] {
        assert_eq!(site.get(&format!("/s/shop/reports/{gone}")).await.status, 404, "{gone}");
    }
    let download = site.get("/s/shop/reports/one.json/download").await;
    assert_eq!(download.header("content-type"), "application/octet-stream");
    let page = site.page("/s/shop/compare?old=two.json&new=one.json").await;
    assert!(page.contains("Worse") && page.contains("fails now") | page.contains("misses now"), "{page}");
    let page = site.page("/s/shop/compare?old=one.json&new=two.json").await;
    assert!(page.contains("misses no more: POST"), "{page}");
}

#[tokio::test]
async fn one_click_makes_the_rule_and_the_request_matches() {
    let others = vec![missed(asked(TILL_8)), missed(asked(TILL_9)), missed(asked("{}"))];
    let site = shop(&[order(TILL_7, "{}")], others).await;
    let page = site.page(MISS).await;
    for text in [
        "would still not match",
        "mask</dt><dd><code class=\"breakable\">body/till",
        "about 1 recorded request.",
        "1 more of this report",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let before = site.read("shop/snapshot.yaml");
    let fields = form(&page);
    let (status, location) = send(&site, &format!("{MISS}/rule"), &fields).await;
    assert_eq!((status, location.as_str()), (303, &*format!("{MISS}?done=rule")));
    let after = site.read("shop/snapshot.yaml");
    assert!(after.starts_with(&before), "what a person wrote stays: {after}");
    for text in ["body/till", "path: /orders", "why: ", "the replay of 2026-11-21T09:00:00Z (build v1.2)"] {
        assert!(after.contains(text), "{text}: {after}");
    }
    let page = site.page(&location).await;
    assert!(page.contains("would match exchange 1; body/till may be other"), "{page}");
    assert!(!page.contains("Make this rule"), "nothing is left to be done: {page}");
    let list = site.page("/s/shop/reports/one.json/responder").await;
    assert!(list.contains("Of the 3 that didn’t match, 2 would match"), "{list}");
    assert!(site.page("/s/shop/rules").await.contains("body/till"), "it can be undone there");
    let (status, text) = send(&site, &format!("{MISS}/rule"), &fields).await;
    assert!(status == 422 && text.contains("is the same as that exchange already"), "twice: {status} {text}");
}

#[tokio::test]
async fn a_rule_that_would_give_the_wrong_answer_is_refused() {
    let site =
        shop(&[order(TILL_7, "{\"id\":1}"), order(TILL_9, "{\"id\":2}")], vec![missed(asked(TILL_8))]).await;
    let page = site.page(MISS).await;
    assert!(page.contains("exchanges 1 and 2 would be one request, and were answered differently"), "{page}");
    assert!(!page.contains("Make this rule"), "{page}");
    let before = site.read("shop/snapshot.yaml");
    let fields = [("token", field(&page, "token")), ("digest", field(&page, "digest")), ("with", "1".into())];
    let (status, text) = send(&site, &format!("{MISS}/rule"), &fields).await;
    assert!(status == 422 && text.contains("answered differently"), "{status} {text}");
    // The place counts, so that no place is left for a rule.
    let page = site.page(&format!("{MISS}?with=1&place=body%2Ftill&leave=counts")).await;
    assert!(!page.contains("answered differently") && !page.contains("Make this rule"), "{page}");
    assert_eq!(site.read("shop/snapshot.yaml"), before);
}

#[tokio::test]
async fn place_with_a_rule_gets_no_other_rule() {
    let site = shop(&[order(TILL_7, "{}")], vec![missed(asked(TILL_8))]).await;
    let ruled = format!("{}rules:\n- volatile: [body/till]\n", site.read("shop/snapshot.yaml"));
    std::fs::write(site.path("shop/snapshot.yaml"), &ruled).unwrap();
    let page = site.page(MISS).await;
    assert!(page.contains("a rule in force names this place already"), "{page}");
    assert!(!page.contains("Make this rule"), "{page}");
}

#[tokio::test]
async fn an_answer_is_added_and_the_request_matches() {
    let site = shop(&[order(TILL_7, "{}")], vec![missed(asked(TILL_8))]).await;
    let page = site.page(MISS).await;
    let own = |digest: &str, rest: &[(&'static str, &str)]| {
        let mut fields = vec![("token", field(&page, "token")), ("digest", digest.to_owned())];
        fields.extend(rest.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    let (add, digest) = (format!("{MISS}/add"), field(&page, "digest"));
    let lines = site.read("shop/exchanges.ndjson");
    for (fields, says) in [
        (vec![("status", "99")], "from 200 to 599"),
        (vec![("status", "200"), ("headers", "no header")], "is no header"),
        (vec![("status", "200"), ("headers", "a b: c")], "is no header"),
    ] {
        let (status, text) = send(&site, &add, &own(&digest, &fields)).await;
        assert!(status == 422 && text.contains(says), "{says}: {status} {text}");
    }
    assert_eq!(send(&site, &add, &own("other", &[("status", "200")])).await.0, 409);
    assert_eq!(site.read("shop/exchanges.ndjson"), lines);
    let fields = [
        ("status", "201"),
        ("headers", "Content-Type: application/json\r\nx-a: b"),
        ("body", "{\r\n\"id\": 8}"),
    ];
    let (status, location) = send(&site, &add, &own(&digest, &fields)).await;
    assert_eq!((status, location.as_str()), (303, &*format!("{MISS}?done=added")));
    let after = site.read("shop/exchanges.ndjson");
    assert!(after.starts_with(&lines), "what was there stays: {after}");
    assert!(
        after.contains("till-8") && after.contains(r#"{\n\"id\": 8}"#) && after.contains("\"x-a\""),
        "{after}"
    );
    assert!(site.page(&location).await.contains("would match exchange 2"), "{location}");
    assert!(site.path("shop/.reports/one.json").exists(), "the reports stay where they are");
}

#[tokio::test]
async fn the_real_backends_answer_is_added_as_it_was() {
    let mut passed = missed(Exchange { time: 1_795_300_000_000_000, ..order(TILL_8, "{\"real\":true}") });
    passed.verdict = "passthrough".into();
    let site = shop(&[order(TILL_7, "{}")], vec![passed]).await;
    let page = site.page(MISS).await;
    assert!(
        page.contains("The real backend answered 201") && page.contains("Add with this answer"),
        "{page}"
    );
    let fields =
        [("token", field(&page, "token")), ("digest", field(&page, "digest")), ("answer", "given".into())];
    assert_eq!(send(&site, &format!("{MISS}/add"), &fields).await.0, 303);
    assert!(site.read("shop/exchanges.ndjson").contains(r#"{\"real\":true}"#));
    assert!(site.page(MISS).await.contains("would match exchange 2"));
}

#[tokio::test]
async fn a_form_of_another_server_changes_nothing() {
    let site = shop(&[order(TILL_7, "{}")], vec![missed(asked(TILL_8))]).await;
    let page = site.page(MISS).await;
    let (digest, before) =
        (field(&page, "digest"), (site.read("shop/snapshot.yaml"), site.read("shop/exchanges.ndjson")));
    for end in ["rule", "add"] {
        let fields = [
            ("token", "made up".to_owned()),
            ("digest", digest.clone()),
            ("with", "1".into()),
            ("status", "200".into()),
        ];
        assert_eq!(send(&site, &format!("{MISS}/{end}"), &fields).await.0, 403, "{end}");
    }
    assert_eq!((site.read("shop/snapshot.yaml"), site.read("shop/exchanges.ndjson")), before);
}

#[tokio::test]
async fn reports_that_cant_be_read_say_why() {
    let site = shop(&[order(TILL_7, "{}")], vec![missed(asked(TILL_8))]).await;
    let file = |name: &str, text: &str| {
        std::fs::write(site.path(&format!("shop/.reports/{name}.json")), text).unwrap()
    };
    let check = async |name: &str, says: &str| {
        let list = site.page("/s/shop/reports").await;
        assert!(list.contains(says), "{says}: {list}");
        let answer = site.get(&format!("/s/shop/reports/{name}.json")).await;
        assert!(answer.status == 422 && answer.text().contains(says), "{says}: {}", answer.text());
    };
    file("broken", "{\"type\":\"replay\",\"v\":2,");
    check("broken", "EOF while parsing").await;
    file("newer", "{\"type\":\"replay\",\"v\":99}");
    check("newer", "version 99 isn&#39;t known; this Understudy reads versions 1 to 3").await;
    file("verdicts", "{\"type\":\"report\",\"v\":1}");
    check("verdicts", "understudy match SNAPSHOT FILE").await;
    let large = std::fs::File::create(site.path("shop/.reports/large.json")).unwrap();
    large.set_len(300 << 20).unwrap();
    check("large", "the report has 300 MB, and a page is made of 256 at most").await;
    put(&site.path(""), "other.json", &report("bakery", Vec::new()));
    let page = site.page("/s/shop/reports/other.json").await;
    assert!(page.contains("This is the report of another snapshot, bakery"), "{page}");
}

#[tokio::test]
async fn reports_from_elsewhere_are_listed_with_their_snapshot() {
    let site = Site::configured("127.0.0.1:0", |folder, config| {
        snapshot(folder, "shop", &[order(TILL_7, "{}")]);
        snapshot(folder, "bakery", &[order(TILL_7, "{}")]);
        let elsewhere = folder.join("artifacts");
        std::fs::create_dir(&elsewhere).unwrap();
        let write = |name: &str, report: &Report| {
            std::fs::write(elsewhere.join(name), serde_json::to_vec(report).unwrap()).unwrap();
        };
        write("shop.json", &report("shop", Vec::new()));
        write("bakery.json", &Report { build_tag: Some("baked".into()), ..report("bakery", Vec::new()) });
        std::fs::write(elsewhere.join("package.json"), "{}").unwrap();
        std::os::unix::fs::symlink(folder.join("shop/snapshot.yaml"), elsewhere.join("link.json")).unwrap();
        config.reports = Some(elsewhere);
    })
    .await;
    let page = site.page("/s/bakery/reports").await;
    assert!(page.contains("baked") && !page.contains("v1.2"), "{page}");
    assert!(page.contains("2 in ") && page.contains("are of other snapshots, or can’t be read"), "{page}");
    assert!(site.page("/s/bakery/reports/~bakery.json").await.contains("baked"));
    for gone in ["bakery.json", "~link.json", "~..%2Fshop%2Fsnapshot.yaml"] {
        assert_eq!(site.get(&format!("/s/bakery/reports/{gone}")).await.status, 404, "{gone}");
    }
}

#[tokio::test]
async fn incomplete_request_of_an_old_report_is_only_shown() {
    let site = shop(&[order(TILL_7, "{}")], vec![JudgedCall { whole: None, ..missed(asked(TILL_8)) }]).await;
    let page = site.page(MISS).await;
    assert!(page.contains("doesn’t contain the complete request") && page.contains("till-8"), "{page}");
    assert!(!page.contains("Make this rule") && !page.contains("Add to the snapshot"), "{page}");
}

#[tokio::test]
async fn a_report_of_a_hundred_thousand_requests_is_read_in_pages() {
    let site = shop(&[order(TILL_7, "{}")], Vec::new()).await;
    let mut large = report("shop", Vec::new());
    let pair = |number: usize| Pair {
        exchange: number.to_string(),
        method: "GET".into(),
        path: format!("/item/{number}"),
        sent: 1,
        same: u64::from(number != 77_777),
        different: u64::from(number == 77_777),
        ..Pair::default()
    };
    large.pairs = (0..100_000).map(pair).collect();
    put(&site.path(""), "large.json", &large);
    let page = site.page("/s/shop/reports/large.json/success").await;
    assert!(
        page.len() < 200_000 && page.contains("100,000 of 100,000") && page.contains("Page 1 of 1000"),
        "{}",
        page.len()
    );
    assert!(page.find("/item/77777").unwrap() < page.find("/item/0<").unwrap(), "what failed comes first");
    let page = site.page("/s/shop/reports/large.json/success?text=%2Fitem%2F4242&page=9").await;
    assert!(page.contains("11 of 100,000") && page.contains("/item/42424"), "{page}");
    assert!(site.page("/s/shop/reports/large.json/success?what=failed").await.contains("1 of 100,000"));
}

#[tokio::test]
async fn recorded_text_in_a_report_stays_text() {
    for payload in crate::hostile::PAYLOADS {
        let mut hostile = missed(Exchange { backend: "http://shop.test".into(), ..asked(payload) });
        hostile.nearest[0].differs[0].key = payload.into();
        for text in [&mut hostile.operation, &mut hostile.location, &mut hostile.verdict, &mut hostile.time] {
            *text = payload.into();
        }
        hostile.reason = Some(payload.into());
        hostile.signature = vec![(payload.into(), payload.into())];
        let mut all = report(payload, vec![hostile]);
        (all.build_tag, all.started, all.mode) = (Some(payload.into()), payload.into(), payload.into());
        all.notes = vec![payload.into()];
        all.end = Ending { how: How::ServiceEnded, detail: payload.into() };
        (all.pairs[0].path, all.pairs[0].error) = (payload.into(), Some(payload.into()));
        all.logs = Some(Logs { text: payload.into(), left_out: 0 });
        let site = Site::new(|folder| {
            snapshot(folder, "shop", &[order(TILL_7, payload)]);
            put(folder, "one.json", &all);
        })
        .await;
        let ends = [
            "",
            "/one.json",
            "/one.json/success",
            "/one.json/success/0",
            "/one.json/responder",
            "/one.json/responder/0",
            "/one.json/logs",
        ];
        for path in ends.map(|end| format!("/s/shop/reports{end}")) {
            let page = site.page(&path).await;
            crate::hostile::check(&page, payload, &path);
        }
        let path = "/s/shop/compare?old=one.json&new=one.json";
        crate::hostile::check(&site.page(path).await, payload, path);
    }
}
