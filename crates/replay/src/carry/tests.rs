use super::*;
use understudy_core::exchange::Body;
use understudy_core::headers::Headers;

/// `METHOD PATH`, the request's headers and body, and the answer's headers and body.
fn step(number: u64, line: &str, sent: (&[(&str, &str)], &str), got: (&[(&str, &str)], &str)) -> Exchange {
    let (method, path) = line.split_once(' ').expect("a method");
    let with_json = |headers: &[(&str, &str)], body: &str| {
        let json = body.starts_with('{').then_some(("content-type", "application/json"));
        Headers::from_pairs(headers.iter().copied().chain(json))
    };
    let body = |text: &str| Body { bytes: text.as_bytes().to_vec(), truncated: None };
    Exchange {
        id: number.to_string(),
        time: number * 1000,
        duration: 500,
        request: Request {
            method: method.into(),
            path: path.into(),
            headers: with_json(sent.0, sent.1),
            body: body(sent.1),
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: with_json(got.0, got.1),
            body: body(got.1),
            ..Response::default()
        }),
        ..Exchange::default()
    }
}

fn learn(steps: &[Exchange], rules: &CarryRules) -> Vec<String> {
    let told = |carry: &Carry| {
        let to: Vec<_> = carry.to.iter().map(|(step, at)| format!("{} {at}", steps[*step].id)).collect();
        format!("{} {} → {}", steps[carry.from].id, carry.from_at, to.join(", "))
    };
    Carries::learn(steps, rules).all().iter().map(told).collect()
}

fn conversation() -> Vec<Exchange> {
    vec![
        step(
            1,
            "POST /login",
            (&[], r#"{"user":"ada-2001"}"#),
            (&[("set-cookie", "sid=s3cr3t; Path=/")], r#"{"token":"tok-1","user":"ada-2001"}"#),
        ),
        step(
            2,
            "POST /orders",
            (&[("authorization", "Bearer tok-1"), ("cookie", "sid=s3cr3t")], r#"{"owner":"ada-2001"}"#),
            (&[("location", "/orders/7")], r#"{"id":7,"count":3}"#),
        ),
        step(
            3,
            "GET /orders/7?limit=3",
            (&[("authorization", "Bearer tok-1")], ""),
            (&[("content-type", "text/html")], "<input name=csrf value=\"a1b2c3d4e5f6\">"),
        ),
        step(4, "POST /pay?csrf=a1b2c3d4e5f6", (&[], ""), (&[], "{}")),
    ]
}

#[test]
fn value_of_an_answer_in_a_later_request_is_carried() {
    assert_eq!(
        learn(&conversation(), &CarryRules::default()),
        [
            "1 cookie.sid → 2 cookie.sid",
            "1 body/token → 2 header.authorization, 3 header.authorization",
            "2 header.location/path.2 → 3 path.2",
            "3 text behind \"<input name=csrf value=\\\"\" → 4 query.csrf",
        ],
        "neither what the client has said itself nor a count is"
    );
}

#[test]
fn value_of_a_later_answer_is_not_carried() {
    let mut steps = conversation();
    // The requests after it began before it was answered.
    steps[0].duration = 1_000_000;
    let carried = learn(&steps, &CarryRules::default());
    assert!(carried.iter().all(|carry| !carry.starts_with("1 ")), "{carried:?}");
}

#[test]
fn rule_takes_precedence_over_learning() {
    let endpoint = |text: &str| RequestPlace::parse(text).expect("an endpoint");
    let never = CarryRules { never: vec![endpoint("GET /orders/* path.2")], ..CarryRules::default() };
    assert!(learn(&conversation(), &never).iter().all(|carry| !carry.contains("3 path.2")));
    let rules = vec![(endpoint("POST /orders body/count"), endpoint("* /orders/* query.limit"))];
    let told = CarryRules { off: true, rules, ..CarryRules::default() };
    assert_eq!(learn(&conversation(), &told), ["2 body/count → 3 query.limit"]);
    assert!(RequestPlace::parse("POST /x").is_err());
}

#[test]
fn value_in_a_list_is_replaced_and_other_items_stay() {
    let text = |number: u8, value: &str| [&[number << 3 | 2, value.len() as u8], value.as_bytes()].concat();
    let proto = |fields: &[(u8, &str)]| fields.iter().flat_map(|(n, v)| text(*n, v)).collect::<Vec<u8>>();
    let kind = Headers::from_pairs([("content-type", "application/x-protobuf")]);
    let mut steps = vec![step(1, "POST /a", (&[], ""), (&[], "")), step(2, "POST /b", (&[], ""), (&[], ""))];
    let answer = steps[0].response.as_mut().expect("an answer");
    (answer.headers, answer.body.bytes) = (kind.clone(), proto(&[(1, "ord_8f3kq2Lm")]));
    let sent = &mut steps[1].request;
    sent.headers = kind;
    sent.body.bytes = proto(&[(4, "other"), (4, "ord_8f3kq2Lm"), (4, "ord_8f3kq2Lm")]);
    assert_eq!(learn(&steps, &CarryRules::default()), ["1 body/1 → 2 body/4"]);
    let carries = Carries::learn(&steps, &CarryRules::default());
    let mut given = LiveValues::default();
    let mut live = steps[0].response.clone().expect("an answer");
    live.body.bytes = proto(&[(1, "ord_5tYp")]);
    given.take(&carries, 0, &live);
    let mut request = steps[1].request.clone();
    given.put(&carries, 1, &mut request);
    assert_eq!(request.body.bytes, proto(&[(4, "other"), (4, "ord_5tYp"), (4, "ord_5tYp")]));
    // Another request may lack it by now.
    let mut without = Request { body: Body::default(), ..steps[1].request.clone() };
    given.put(&carries, 1, &mut without);
    assert_eq!(without.body, Body::default());
}

#[test]
fn live_value_replaces_the_recorded_one_in_later_requests() {
    let steps = conversation();
    let carries = Carries::learn(&steps, &CarryRules::default());
    let mut given = LiveValues::default();
    let live = step(1, "POST /login", (&[], ""), (&[("set-cookie", "sid=new")], r#"{"token":"tok-9"}"#));
    assert!(given.take(&carries, 0, live.response.as_ref().expect("an answer")).is_empty());
    let mut request = steps[1].request.clone();
    given.put(&carries, 1, &mut request);
    assert_eq!(request.headers.get(b"authorization"), Some(&b"Bearer tok-9"[..]));
    assert_eq!(request.headers.get(b"cookie"), Some(&b"sid=new"[..]));
    assert_eq!(request.body, steps[1].request.body);
    assert!(given.explains(&carries, "\"/v1/tok-1/x\"", "\"/v1/tok-9/x\"").is_some());
    assert!(given.explains(&carries, "\"/v1/tok-1/x\"", "\"/v1/tok-9/y\"").is_none());

    let without = step(1, "POST /login", (&[], ""), (&[], "{}"));
    let missing = LiveValues::default().take(&carries, 0, without.response.as_ref().expect("an answer"));
    assert_eq!(missing.len(), 2, "the cookie and the token");
}

#[test]
fn a_rule_takes_the_last_answer_before_the_request() {
    let endpoint = |text: &str| RequestPlace::parse(text).expect("an endpoint");
    let login = |number: u64, token: &str| {
        step(number, "POST /login", (&[], ""), (&[], &format!("{{\"token\":\"{token}\"}}")))
    };
    let get = |number: u64| step(number, "GET /x", (&[("authorization", "none")], ""), (&[], ""));
    let mut steps = vec![get(1), login(2, "a"), get(3), login(4, "b"), login(5, ""), get(6), get(7)];
    // Answered when the first of the two at the end had begun.
    steps[3].duration = 2500;
    let rule = (endpoint("POST /login body/token"), endpoint("GET /** header.authorization"));
    let rules = CarryRules { off: true, rules: vec![rule.clone(), rule], ..CarryRules::default() };
    assert_eq!(
        learn(&steps, &rules),
        [
            "2 body/token → 3 header.authorization, 6 header.authorization",
            "4 body/token → 7 header.authorization"
        ],
        "an answer without it is none, and a rule that is there twice counts once"
    );
}
