//! The service map of 1, 5 and 60 backends, as text and as SVG, and its treatment of hostile names.
//! `BLESS=1 cargo test -p understudy-analyse --test service_map` writes the expected output again,
//! after an intended change.

#[path = "../../snapshot/tests/common/mod.rs"]
mod common;

use common::{get, snapshot};
use std::fs;
use std::path::Path;
use understudy_analyse::service_map::{Mocked, ROWS_MAX, Row, ServiceMap, percent};
use understudy_analyse::summary::summary;
use understudy_core::config::Mode;
use understudy_core::exchange::{Direction, Exchange};
use understudy_core::headers::Headers;

/// This number of exchanges with a backend.
fn calls(backend: &str, count: u64, at: &mut u64) -> Vec<Exchange> {
    let call = |_| {
        *at += 1;
        let mut exchange = get(&at.to_string(), *at * 1000, "/", "{}");
        exchange.backend = backend.to_owned();
        exchange
    };
    (0..count).map(call).collect()
}

fn map(exchanges: &[Exchange], not_mocked: &[&str]) -> ServiceMap {
    let (_folder, mut snapshot) = snapshot(exchanges);
    let modes = not_mocked.iter().map(|name| ((*name).to_owned(), Mode::Off)).collect();
    snapshot.set_modes(&modes, None).unwrap();
    ServiceMap::new(&summary(&snapshot).unwrap())
}

fn one() -> ServiceMap {
    map(&calls("https://api.stripe.com", 3, &mut 0), &[])
}

/// The example that users know.
fn five() -> ServiceMap {
    let mut at = 0;
    let mut all = calls("http://payment:8080", 192, &mut at);
    for inbound in &mut all {
        inbound.direction = Direction::Inbound;
    }
    for (backend, count) in [
        ("https://dynamodb.us-east-1.amazonaws.com", 147),
        ("https://api.stripe.com", 73),
        ("https://api.hubapi.com", 35),
        ("https://sandbox.plaid.com", 15),
        ("https://discovery.googleapis.com", 15),
    ] {
        all.extend(calls(backend, count, &mut at));
    }
    all[200].response.as_mut().unwrap().status = 503;
    all[201].request.headers = Headers::from_pairs([("traceparent", "00-0-0-01")]);
    map(&all, &["https://api.stripe.com"])
}

fn sixty() -> ServiceMap {
    let (mut at, mut all) = (0, Vec::new());
    for number in 0..20 {
        all.extend(calls(
            &format!("https://bucket-{number}.s3.eu-west-1.amazonaws.com"),
            1 + number % 3,
            &mut at,
        ));
    }
    for number in 0..18 {
        all.extend(calls(&format!("http://service-{number}.shop.svc.cluster.local:8080"), 2, &mut at));
    }
    for number in 0..12 {
        all.extend(calls(&format!("http://10.0.0.{number}:9000"), 1, &mut at));
    }
    for backend in ["api.stripe.com", "api.github.com", "slack.com", "sqs.eu-west-1.amazonaws.com"] {
        all.extend(calls(&format!("https://{backend}"), 9, &mut at));
    }
    let long = format!("https://{}.example.org", ["a-very-long-label-of-a-host"; 5].join("."));
    for backend in [long.as_str(), "https://api.openai.com", "http://orders"] {
        all.extend(calls(backend, 4, &mut at));
    }
    for name in ["users", "stock", "prices"] {
        all.extend(calls(&format!("http://{name}"), 1, &mut at));
    }
    map(&all, &["http://10.0.0.3:9000", "https://bucket-7.s3.eu-west-1.amazonaws.com", "https://slack.com"])
}

fn golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/map").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let expect = fs::read_to_string(&path).unwrap();
    assert_eq!(actual, expect, "{} differs; if that is meant, run again with BLESS=1", path.display());
}

#[test]
fn maps_equal_their_goldens() {
    for (name, map) in [("1", one()), ("5", five()), ("60", sixty())] {
        golden(&format!("{name}.txt"), &map.to_text(100));
        golden(&format!("{name}.narrow.txt"), &map.to_text(48));
        golden(&format!("{name}.svg"), &map.to_svg());
    }
}

#[test]
fn model_has_the_recorded_calls() {
    let map = five();
    assert_eq!(map.incoming.iter().map(|i| (i.port, i.requests)).collect::<Vec<_>>(), [(8080, 192)]);
    assert_eq!((map.backends, map.requests), (5, 285));
    assert_eq!(map.traced_by, ["OpenTelemetry"]);
    let told: Vec<_> = map.rows.iter().map(|row| (row.requests(), percent(row.share()))).collect();
    let expect = [(147, "51 %"), (73, "25 %"), (35, "12 %"), (15, "5 %"), (15, "5 %")];
    assert_eq!(told, expect.map(|(count, share)| (count, share.to_owned())));
    assert_eq!(map.rows[1].mocked(), Mocked::None);
    assert_eq!(map.rows[0].errors(), 1);
    let technologies: Vec<_> = map.rows.iter().map(|row| row.nodes()[0].technology).collect();
    assert_eq!(technologies, ["DynamoDB", "Stripe", "Hubspot", "GCP", "Plaid"]);
}

#[test]
fn many_backends_share_places_and_none_is_lost() {
    let map = sixty();
    assert_eq!(map.backends, 60);
    assert!(map.rows.len() <= ROWS_MAX);
    assert_eq!(map.rows.iter().map(|row| row.nodes().len()).sum::<usize>(), 60);
    assert_eq!(map.rows.iter().map(Row::requests).sum::<u64>(), map.requests);
    let s3 = map.rows.iter().find(|row| matches!(row, Row::Many { title, .. } if title == "S3")).unwrap();
    assert_eq!((s3.nodes().len(), s3.mocked()), (20, Mocked::Some));
    assert!(map.to_svg().contains("and 17 more"));
}

#[test]
fn text_map_fits_the_terminal_down_to_a_minimum() {
    for map in [one(), five(), sixty()] {
        for width in 44..140 {
            for line in map.to_text(width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn hostile_names_stay_text() {
    let mut exchanges = Vec::new();
    let mut at = 0;
    let names = [
        "https://<script>alert(1)<",
        "https://\"onload=\"alert(1)",
        "https://']]><style>*{}",
        "https://\u{1b}[31m\u{0}\u{202e}\u{ffff}",
        "https://&lt;img src=x&gt;",
        "javascript:alert(1)",
        "",
    ];
    for name in names {
        exchanges.extend(calls(name, 1, &mut at));
    }
    let map = map(&exchanges, &[]);
    let allowed = ["svg", "title", "desc", "style", "rect", "g", "path", "text", "tspan"];
    for svg in [map.to_svg(), map.to_svg_element()] {
        assert!(svg.chars().all(|c| c == '\n' || c == '…' || c == '·' || (' '..='~').contains(&c)), "{svg}");
        for tag in svg.split('<').skip(1) {
            let name: String =
                tag.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            assert!(allowed.contains(&name.as_str()), "{name} in {svg}");
            let attributes = tag.split('>').next().unwrap();
            assert!(!attributes.contains("onload=\"") && !attributes.contains("href"), "{attributes}");
        }
        assert!(!svg.contains("url(") && !svg.contains("@import") && !svg.contains(" id="), "{svg}");
    }
    assert!(!map.to_svg_element().contains("<style"), "a strict policy would not let it in");
    assert!(!map.to_text(80).contains('\u{1b}') && !map.to_text(80).contains('\u{202e}'));
}

#[test]
fn empty_recording_has_a_map() {
    let map = map(&[], &[]);
    assert_eq!((map.backends, map.rows.len()), (0, 0));
    assert!(map.to_svg().contains("0 requests to 0 backends"));
    assert!(!map.to_text(80).is_empty());
}
