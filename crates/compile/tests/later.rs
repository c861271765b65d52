//! Answers that are held back, and faults: through the engine, with a clock that only the test moves.

use understudy_compile::table::TableBuilder;
use understudy_core::config::Config;
use understudy_core::engine::{Action, Fixup, MemoryHost, Reply, Stream, Vm};
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::table::Table;
use understudy_core::v1;
use understudy_core::verdict::{Kind, Verdict};
use understudy_snapshot::Header;

/// A host with more body than any test reads.
fn host() -> MemoryHost {
    MemoryHost::with_body(vec![b'x'; 4096])
}

fn exchange(id: u64, path: &str, answer: &str) -> Exchange {
    let body = |bytes: &str| Body { bytes: bytes.into(), truncated: None };
    let headers = Headers::from_pairs([("content-type", "text/plain")]);
    Exchange {
        id: id.to_string(),
        time: id,
        duration: 100_000,
        backend: "http://api.test".into(),
        request: Request { method: b"GET".to_vec(), path: path.into(), ..Request::default() },
        response: Some(Response { status: 200, headers, body: body(answer), ..Response::default() }),
        ..Exchange::default()
    }
}

/// The table of these exchanges, with these lines in `snapshot.yaml`.
fn table(exchanges: &[Exchange], yaml: &str) -> Vec<u8> {
    let text = format!("version: 1\nname: s\nrecorded: 2026-11-21T08:00:00Z\n{yaml}");
    let mut builder = TableBuilder::new(&Header::from_yaml(&text, "snapshot.yaml".as_ref()).unwrap());
    exchanges.iter().for_each(|exchange| builder.push(exchange).unwrap());
    builder.finish().unwrap().bytes
}

fn vm<'a>(table: &'a [u8], config: &str) -> Vm<&'a [u8]> {
    Vm::new(&Config::from_json(config.as_bytes()).unwrap(), Table::open(table).unwrap(), "vm".to_owned())
}

fn headers(path: &str) -> Headers {
    let all = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "api.test")];
    Headers::from_pairs(all)
}

fn ask(vm: &mut Vm<&[u8]>, host: &mut MemoryHost, path: &str) -> (Action, Stream) {
    let mut stream = Stream::new();
    (stream.request_headers(headers(path), true, vm, host), stream)
}

fn reply(action: Action) -> Reply {
    match action {
        Action::Reply(reply) => reply,
        other => panic!("no answer: {other:?}"),
    }
}

/// What became of a request at once: its status, verdict header and body.
fn told(action: Action) -> (u16, String, String) {
    let reply = reply(action);
    let verdict = reply.headers.get(b"x-understudy").unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (reply.status, text(verdict), text(&reply.body))
}

fn counted(vm: &mut Vm<&[u8]>) -> Vec<[u64; 5]> {
    vm.take_counts().map(|(_, counts)| counts).collect()
}

const NONE: &str = "backends: {}\n";

#[test]
fn how_long_an_answer_is_held() {
    let check = |yaml: &str, config: &str, expect: Option<u64>| {
        let table = table(&[exchange(1, "/", "a")], yaml);
        let (mut vm, mut host) = (vm(&table, config), host());
        let later = match ask(&mut vm, &mut host, "/").0 {
            Action::Delay(micros) => Some(micros),
            Action::Reply(_) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(later, expect, "{yaml} {config}");
        if expect.is_none() {
            assert_eq!(host.clock_reads, 0, "what costs nothing asks for nothing");
        }
    };
    let backend = |latency: &str| {
        format!("latency: recorded\nbackends:\n  http://api.test:\n    mode: mock\n    latency: {latency}\n")
    };
    let in_config = |latency: &str| {
        format!(
            r#"{{"latency":"2x","backends":{{"http://api.test":{{"mode":"mock","latency":"{latency}"}}}}}}"#
        )
    };
    check(NONE, "{}", None);
    check("latency: recorded\nbackends: {}\n", "{}", Some(100_000));
    check("latency: 0.5x\nbackends: {}\n", "{}", Some(50_000));
    check("latency: 1000x\nbackends: {}\n", "{}", Some(100_000_000));
    check(&backend("none"), "{}", None);
    check(&backend("0.5x"), "{}", Some(50_000));
    check(&backend("0.5x"), r#"{"latency":"none"}"#, None);
    check(&backend("0.5x"), r#"{"latency":"2x"}"#, Some(200_000));
    check(&backend("0.5x"), &in_config("none"), None);
    check(NONE, &in_config("3x"), Some(300_000));
}

#[test]
fn the_time_to_the_first_byte_counts_where_it_is_known() {
    let stream = Exchange { first_byte: Some(7_000), ..exchange(1, "/", "a") };
    let table = table(&[stream], "latency: recorded\nbackends: {}\n");
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    assert_eq!(ask(&mut vm, &mut host, "/").0, Action::Delay(7_000));
}

/// Answers that look the same are one, which takes as long as most of them took.
#[test]
fn each_answer_of_a_sequence_takes_its_own_time() {
    let took = |duration: u64, id: u64, path: &str, answer: &str| Exchange {
        duration,
        ..exchange(id, path, answer)
    };
    let exchanges = [
        took(1_000, 1, "/", "a"),
        took(2_000, 2, "/", "b"),
        took(900_000, 3, "/same", "a"),
        took(3_000, 4, "/same", "a"),
        took(5_000, 5, "/same", "a"),
    ];
    let table = table(&exchanges, "latency: recorded\nbackends: {}\n");
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    for (path, expect) in [("/", 1_000), ("/", 2_000), ("/", 1_000), ("/same", 5_000), ("/same", 5_000)] {
        assert_eq!(ask(&mut vm, &mut host, path).0, Action::Delay(expect), "{path}");
    }
}

#[test]
fn gathering_the_body_counts_and_a_miss_never_waits() {
    let mut post = exchange(1, "/", "a");
    (post.request.method, post.request.body.bytes) = (b"POST".to_vec(), vec![b'x'; 3]);
    let table = table(&[post], "latency: recorded\nbackends: {}\n");
    let check = |gathering: u64, expect: Option<u64>| {
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        let post = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "api.test")];
        let mut stream = Stream::new();
        stream.request_headers(Headers::from_pairs(post), false, &mut vm, &mut host);
        host.clock += gathering;
        match (stream.request_body(3, true, &mut vm, &mut host), expect) {
            (Action::Delay(left), Some(expect)) => assert_eq!(left, expect),
            (Action::Reply(reply), None) => assert_eq!(reply.status, 200),
            (other, _) => panic!("{gathering}: {other:?}"),
        }
    };
    check(0, Some(100_000));
    check(30_000, Some(70_000));
    check(100_000, None);
    check(9_000_000, None);
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    assert_eq!(reply(ask(&mut vm, &mut host, "/other").0).status, 404);
}

#[test]
fn what_waits_is_given_once_and_counts_then() {
    let table = table(&[exchange(1, "/", "a")], "latency: recorded\nbackends: {}\n");
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let (_, mut stream) = ask(&mut vm, &mut host, "/");
    assert_eq!(stream.request_body(9, true, &mut vm, &mut host), Action::Hold, "nothing goes on meanwhile");
    assert_eq!(stream.request_trailers(Headers::new, &mut vm, &mut host), Action::Hold);
    assert!(counted(&mut vm).is_empty());
    assert_eq!(reply(stream.resume(&mut vm)).body, b"a");
    assert_eq!(stream.resume(&mut vm), Action::Hold);
    stream.end(&mut vm, &mut host);
    assert_eq!(counted(&mut vm), [[1, 0, 0, 0, 0]]);
}

#[test]
fn a_client_that_leaves_while_its_answer_waits_has_aborted() {
    let table = table(&[exchange(1, "/", "a")], "latency: recorded\nbackends: {}\n");
    for envoy_answers in [false, true] {
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        let (_, mut stream) = ask(&mut vm, &mut host, "/");
        if envoy_answers {
            stream.response_headers(Headers::new, true, &mut vm, &mut host);
            assert_eq!(stream.resume(&mut vm), Action::Hold, "a second answer would hang the client");
        }
        stream.end(&mut vm, &mut host);
        assert_eq!(stream.resume(&mut vm), Action::Hold);
        assert_eq!(counted(&mut vm), [[0, 0, 0, 0, 1]]);
    }
}

fn fault(fault: &str) -> String {
    format!("{NONE}rules:\n- path: /a\n  fault: {fault}\n")
}

#[test]
fn a_fault_takes_the_place_of_an_answer_recorded_or_not() {
    let check = |text: &str, exchanges: &[Exchange], expect: (u16, &str, &str)| {
        let table = table(exchanges, &fault(text));
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        let expect = (expect.0, expect.1.to_owned(), expect.2.to_owned());
        assert_eq!(told(ask(&mut vm, &mut host, "/a").0), expect, "{text}");
        let other = told(ask(&mut vm, &mut host, "/b").0);
        assert_eq!(other, (200, "match".to_owned(), "b".to_owned()), "another path");
        let hidden = Vm::new(
            &Config { verdict_header: false, ..Config::default() },
            Table::open(&table[..]).unwrap(),
            "vm".into(),
        );
        assert_eq!(told(ask(&mut { hidden }, &mut host, "/a").0).1, "");
    };
    let (a, b) = (exchange(1, "/a", "a"), exchange(2, "/b", "b"));
    for recorded in [vec![a.clone(), b.clone()], vec![b.clone()]] {
        check("{status: 503}", &recorded, (503, "fault; status=503", ""));
        check("{status: 429, body: slow down}", &recorded, (429, "fault; status=429", "slow down"));
    }
}

#[test]
fn a_reset_is_no_answer_and_a_delay_comes_before_it() {
    let table = table(&[], &fault("{reset: true, delay: 2s}"));
    let (mut vm, mut host) = (vm(&table, r#"{"default":"mock"}"#), host());
    let (action, mut stream) = ask(&mut vm, &mut host, "/a");
    assert_eq!(action, Action::Delay(2_000_000));
    assert_eq!(stream.resume(&mut vm), Action::Reset);
    assert_eq!(counted(&mut vm), [[1, 0, 0, 0, 0]]);
}

#[test]
fn a_delay_is_added_to_the_latency_and_a_miss_has_none() {
    let yaml = format!("latency: recorded\n{}", fault("{delay: 2s}"));
    let table = table(&[exchange(1, "/a", "a")], &yaml);
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let (action, mut stream) = ask(&mut vm, &mut host, "/a");
    assert_eq!(action, Action::Delay(2_100_000));
    assert_eq!(told(stream.resume(&mut vm)), (200, "fault; delay=2s".to_owned(), "a".to_owned()));
    let miss = ask(&mut vm, &mut host, "/a?b").0;
    assert_eq!(told(miss).1, "miss");
}

/// The head speaks of the whole body, and the stream is to be cut where the given part ends.
#[test]
fn a_body_is_cut() {
    let exchanges = [exchange(1, "/a", "0123456789"), exchange(2, "/a", "short")];
    let table = table(&exchanges, &fault("{truncate: 5}"));
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let (action, mut stream) = ask(&mut vm, &mut host, "/a");
    assert_eq!(told(action), (200, "fault; truncate=5; sequence=1/2".to_owned(), "01234".to_owned()));
    let Fixup::Replace(headers) = stream.response_headers(Headers::new, false, &mut vm, &mut host) else {
        panic!("the length is to be set")
    };
    assert_eq!(headers.get(b"content-length"), Some(&b"10"[..]));
    assert_eq!(stream.response_body(5, true, &mut vm, &mut host), Fixup::Cut);
    let (action, mut stream) = ask(&mut vm, &mut host, "/a");
    assert_eq!(told(action).2, "short");
    assert_eq!(stream.response_body(5, true, &mut vm, &mut host), Fixup::None, "nothing is missing");
}

/// One whose turn it isn't lets the rule above it decide.
#[test]
fn every_nth_request_gets_it() {
    let yaml = format!(
        "{NONE}rules:\n- fault: {{status: 500, every: 2}}\n- path: /a\n  fault: {{status: 503, every: 3}}\n"
    );
    let table = table(&[exchange(1, "/a", "a"), exchange(2, "/b", "b")], &yaml);
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let mut statuses = |path: &str, count: usize| -> Vec<u16> {
        (0..count).map(|_| told(ask(&mut vm, &mut host, path).0).0).collect()
    };
    // The second, fourth … of those that get as far as the first rule.
    assert_eq!(statuses("/a", 8), [200, 500, 503, 200, 500, 503, 200, 500]);
    assert_eq!(statuses("/b", 3), [200, 500, 200]);
}

#[test]
fn a_fault_leaves_the_sequence_where_it_was_and_is_reported_as_a_match() {
    let exchanges = [exchange(1, "/a", "first"), exchange(2, "/a", "second")];
    let table = table(&exchanges, &fault("{status: 503, every: 2}"));
    let collector = r#"{"collector":{"cluster":"c"}}"#;
    let (mut vm, mut host) = (vm(&table, collector), host());
    let bodies: Vec<_> = (0..4).map(|_| told(ask(&mut vm, &mut host, "/a").0).2).collect();
    assert_eq!(bodies, ["first", "", "second", ""]);
    let (_, bytes) = vm.outbox().unwrap().next(u64::MAX).unwrap();
    let lines = bytes.split(|&b| b == b'\n').skip(1).filter(|line| !line.is_empty());
    let verdicts: Vec<Verdict> = lines.map(|line| v1::read_record(line).unwrap().verdict.unwrap()).collect();
    let faults: Vec<_> = verdicts.iter().map(|verdict| verdict.fault.as_deref()).collect();
    assert_eq!(faults, [None, Some("status=503"), None, Some("status=503")]);
    assert!(verdicts.iter().all(|verdict| verdict.kind == Kind::Match));
    assert_eq!((verdicts[1].status, &verdicts[1].matched), (Some(503), &None));
    assert_eq!(counted(&mut vm), [[4, 0, 0, 0, 0]]);
}
