//! The table writer against the core's reader: what goes in is found, to the last byte, and damage is noticed.

mod common;

use common::{answer, body, get, header, signature, table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use understudy_compile::table::TableBuilder;
use understudy_core::config::{Mode, OnMiss};
use understudy_core::digest::Digest;
use understudy_core::exchange::{Direction, End, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::table::{BackendMeta, Features, NEAR_MAX, Sequence, Table};
use understudy_snapshot::answerable::unanswerable;
use understudy_snapshot::{Backend, Header};

#[test]
fn nothing_is_a_table_too() {
    let bytes = table(&header("empty"), &[]);
    let table = Table::open(&bytes[..]).unwrap();
    table.verify().unwrap();
    assert_eq!((table.meta().snapshot.as_str(), table.meta().entries), ("empty", 0));
    assert_eq!(table.lookup(&[0; 20]), None);
    assert_eq!(table.nearest(&Features::default(), 10), []);
}

#[test]
fn an_answer_is_served_as_it_was_recorded() {
    let mut exchange = get("7", 0, "/a?b=1", "");
    let response = exchange.response.as_mut().unwrap();
    response.body = body(b"\0\xff\r\n");
    response.headers = Headers::from_pairs([("set-cookie", "a"), ("date", "x"), ("set-cookie", "b\u{e9}")]);
    response.trailers = Headers::from_pairs([("t", "1")]);
    let bytes = table(&header("s"), std::slice::from_ref(&exchange));
    let table = Table::open(&bytes[..]).unwrap();
    let entry = table.lookup(&signature(&exchange).digest()).unwrap();
    let [found] = &entry.answers[..] else { panic!("{entry:?}") };
    let (status, headers, served, id) = answer(&table, found);
    assert_eq!((status, served.as_slice(), id.as_str()), (200, &b"\0\xff\r\n"[..], "7"));
    assert_eq!(
        headers,
        Headers::from_pairs([("set-cookie", "a"), ("set-cookie", "b\u{e9}"), ("x-understudy", "match")])
    );
    assert!(found.untyped);
    assert_eq!(Headers::from_block(table.blob(found.trailers).unwrap()).get(b"t"), Some(&b"1"[..]));
    assert_eq!(table.blob(entry.signature).unwrap(), signature(&exchange).as_bytes());
}

#[test]
fn several_answers_are_a_sequence_in_order_of_time() {
    let given = [get("c", 3, "/", "third"), get("a", 1, "/", "first"), get("b", 2, "/", "first")];
    let bytes = table(&header("s"), &given);
    let table = Table::open(&bytes[..]).unwrap();
    let entry = table.lookup(&signature(&given[0]).digest()).unwrap();
    assert_eq!(entry.sequence, Sequence::Cycle);
    let served: Vec<_> = entry.answers.iter().map(|found| answer(&table, found)).collect();
    let ids: Vec<_> = served.iter().map(|(.., id)| id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let verdicts: Vec<_> =
        served.iter().map(|(_, headers, ..)| headers.iter().last().unwrap().1.to_vec()).collect();
    assert_eq!(verdicts, [&b"match; sequence=1/3"[..], b"match; sequence=2/3", b"match; sequence=3/3"]);
    assert_eq!(entry.answers[0].body, entry.answers[1].body, "equal bodies are stored once");
}

#[test]
fn answers_that_are_all_equal_are_one_but_where_they_are_counted() {
    let given = [get("a", 1, "/", "x"), get("b", 2, "/", "x")];
    let check = |sequence: Option<Sequence>, expect: usize| {
        let mut header = header("s");
        header.backends.insert("http://h".into(), Backend { sequence, ..Backend::default() });
        let bytes = table(&header, &given);
        let entry = Table::open(&bytes[..]).unwrap().lookup(&signature(&given[0]).digest()).unwrap();
        assert_eq!((entry.answers.len(), entry.sequence), (expect, sequence.unwrap_or_default()));
    };
    check(None, 1);
    check(Some(Sequence::StickLast), 1);
    check(Some(Sequence::Fail), 2);
}

#[test]
fn only_mocked_backends_and_whole_answers_get_in() {
    let mut header = header("s");
    header.on_miss = OnMiss::Passthrough;
    let tapped =
        Backend { mode: Mode::Tap, exchanges: 5, on_miss: Some(OnMiss::Capture), ..Backend::default() };
    header.backends.insert("http://tapped".into(), tapped);
    header.backends.insert("http://unused".into(), Backend::default());
    let on = |backend: &str, id: &str| Exchange { backend: backend.into(), ..get(id, 0, "/", "x") };
    let aborted = Exchange { end: End::ResponseAborted, ..on("http://h", "2") };
    let inbound = Exchange { direction: Direction::Inbound, ..on("http://me", "3") };
    let given = [on("http://tapped", "1"), aborted, inbound, on("http://new", "4")];
    let bytes = table(&header, &given);
    let table = Table::open(&bytes[..]).unwrap();
    let found: Vec<_> =
        given.iter().map(|exchange| table.lookup(&signature(exchange).digest()).is_some()).collect();
    assert_eq!(found, [false, false, false, true]);
    let meta = |name: &str, mode, on_miss, exchanges| BackendMeta {
        name: name.into(),
        mode,
        on_miss,
        exchanges,
        redacted: false,
        latency: None,
    };
    let expect = [
        meta("http://h", Mode::Mock, None, 1),
        meta("http://new", Mode::Mock, None, 1),
        meta("http://tapped", Mode::Tap, Some(OnMiss::Capture), 1),
        meta("http://unused", Mode::Mock, None, 0),
    ];
    assert_eq!(table.meta().backends, expect);
    assert_eq!(
        (table.meta().on_miss, table.meta().exchanges, table.meta().entries),
        (OnMiss::Passthrough, 3, 1)
    );
}

#[test]
fn the_nearest_are_those_with_most_in_common_however_many_there_are() {
    let given: Vec<_> = (0..5000)
        .map(|i| {
            let mut exchange = get(&i.to_string(), i, "/v1/orders", "");
            exchange.request.method = b"POST".to_vec();
            exchange.request.headers = Headers::from_pairs([("content-type", "application/json")]);
            let text =
                format!(r#"{{"customer":"c{}","amount":{i},"currency":"usd","lines":[1,2,3]}}"#, i / 3);
            exchange.request.body = body(text);
            exchange
        })
        .collect();
    let bytes = table(&header("s"), &given);
    let table = Table::open(&bytes[..]).unwrap();
    let nearest = |text: &str| {
        let mut live = given[0].clone();
        live.request.body = body(text);
        let found = understudy_core::engine::nearest(&table, &signature(&live));
        assert!(
            found.len() == 10 && found.is_sorted_by_key(|near| std::cmp::Reverse(near.score)),
            "{found:?}"
        );
        found.into_iter().next().unwrap()
    };
    // One field of the 4,000th is other: it is found among thousands that are like it.
    let near = nearest(r#"{"customer":"c1333","amount":4000,"currency":"eur","lines":[1,2,3]}"#);
    assert_eq!(near.exchange, "4000");
    let differs: Vec<_> =
        near.differs.iter().map(|d| (d.key.as_str(), d.recorded.as_deref(), d.live.as_deref())).collect();
    assert_eq!(differs, [("body/currency", Some("\"usd\""), Some("\"eur\""))]);
    // The amount alone leads there, and the customer alone.
    assert_eq!(
        nearest(r#"{"customer":"x","amount":4000,"currency":"usd","lines":[1,2,3]}"#).exchange,
        "4000"
    );
    assert_eq!(
        nearest(r#"{"customer":"c1333","amount":-1,"currency":"usd","lines":[1,2,3]}"#).exchange,
        "3999"
    );
}

#[test]
fn one_feature_leads_to_a_few_records_alone() {
    let given: Vec<_> = (0..1000).map(|i| get(&i.to_string(), i, &format!("/v1/things/{i}"), "")).collect();
    let bytes = table(&header("s"), &given);
    let table = Table::open(&bytes[..]).unwrap();
    let all = Features::of(&signature(&get("", 0, "/v1/things/none", "")));
    let coarse = Features { fine: Vec::new(), ..all };
    assert_eq!(table.nearest(&coarse, usize::MAX).len(), NEAR_MAX);
    assert_eq!(table.nearest(&Features::default(), usize::MAX), []);
}

#[test]
fn long_values_of_a_signature_are_cut_and_found_all_the_same() {
    let mut exchange = get("1", 0, "/", "");
    exchange.request.body = body("x".repeat(10_000));
    let bytes = table(&header("s"), std::slice::from_ref(&exchange));
    let table = Table::open(&bytes[..]).unwrap();
    let entry = table.lookup(&signature(&exchange).digest()).unwrap();
    let stored = understudy_core::canonical::Signature::from_bytes(table.blob(entry.signature).unwrap());
    assert_eq!(stored.get(b"body").unwrap().len(), 4096);
    assert_eq!(stored.get(b"path").unwrap(), b"/");
}

#[test]
fn every_signature_is_found_among_many() {
    for count in [1, 2, 3, 1000, 100_000] {
        let given: Vec<_> = (0..count)
            .map(|i| get(&i.to_string(), i, &format!("/things/{i}"), &format!("{}", i % 7)))
            .collect();
        let bytes = table(&header("s"), &given);
        let table = Table::open(&bytes[..]).unwrap();
        table.verify().unwrap();
        assert_eq!(table.meta().entries, count);
        for exchange in &given {
            let entry = table.lookup(&signature(exchange).digest()).unwrap();
            let (_, _, served, id) = answer(&table, &entry.answers[0]);
            assert_eq!(
                (id, served),
                (exchange.id.clone(), exchange.response.as_ref().unwrap().body.bytes.clone())
            );
        }
        let absent = get("", 0, "/things/none", "");
        assert_eq!(table.lookup(&signature(&absent).digest()), None);
    }
}

fn small() -> Vec<u8> {
    let given = [get("1", 0, "/a", "one"), get("2", 1, "/a", "two"), get("3", 2, "/b", "three")];
    table(&header("s"), &given)
}

/// Asks a table everything; it must not panic.
fn ask(table: &Table<&[u8]>, digests: &[Digest]) {
    let entries: Vec<_> = digests.iter().filter_map(|digest| table.lookup(digest)).collect();
    for found in entries.iter().flat_map(|entry| &entry.answers) {
        for place in [found.headers, found.body, found.trailers, found.exchange] {
            let block = Headers::from_block(table.blob(place).unwrap_or_default());
            block.iter().for_each(drop);
        }
    }
    understudy_core::engine::nearest(table, &signature(&get("", 0, "/a", "")));
}

#[test]
fn each_damaged_byte_is_noticed_and_none_panics() {
    let good = small();
    let digests = [signature(&get("", 0, "/a", "")).digest(), signature(&get("", 0, "/b", "")).digest()];
    for at in 0..good.len() {
        for change in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= change;
            if let Ok(table) = Table::open(&bad[..]) {
                ask(&table, &digests);
                assert!(table.verify().is_err(), "byte {at} changed by {change}");
            }
        }
    }
}

#[test]
fn each_cut_is_noticed() {
    let good = small();
    for end in 1..good.len() {
        let error = Table::open(&good[..end]).unwrap_err();
        assert!(["table-magic", "table-length"].contains(&error.code()), "{end}: {error}");
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(Table::open(&long[..]).unwrap_err().code(), "table-length");
}

#[test]
fn another_version_is_refused() {
    let mut table = small();
    table[8] = 1;
    let error = Table::open(&table[..]).unwrap_err();
    assert_eq!(error.code(), "table-version");
    assert!(error.to_string().contains("version 1"), "{error}");
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let text = proptest::collection::vec(any::<u8>(), 0..40);
    let headers = proptest::collection::vec(("[a-z-]{1,12}", text.clone()), 0..5);
    let request = ("GET|HEAD|POST", "/[a-c]?(\\?[a-c]=[0-3])?", headers.clone(), text.clone());
    let response = (prop_oneof![Just(200u16), 100..700u16], headers, text);
    let rest = (0..4u64, "http://(a|b|tap)", any::<bool>(), 0..6u8);
    (request, response, rest).prop_map(|(request, response, (time, backend, outbound, end))| Exchange {
        time,
        backend,
        direction: if outbound { Direction::Outbound } else { Direction::Inbound },
        request: Request {
            method: request.0.into_bytes(),
            path: request.1.into_bytes(),
            headers: Headers::from_pairs(request.2),
            body: body(request.3),
            ..Request::default()
        },
        response: Some(Response {
            status: response.0,
            headers: Headers::from_pairs(response.1),
            body: body(response.2),
            ..Response::default()
        }),
        end: if end == 0 { End::ResponseAborted } else { End::Complete },
        ..Exchange::default()
    })
}

proptest! {
    #[test]
    fn a_table_holds_what_went_in_and_nothing_else(mut given in proptest::collection::vec(any_exchange(), 0..60)) {
        for (number, exchange) in given.iter_mut().enumerate() {
            exchange.id = number.to_string();
        }
        let mut header = header("s");
        header.backends.insert("http://tap".into(), Backend { mode: Mode::Tap, ..Backend::default() });
        header.backends.insert("http://b".into(), Backend { sequence: Some(Sequence::Fail), ..Backend::default() });
        let bytes = table(&header, &given);
        prop_assert_eq!(&bytes, &table(&header, &given), "equal input, equal bytes");
        let table = Table::open(&bytes[..]).unwrap();
        table.verify().unwrap();
        check_against_model(&table, &header, &given);
    }
}

/// The plain way to say what the table must hold: all answers, by signature, in order of time.
fn check_against_model(table: &Table<&[u8]>, header: &Header, given: &[Exchange]) {
    let mut model: BTreeMap<Digest, Vec<&Exchange>> = BTreeMap::new();
    let answerable =
        given.iter().filter(|e| unanswerable(e).is_none() && header.backend(&e.backend).mode == Mode::Mock);
    answerable.for_each(|exchange| model.entry(signature(exchange).digest()).or_default().push(exchange));
    assert_eq!(table.meta().entries, model.len() as u64);
    for exchange in given {
        let digest = signature(exchange).digest();
        let Some(expect) = model.get_mut(&digest) else {
            assert_eq!(table.lookup(&digest), None);
            continue;
        };
        expect.sort_by_key(|exchange| exchange.time);
        let entry = table.lookup(&digest).unwrap();
        if entry.answers.len() != expect.len() {
            assert_eq!(entry.answers.len(), 1, "all of them or one for all");
            assert_ne!(entry.sequence, Sequence::Fail);
        }
        for (found, expect) in entry.answers.iter().zip(expect) {
            let (status, headers, served, id) = answer(table, found);
            let recorded = expect.response.as_ref().unwrap();
            let bodiless = expect.request.method == b"HEAD" || matches!(status, 204 | 304);
            let body = if bodiless { &[][..] } else { &recorded.body.bytes };
            assert_eq!((status, served.as_slice(), &id), (recorded.status, body, &expect.id));
            assert_eq!(headers.iter().last().unwrap().0, b"x-understudy");
        }
    }
}

#[test]
fn a_builder_counts_what_it_leaves_out() {
    let mut builder = TableBuilder::new(&header("s"));
    builder.push(&Exchange { end: End::ResponseAborted, ..get("1", 0, "/", "") }).unwrap();
    builder.push(&Exchange { response: None, end: End::NoResponse, ..get("2", 0, "/", "") }).unwrap();
    builder.push(&get("3", 0, "/", "")).unwrap();
    let built = builder.finish().unwrap();
    assert_eq!((built.entries, built.answers), (1, 1));
    assert_eq!(built.left_out.values().sum::<u64>(), 2);
    assert_eq!(Table::open(&built.bytes[..]).unwrap().digest(), built.digest);
}
