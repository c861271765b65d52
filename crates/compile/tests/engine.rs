//! The engine, driven as Envoy would drive it, by a host that writes down what is asked of it.

use proptest::prelude::*;
use understudy_compile::table::TableBuilder;
use understudy_core::config::{Config, Mode};
use understudy_core::engine::{Action, Fixup, MemoryHost, STUB_AUTHORITY, STUB_HEADER, Stream, Vm};
use understudy_core::exchange::{Body, End, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::latency::Latency;
use understudy_core::rules::{Place, Rule};
use understudy_core::table::{Sequence, Table};
use understudy_core::v1::{self, Record};
use understudy_core::verdict::{Kind, Reason};
use understudy_snapshot::{Backend, Header};

const BACKEND: &str = "http://api.test";

/// A host whose clock moves with each reading.
fn host() -> MemoryHost {
    MemoryHost { clock_step: 10, ..MemoryHost::default() }
}

fn exchange(id: u64, path: &str, body: &str, answer: &str) -> Exchange {
    Exchange {
        id: id.to_string(),
        time: id,
        backend: BACKEND.to_owned(),
        request: Request {
            method: b"POST".to_vec(),
            path: path.into(),
            body: Body { bytes: body.into(), truncated: None },
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "text/plain")]),
            body: Body { bytes: answer.into(), truncated: None },
            ..Response::default()
        }),
        ..Exchange::default()
    }
}

fn table(exchanges: &[Exchange], backend: Backend) -> Vec<u8> {
    let header = Header { backends: [(BACKEND.to_owned(), backend)].into(), ..Header::default() };
    let mut builder = TableBuilder::new(&header);
    exchanges.iter().for_each(|exchange| builder.push(exchange).unwrap());
    builder.finish().unwrap().bytes
}

fn vm<'a>(table: &'a [u8], config: &str) -> Vm<&'a [u8]> {
    Vm::new(&Config::from_json(config.as_bytes()).unwrap(), Table::open(table).unwrap(), "vm".to_owned())
}

fn headers(path: &str) -> Headers {
    Headers::from_pairs([
        (":method", "POST"),
        (":path", path),
        (":scheme", "http"),
        (":authority", "API.test:80"),
    ])
}

/// Sends a request whose body comes in chunks, held back as Envoy holds it: each callback sees all that came so far.
fn ask(vm: &mut Vm<&[u8]>, host: &mut MemoryHost, path: &str, chunks: &[&[u8]]) -> (Action, Stream) {
    let mut stream = Stream::new();
    let mut action = stream.request_headers(headers(path), chunks.is_empty(), vm, host);
    host.body.clear();
    for (i, chunk) in chunks.iter().enumerate() {
        assert_eq!(
            action,
            Action::Hold,
            "nothing goes on, and nothing is answered, before the body is whole"
        );
        host.body.extend_from_slice(chunk);
        action = stream.request_body(host.body.len(), i + 1 == chunks.len(), vm, host);
    }
    (action, stream)
}

fn answer(action: &Action) -> (u16, String) {
    match action {
        Action::Reply(reply) => (reply.status, String::from_utf8_lossy(&reply.body).into_owned()),
        other => panic!("no answer: {other:?}"),
    }
}

fn records(vm: &mut Vm<&[u8]>) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((_, bytes)) = vm.outbox().unwrap().next(u64::MAX) {
        records.extend(
            bytes
                .split(|&b| b == b'\n')
                .skip(1)
                .filter(|l| !l.is_empty())
                .map(|l| v1::read_record(l).unwrap()),
        );
    }
    records
}

const COLLECTOR: &str = r#""collector":{"cluster":"c"}"#;

#[test]
fn several_answers_come_in_their_sequence() {
    let check = |sequence: Sequence, expect: &[&str]| {
        let exchanges = [exchange(1, "/", "", "a"), exchange(2, "/", "", "b")];
        let table = table(&exchanges, Backend { sequence: Some(sequence), ..Backend::default() });
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        let got: Vec<String> = (0..5)
            .map(|_| match answer(&ask(&mut vm, &mut host, "/", &[]).0) {
                (200, body) => body,
                (status, _) => status.to_string(),
            })
            .collect();
        assert_eq!(got, expect, "{sequence:?}");
    };
    check(Sequence::Cycle, &["a", "b", "a", "b", "a"]);
    check(Sequence::StickLast, &["a", "b", "b", "b", "b"]);
    check(Sequence::Fail, &["a", "b", "404", "404", "404"]);
}

/// What came after an answer that can't be given isn't the answer in its place.
#[test]
fn an_answer_that_can_not_be_given_leaves_a_gap() {
    let mut cut = exchange(2, "/", "", "b");
    cut.response.as_mut().unwrap().body.truncated = Some(9);
    let got = |exchanges: &[Exchange]| -> Vec<String> {
        let table = table(exchanges, Backend::default());
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        (0..4).map(|_| answer(&ask(&mut vm, &mut host, "/", &[]).0).1).collect()
    };
    let (first, last) = (exchange(1, "/", "", "a"), exchange(3, "/", "", "a"));
    let told = got(&[first.clone(), cut.clone(), last.clone()]);
    assert_eq!([&told[0], &told[2], &told[3]], ["a"; 3]);
    assert!(told[1].contains("sequence-gap"), "{}", told[1]);
    // Alone it is no recorded request, and a stream that broke leaves none: the client has asked again.
    assert!(got(std::slice::from_ref(&cut))[0].contains("no-entry"));
    let broke = Exchange { end: End::ResponseAborted, ..exchange(2, "/", "", "b") };
    assert_eq!(got(&[first, broke, last]), ["a"; 4]);
}

#[test]
fn a_body_over_the_cap_is_refused_as_soon_as_that_is_known() {
    let table = table(&[exchange(1, "/", "12345", "a")], Backend::default());
    let config = format!(r#"{{{COLLECTOR},"body_cap_bytes":4}}"#);
    let (mut vm, mut host) = (vm(&table, &config), host());
    let mut stream = Stream::new();
    assert_eq!(stream.request_headers(headers("/"), false, &mut vm, &mut host), Action::Hold);
    host.body = b"12345".to_vec();
    assert_eq!(answer(&stream.request_body(5, false, &mut vm, &mut host)).0, 404);
    let declared = Headers::from_pairs(headers("/").iter().chain([(&b"content-length"[..], &b"5"[..])]));
    assert_eq!(answer(&Stream::new().request_headers(declared, false, &mut vm, &mut host)).0, 404);
    let reasons: Vec<_> =
        records(&mut vm).into_iter().map(|r| (r.verdict.unwrap().reason, r.exchange.request.body)).collect();
    assert_eq!(reasons[0], (Some(Reason::BodyOverCap), Body { bytes: b"1234".to_vec(), truncated: Some(5) }));
    assert_eq!(reasons[1].0, Some(Reason::BodyOverCap));
}

#[test]
fn what_can_have_no_verdict_in_the_end_has_one_at_once() {
    let table = table(&[exchange(1, "/", "", "a")], Backend::default());
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let with = |name: &'static str, value: &'static str| {
        let extra = [(name.as_bytes(), value.as_bytes()), (b"connection", b"upgrade")];
        Headers::from_pairs(headers("/").iter().chain(extra))
    };
    assert_eq!(
        answer(&Stream::new().request_headers(with("upgrade", "websocket"), false, &mut vm, &mut host)).0,
        404
    );
    let connect = Headers::from_pairs([(":method", "CONNECT"), (":authority", "api.test:443")]);
    assert_eq!(answer(&Stream::new().request_headers(connect, false, &mut vm, &mut host)).0, 404);
}

/// A gRPC exchange, and what its answer's trailers say.
fn grpc_exchange(answer: &str, trailers: &[(&str, &str)]) -> Exchange {
    let mut exchange = exchange(1, "/a.B/C", "\0\0\0\0\x02\x08\x01", answer);
    exchange.request.headers = Headers::from_pairs([("content-type", "application/grpc")]);
    let response = exchange.response.as_mut().unwrap();
    response.headers = Headers::from_pairs([("content-type", "application/grpc"), ("x-a", "1")]);
    response.trailers = Headers::from_pairs(trailers.iter().copied());
    exchange
}

/// The action on a gRPC request with one message.
fn call(vm: &mut Vm<&[u8]>, host: &mut MemoryHost, number: u8) -> (Action, Stream) {
    let grpc = (&b"content-type"[..], &b"application/grpc"[..]);
    let asked = Headers::from_pairs(headers("/a.B/C").iter().chain([grpc]));
    let mut stream = Stream::new();
    assert_eq!(stream.request_headers(asked, false, vm, host), Action::Hold);
    host.body = vec![0, 0, 0, 0, 2, 8, number];
    let action = stream.request_body(7, true, vm, host);
    (action, stream)
}

fn pairs(pairs: &[(&str, &str)]) -> Headers {
    Headers::from_pairs(pairs.iter().copied())
}

const STUB: &str = r#"{"grpc_stub":true}"#;

#[test]
fn a_grpc_answer_takes_the_place_of_the_stubs() {
    let table = table(&[grpc_exchange("frames", &[("grpc-status", "0")])], Backend::default());
    let (mut vm, mut host) = (vm(&table, STUB), host());
    let (action, mut stream) = call(&mut vm, &mut host, 1);
    let Action::Stub(request) = action else { panic!("{action:?}") };
    assert_eq!(request.get(b":authority"), Some(STUB_AUTHORITY.as_bytes()));
    assert_eq!(
        request.get(b"content-type"),
        Some(&b"application/octet-stream"[..]),
        "it is no gRPC any more"
    );
    let came = || pairs(&[(":status", "200"), ("content-length", "1"), (STUB_HEADER, "1")]);
    let expect =
        [(":status", "200"), ("content-type", "application/grpc"), ("x-a", "1"), ("x-understudy", "match")];
    assert_eq!(stream.response_headers(came, false, &mut vm, &mut host), Fixup::Replace(pairs(&expect)));
    let body = |bytes: &[u8], trailers: &[(&str, &str)]| Fixup::ReplaceBody(bytes.to_vec(), pairs(trailers));
    assert_eq!(stream.response_body(1, false, &mut vm, &mut host), body(b"frames", &[]));
    assert_eq!(stream.response_body(0, true, &mut vm, &mut host), body(b"", &[("grpc-status", "0")]));
}

#[test]
fn an_answer_that_is_not_the_stubs_is_not_handed_on() {
    let table = table(&[grpc_exchange("frames", &[("grpc-status", "0")])], Backend::default());
    let (mut vm, mut host) = (vm(&table, STUB), host());
    let (_, mut stream) = call(&mut vm, &mut host, 1);
    let came = || pairs(&[(":status", "200"), ("x-secret", "1")]);
    let Fixup::Replace(headers) = stream.response_headers(came, false, &mut vm, &mut host) else { panic!() };
    assert_eq!((headers.get(b"grpc-status"), headers.get(b"x-secret")), (Some(&b"12"[..]), None));
    let Fixup::ReplaceBody(body, trailers) = stream.response_body(9, true, &mut vm, &mut host) else {
        panic!()
    };
    assert_eq!((body.len(), trailers.get(b"grpc-status")), (0, Some(&b"12"[..])));
}

#[test]
fn a_grpc_answer_without_messages_needs_no_stub_connection() {
    let mut exchange = grpc_exchange("", &[]);
    exchange.response.as_mut().unwrap().headers =
        pairs(&[("grpc-status", "5"), ("grpc-status-details-bin", "AA")]);
    let table = table(&[exchange], Backend::default());
    let (mut vm, mut host) = (vm(&table, STUB), host());
    let (action, mut stream) = call(&mut vm, &mut host, 1);
    assert!(matches!(action, Action::Reply(_)), "{action:?}");
    let came = || pairs(&[(":status", "200"), ("grpc-status", "2")]);
    let expect = [
        (":status", "200"),
        ("grpc-status", "5"),
        ("grpc-status-details-bin", "AA"),
        ("x-understudy", "match"),
    ];
    assert_eq!(stream.response_headers(came, true, &mut vm, &mut host), Fixup::Replace(pairs(&expect)));
}

#[test]
fn a_grpc_miss_has_a_status_and_says_what_is_nearest() {
    let table = table(&[grpc_exchange("frames", &[("grpc-status", "0")])], Backend::default());
    let check = |config: &str, number: u8, expect: &[&str]| {
        let (mut vm, mut host) = (vm(&table, config), host());
        let Action::Reply(reply) = call(&mut vm, &mut host, number).0 else { panic!("an answer") };
        assert_eq!((reply.status, reply.grpc_status), (200, Some(12)));
        let said = String::from_utf8(reply.body).unwrap();
        for part in expect {
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    check(STUB, 2, &["POST /a.B/C", "body/0/1", "v:1", "v:2"]);
    check("{}", 1, &["grpc_stub"]);
}

#[test]
fn a_clients_own_stub_header_is_taken_out() {
    let table = table(&[], Backend::default());
    let (mut vm, mut host) = (vm(&table, r#"{"backends":{"http://api.test":{"mode":"off"}}}"#), host());
    let own = Headers::from_pairs(headers("/").iter().chain([(STUB_HEADER.as_bytes(), &b"1"[..])]));
    assert_eq!(Stream::new().request_headers(own, true, &mut vm, &mut host), Action::Continue);
    assert_eq!(host.removed_headers, [STUB_HEADER]);
}

/// HTTP/2 says that a body has ended in a frame of its own, which may come after the backend's whole answer.
#[test]
fn a_body_as_long_as_it_was_to_be_is_whole() {
    let check = |sent: usize, expect: End| {
        let table = table(&[], Backend::default());
        let config = format!(r#"{{"backends":{{"http://api.test":{{"mode":"tap"}}}},{COLLECTOR}}}"#);
        let (mut vm, mut host) = (vm(&table, &config), host());
        let mut stream = Stream::new();
        let length = [(&b"content-length"[..], &b"5"[..])];
        let request = Headers::from_pairs(headers("/").iter().chain(length));
        stream.request_headers(request, false, &mut vm, &mut host);
        stream.request_body(sent, false, &mut vm, &mut host);
        stream.response_headers(|| Headers::from_pairs([(":status", "200")]), true, &mut vm, &mut host);
        stream.end(&mut vm, &mut host);
        let record = records(&mut vm).remove(0);
        assert_eq!(record.exchange.end, expect);
    };
    check(5, End::Complete);
    check(4, End::RequestAborted);
}

#[test]
fn a_client_that_leaves_midway_counts_as_aborted() {
    let table = table(&[exchange(1, "/", "", "a")], Backend::default());
    let (mut vm, mut host) = (vm(&table, "{}"), host());
    let mut stream = Stream::new();
    stream.request_headers(headers("/"), false, &mut vm, &mut host);
    stream.end(&mut vm, &mut host);
    stream.end(&mut vm, &mut host);
    assert_eq!(vm.take_counts().collect::<Vec<_>>(), [(1, [0, 0, 0, 0, 1])]);
    assert_eq!(
        stream.request_body(0, true, &mut vm, &mut host),
        Action::Continue,
        "an ended stream stays ended"
    );
}

#[test]
fn who_ends_a_response_midway_is_told() {
    let check = |request_ended, left, expect| {
        let config = format!(r#"{{{COLLECTOR},"default":"tap"}}"#);
        let (mut vm, mut host) = (vm(&[], &config), MemoryHost { client_left: left, ..host() });
        let mut stream = Stream::new();
        stream.request_headers(headers("/"), request_ended, &mut vm, &mut host);
        stream.response_headers(|| Headers::from_pairs([(":status", "200")]), false, &mut vm, &mut host);
        stream.end(&mut vm, &mut host);
        assert_eq!(records(&mut vm).remove(0).exchange.end, expect);
    };
    check(true, true, End::ClientLeft);
    check(true, false, End::ResponseAborted);
    check(false, true, End::ResponseAborted);
}

#[test]
fn a_miss_that_is_captured_goes_on_and_is_told_twice() {
    let table = table(&[exchange(1, "/", "", "a")], Backend::default());
    let config = format!(r#"{{{COLLECTOR},"on_miss":"capture"}}"#);
    let (mut vm, mut host) = (vm(&table, &config), host());
    let (action, mut stream) = ask(&mut vm, &mut host, "/other", &[b"as", b"ked"]);
    assert_eq!(action, Action::Continue);
    stream.response_headers(|| Headers::from_pairs([(":status", "201")]), false, &mut vm, &mut host);
    host.body = b"answered".to_vec();
    stream.response_body(8, true, &mut vm, &mut host);
    stream.end(&mut vm, &mut host);
    let records = records(&mut vm);
    let verdict = records[0].verdict.as_ref().unwrap();
    assert_eq!((verdict.kind, verdict.reason), (Kind::Passthrough, Some(Reason::NoEntry)));
    let (request, response) = (&records[1].exchange.request, records[1].exchange.response.as_ref().unwrap());
    assert_eq!(
        (&request.body.bytes[..], response.status, &response.body.bytes[..]),
        (&b"asked"[..], 201, &b"answered"[..])
    );
    assert_eq!(records[1].exchange.end, End::Complete);
}

#[test]
fn modes_come_from_the_table_and_the_configuration_wins() {
    let check = |in_table: Mode, config: &str, expect: Action| {
        let backend = Backend { mode: in_table, ..Backend::default() };
        let table = table(&[exchange(1, "/", "", "a")], backend);
        let mut vm = vm(&table, &format!("{{{COLLECTOR}{config}}}"));
        let action = ask(&mut vm, &mut host(), "/zz", &[]).0;
        assert_eq!(std::mem::discriminant(&action), std::mem::discriminant(&expect), "{in_table:?} {config}");
    };
    let reply = || Action::Reply(Default::default());
    check(Mode::Mock, "", reply());
    check(Mode::Off, "", Action::Continue);
    check(Mode::Tap, "", Action::Continue);
    check(Mode::Off, r#","backends":{"http://api.test":{"mode":"mock"}}"#, reply());
    check(Mode::Mock, r#","backends":{"http://api.test":{"mode":"off"}}"#, Action::Continue);
    check(Mode::Mock, r#","on_miss":"passthrough""#, Action::Continue);
    check(
        Mode::Mock,
        r#","on_miss":"passthrough","backends":{"http://api.test":{"mode":"mock","on_miss":"fail"}}"#,
        reply(),
    );
}

#[test]
fn what_taps_alone_mocks_nothing_whatever_the_table_says() {
    let table = table(&[exchange(1, "/", "", "a")], Backend::default());
    for (config, idle) in [
        (format!(r#"{{"tap_only":true,{COLLECTOR}}}"#), false),
        (format!(r#"{{"tap_only":true,"default":"off",{COLLECTOR}}}"#), true),
        (r#"{"tap_only":true}"#.to_owned(), true),
    ] {
        let (mut vm, mut host) = (vm(&table, &config), host());
        assert_eq!(vm.is_idle(), idle, "{config}");
        let action = Stream::new().request_headers(headers("/"), true, &mut vm, &mut host);
        assert_eq!(action, Action::Continue, "{config}");
    }
}

#[test]
fn the_nearest_recorded_requests_are_named_with_what_differs() {
    let exchanges =
        [exchange(1, "/a/1", "x", "a"), exchange(2, "/a/2?q=1", "x", "b"), exchange(3, "/b", "x", "c")];
    let table = table(&exchanges, Backend::default());
    let mut vm = vm(&table, &format!("{{{COLLECTOR}}}"));
    ask(&mut vm, &mut host(), "/a/2?q=2", &[b"x"]);
    let nearest = records(&mut vm).remove(0).verdict.unwrap().nearest;
    let order: Vec<_> = nearest.iter().map(|near| near.exchange.as_str()).collect();
    assert_eq!(order, ["2", "1", "3"]);
    let differs = &nearest[0].differs;
    assert_eq!(differs.len(), 1);
    assert_eq!(
        (differs[0].key.as_str(), differs[0].recorded.as_deref(), differs[0].live.as_deref()),
        ("query.q", Some("1"), Some("2"))
    );
}

/// What can happen to a stream.
#[derive(Clone, Debug)]
enum Step {
    RequestHeaders(bool),
    RequestBody(usize, bool),
    RequestTrailers,
    ResponseHeaders(bool),
    ResponseBody(usize, bool),
    ResponseTrailers,
    Resume,
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::RequestHeaders),
        (0usize..40, any::<bool>()).prop_map(|(n, e)| Step::RequestBody(n, e)),
        Just(Step::RequestTrailers),
        any::<bool>().prop_map(Step::ResponseHeaders),
        (0usize..40, any::<bool>()).prop_map(|(n, e)| Step::ResponseBody(n, e)),
        Just(Step::ResponseTrailers),
        Just(Step::Resume),
        Just(Step::End),
    ]
}

proptest! {
    /// However a body is cut into chunks, it is the same request.
    #[test]
    fn chunks_make_no_difference(body in ".{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
        let table = table(&[exchange(1, "/", &body, "a")], Backend::default());
        let (mut vm, mut host) = (vm(&table, "{}"), host());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &body.as_bytes()[w[0]..w[1]]).collect();
        prop_assert_eq!(answer(&ask(&mut vm, &mut host, "/", &chunks).0).0, 200);
    }

    /// In whatever order things happen, even in ones that Envoy would never give: a mocked stream never goes on, a tapped one
    /// never stops, each ends at most once in the records, and caps hold.
    #[test]
    fn any_order_of_events_keeps_the_invariants(steps in prop::collection::vec(step(), 0..30), mock: bool, slow: bool, made_up: bool) {
        let recorded = Exchange { duration: 1000, ..exchange(1, "/", "", "a") };
        let latency = slow.then_some(Latency::RECORDED);
        let table = table(&[recorded], Backend { latency, ..Backend::default() });
        let mode = if mock { "mock" } else { "tap" };
        let config = format!(r#"{{{COLLECTOR},"body_cap_bytes":50,"memory_max_bytes":60,"backends":{{"http://api.test":{{"mode":"{mode}"}}}}}}"#);
        let (mut vm, mut host) = (vm(&table, &config), MemoryHost { backend_answered: !made_up, body: vec![b'x'; 2000], ..host() });
        let (mut stream, mut answers, mut held) = (Stream::new(), 0, 0);
        for step in steps {
            let action = match step {
                Step::RequestHeaders(ended) => Some(stream.request_headers(headers("/"), ended, &mut vm, &mut host)),
                Step::RequestBody(n, ended) => {
                    held += n;
                    Some(stream.request_body(held, ended, &mut vm, &mut host))
                }
                Step::RequestTrailers => Some(stream.request_trailers(Headers::new, &mut vm, &mut host)),
                Step::ResponseHeaders(ended) => {
                    stream.response_headers(|| Headers::from_pairs([(":status", "200")]), ended, &mut vm, &mut host);
                    None
                }
                Step::ResponseBody(n, ended) => {
                    stream.response_body(n, ended, &mut vm, &mut host);
                    None
                }
                Step::ResponseTrailers => {
                    stream.response_trailers(Headers::new);
                    None
                }
                Step::Resume => Some(stream.resume(&mut vm)).filter(|action| *action != Action::Hold),
                Step::End => {
                    stream.end(&mut vm, &mut host);
                    None
                }
            };
            match action {
                Some(Action::Reply(_) | Action::Stub(_)) => answers += 1,
                Some(Action::Hold) => prop_assert!(mock, "a tap never holds"),
                Some(Action::Delay(_)) => prop_assert!(mock && slow),
                Some(Action::Reset) => prop_assert!(false, "no rule says so"),
                Some(Action::Continue) | None => {}
            }
        }
        stream.end(&mut vm, &mut host);
        prop_assert!(answers <= 1, "one answer at most");
        let records = records(&mut vm);
        prop_assert!(records.len() <= 1);
        for record in records {
            prop_assert_eq!(record.verdict.is_some(), mock);
            let bodies = [Some(&record.exchange.request.body), record.exchange.response.as_ref().map(|r| &r.body)];
            let kept: usize = bodies.into_iter().flatten().map(|body| body.bytes.len()).sum();
            prop_assert!(mock || kept <= 60, "memory_max_bytes");
        }
        // All memory came back: the next copy gets its share.
        let mut next = Stream::new();
        next.request_headers(headers("/"), true, &mut vm, &mut host);
        next.response_headers(|| Headers::from_pairs([(":status", "200")]), false, &mut vm, &mut host);
        next.end(&mut vm, &mut host);
    }
}

/// A service that makes up identifiers and asks for what it made by them, in whatever order.
#[test]
fn what_a_client_names_itself_is_found_by_its_own_names() {
    let id = |n: u32| format!("00000000-0000-4000-8000-{n:012}");
    let put = |n: u32| format!(r#"{{"put":"{}"}}"#, id(n));
    let get = |n: u32| format!(r#"{{"get":"{}"}}"#, id(n));
    let exchanges = [
        exchange(1, "/", &put(1), "ok"),
        exchange(2, "/", &put(2), "ok"),
        exchange(3, "/", &get(1), "one"),
        exchange(4, "/", &get(2), "two"),
        exchange(5, "/", r#"{"only":"00000000-0000-4000-8000-000000000002"}"#, "only two"),
    ];
    let volatile = ["body/put", "body/get", "body/only"].map(|place| Place::parse(place).unwrap()).to_vec();
    let rules = vec![Rule { volatile, ..Rule::default() }];
    let mut builder = TableBuilder::new(&Header { rules, ..Header::default() });
    exchanges.iter().for_each(|exchange| builder.push(exchange).unwrap());
    let table = builder.finish().unwrap().bytes;
    let (mut vm, mut host) = (vm(&table, r#"{"default":"mock"}"#), host());
    let mut ask = |body: &str| answer(&ask(&mut vm, &mut host, "/", &[body.as_bytes()]).0);
    assert_eq!(ask(&put(8)), (200, "ok".to_owned()));
    assert_eq!(ask(&put(9)), (200, "ok".to_owned()));
    // Asked for in another order than was recorded, and more than once.
    for (n, expect) in [(9, "two"), (8, "one"), (8, "one"), (9, "two")] {
        assert_eq!(ask(&get(n)), (200, expect.to_owned()), "{n}");
    }
    // The recorded ones are themselves.
    assert_eq!(ask(&get(2)).1, "two");
    assert_eq!(ask(&get(1)).1, "one");
    // What stands for the first was never asked for in this way.
    let only = |n: u32| format!(r#"{{"only":"{}"}}"#, id(n));
    assert_eq!(ask(&only(9)).1, "only two");
    assert_eq!(ask(&only(8)).0, 404);
}

/// `x-understudy-control` begins the sequences anew.
#[test]
fn sequences_begin_anew_on_demand() {
    let exchanges = [exchange(1, "/", "x", "a"), exchange(2, "/", "x", "b")];
    let table = table(&exchanges, Backend::default());
    let (mut vm, mut host) = (vm(&table, r#"{"default":"mock"}"#), host());
    let next = |host: &mut MemoryHost, vm: &mut Vm<&[u8]>| answer(&ask(vm, host, "/", &[b"x"]).0).1;
    assert_eq!(next(&mut host, &mut vm), "a");
    let control = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "api.test")];
    let control =
        Headers::from_pairs(control.into_iter().chain([("X-Understudy-Control", "reset-sequences")]));
    let action = Stream::new().request_headers(control, true, &mut vm, &mut host);
    assert_eq!(answer(&action), (204, String::new()));
    assert_eq!(next(&mut host, &mut vm), "a");
    assert_eq!(next(&mut host, &mut vm), "b");
}

/// The client gets its own values back, spelled as where they stand.
#[test]
fn live_values_stand_in_answers() {
    let request = r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"token":"tok-recorded"}}"#;
    let reply =
        r#"{"jsonrpc":"2.0","id":7,"result":{"seen":"tok-recorded","n":7,"text":"for tok-recorded!"}}"#;
    let mut exchange = exchange(1, "/", request, reply);
    let response = exchange.response.as_mut().unwrap();
    response.headers = Headers::from_pairs([
        ("content-type", "application/json"),
        ("x-amz-crc32", "1"),
        ("x-token", "tok-recorded"),
    ]);
    let mask = ["body/id", "body/params/token"].map(|place| Place::parse(place).unwrap()).to_vec();
    let rules = |echo| vec![Rule { mask: mask.clone(), echo, ..Rule::default() }];
    let build = |echo| {
        let mut builder = TableBuilder::new(&Header { rules: rules(echo), ..Header::default() });
        builder.push(&exchange).unwrap();
        builder.finish().unwrap().bytes
    };
    let live = r#"{"jsonrpc":"2.0","id":"a\"b","method":"m","params":{"token":"live one"}}"#;
    let with = build(None);
    let reply_to = |table: &[u8], body: &str| {
        let (mut vm, mut host) = (vm(table, r#"{"default":"mock"}"#), host());
        match ask(&mut vm, &mut host, "/", &[body.as_bytes()]).0 {
            Action::Reply(reply) => reply,
            other => panic!("{other:?}"),
        }
    };
    let reply = reply_to(&with, live);
    let expect = r#"{"jsonrpc":"2.0","id":"a\"b","result":{"seen":"live one","n":7,"text":"for live one!"}}"#;
    assert_eq!(String::from_utf8(reply.body).unwrap(), expect);
    let expect = [
        ("content-type", "application/json"),
        ("x-token", "live one"),
        ("x-understudy", "match; normalised=body/id,body/params/token"),
    ];
    assert_eq!(reply.headers, Headers::from_pairs(expect));
    // The recorded request gets the recorded bytes, sums and all.
    let same = reply_to(&with, request);
    assert_eq!(same.headers.get(b"x-amz-crc32"), Some(&b"1"[..]));
    assert_eq!(same.headers.get(b"x-understudy"), Some(&b"match"[..]));
    // Without echo it is what was recorded.
    let without = build(Some(false));
    assert!(String::from_utf8(reply_to(&without, live).body).unwrap().contains(r#""id":7"#));
}

/// A compressed answer for whoever offers it, the plain one for whoever doesn't.
#[test]
fn an_answer_comes_in_an_encoding_that_the_client_offers() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"plain text").unwrap();
    let gzip = gzip.finish().unwrap();
    let recorded = |accept: &'static str| {
        let mut exchange = exchange(1, "/", "x", "");
        exchange.request.headers = Headers::from_pairs([("accept-encoding", accept)]);
        let response = exchange.response.as_mut().unwrap();
        response.headers =
            Headers::from_pairs([("content-encoding", "gzip"), ("content-type", "text/plain")]);
        response.body.bytes.clone_from(&gzip);
        table(&[exchange], Backend::default())
    };
    let served = |table: &[u8], accept: Option<&str>| {
        let (mut vm, mut host) = (vm(table, r#"{"default":"mock"}"#), host());
        let all = Headers::from_pairs(
            headers("/")
                .iter()
                .map(|(n, v)| (n.to_vec(), v.to_vec()))
                .chain(accept.map(|a| (b"accept-encoding".to_vec(), a.into()))),
        );
        let mut stream = Stream::new();
        stream.request_headers(all, false, &mut vm, &mut host);
        host.body = b"x".to_vec();
        match stream.request_body(1, true, &mut vm, &mut host) {
            Action::Reply(reply) => (reply.headers.get(b"content-encoding").is_some(), reply.body),
            other => panic!("{other:?}"),
        }
    };
    let offered = recorded("gzip, br");
    assert_eq!(served(&offered, Some("br, gzip")), (true, gzip.clone()));
    assert_eq!(served(&offered, Some("br")), (false, b"plain text".to_vec()));
    assert_eq!(served(&offered, None), (false, b"plain text".to_vec()));
    // An object that is stored compressed is what it is.
    assert_eq!(served(&recorded("identity"), None), (true, gzip.clone()));
}

/// `mocks` chooses backends; the others are left alone, whatever the table and the default say.
#[test]
fn only_the_chosen_backends_are_mocked() {
    let names = [BACKEND, "http://other.test", "https://api.test"];
    let header = Header {
        backends: names.iter().map(|name| ((*name).to_owned(), Backend::default())).collect(),
        ..Header::default()
    };
    let mut builder = TableBuilder::new(&header);
    builder.push(&exchange(1, "/", "", "a")).unwrap();
    builder.push(&Exchange { backend: names[1].to_owned(), ..exchange(2, "/", "", "b") }).unwrap();
    let table = builder.finish().unwrap().bytes;
    let start = |mocks: &str| {
        let config = format!(r#"{{"default":"mock","service":"shop","mocks":{mocks}}}"#);
        let mut vm = vm(&table, &config);
        let chosen = vm.mock_only(&Config::from_json(config.as_bytes()).unwrap());
        (vm, chosen)
    };
    let goes = |mocks: &str, authority: &str| {
        let (mut vm, chosen) = start(mocks);
        chosen.unwrap();
        let headers = Headers::from_pairs([
            (":method", "POST"),
            (":path", "/"),
            (":scheme", "http"),
            (":authority", authority),
        ]);
        match Stream::new().request_headers(headers, true, &mut vm, &mut host()) {
            Action::Continue => "on".to_owned(),
            action => answer(&action).1,
        }
    };
    assert_eq!(
        (goes(r#"["api.test:80"]"#, "api.test").as_str(), goes(r#"["api.test:80"]"#, "other.test").as_str()),
        ("a", "on")
    );
    assert_eq!(
        (goes(r#"["shop:other.test:80"]"#, "api.test").as_str(), goes(r#"["other"]"#, "other.test").as_str()),
        ("on", "b")
    );
    assert_eq!(goes(r#"["other"]"#, "nowhere.test"), "on");
    assert_ne!(goes(r#"["*", "other"]"#, "nowhere.test"), "on");
    assert_ne!(goes("[]", "nowhere.test"), "on");
    for (mocks, says) in [
        (r#"["api.test"]"#, "is several"),
        (r#"["stripe"]"#, "is none of"),
        (r#"["payment:api.test:80"]"#, "is none of"),
    ] {
        let error = start(mocks).1.unwrap_err();
        assert!(error.contains(says) && error.contains("shop:api.test:443"), "{error}");
    }
}
