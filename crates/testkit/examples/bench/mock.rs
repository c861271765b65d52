//! A mock beside a constant reply: with tables of 1 to a million signatures, with rules, and where
//! nothing recorded matches.

use crate::Asked;
use crate::load::{self, HOST, Load, Server};
use understudy_core::rules::{Place, Rule};
use understudy_testkit::{Recorded, Rig, RigBuilder, recorded};

pub(crate) async fn run(asked: &Asked) {
    println!("\n## Mock, one worker\n");
    load::head();
    for load in [Load::Get, Load::Post] {
        let constant = std::fs::read(&asked.constant).expect("the constant module");
        let mut rigs = vec![Rig::responder().module(constant).start().await];
        // A table holds the data that explains misses: a module can't hold a million bodies of 1
        // KB.
        let most = if load == Load::Get { asked.most } else { asked.most.min(200_000) };
        let counts = [1, 1000, most];
        for count in counts {
            rigs.push(table(count, load).start().await);
        }
        let mut servers = vec![server("constant reply", &rigs[0], most)];
        for (count, rig) in counts.into_iter().zip(&rigs[1..]) {
            servers.push(server(&format!("mock, {count} signatures"), rig, count));
        }
        load::compare(&mut servers, load, asked.seconds, "0");
        if load == Load::Get {
            let mut mocks: Vec<Server> = (counts.into_iter().zip(&rigs[1..]))
                .map(|(count, rig)| server(&format!("mock, {count} signatures"), rig, most))
                .collect();
            load::compare(&mut mocks, Load::Miss, asked.seconds, "0");
            let [median, late, slowest] = load::latency(&mocks[2], Load::Miss, asked.seconds);
            println!(
                "\nA miss with {most} signatures, one request after the other: {median:.0} µs, 99 % within {late:.0}, all within {slowest:.0}\n"
            );
            load::head();
        }
    }
    println!("\n## Mock, two workers on both cores, the load beside them\n");
    load::head();
    let constant = std::fs::read(&asked.constant).expect("the constant module");
    let first = Rig::responder().module(constant).workers(2).start().await;
    let second = table(1000, Load::Get).workers(2).start().await;
    let mut servers =
        [server("constant reply", &first, 1000), server("mock, 1000 signatures", &second, 1000)];
    load::compare(&mut servers, Load::Get, asked.seconds, "0,1");
}

/// The same POST with no rule, one, and twenty. One rule leaves out a key and a time; the others
/// apply to other endpoints.
pub(crate) async fn with_rules(asked: &Asked) {
    println!("\n## Mock with rules, one worker, 1,000 signatures\n");
    load::head();
    let constant = std::fs::read(&asked.constant).expect("the constant module");
    let constant = Rig::responder().module(constant).start().await;
    let own = rule("/v1/charges", &["body/metadata/key", "body/metadata/time"]);
    let others: Vec<Rule> =
        (0..19).map(|n| rule(&format!("/v1/things_{n}/*"), &["body/id", "body/created"])).collect();
    let none = table(1000, Load::Post).start().await;
    let one = table(1000, Load::Post).rule(own.clone()).start().await;
    let others = others.into_iter().fold(table(1000, Load::Post), RigBuilder::rule);
    let twenty = others.rule(own).start().await;
    let mut servers = [
        server("constant reply", &constant, 1000),
        server("mock, no rule", &none, 1000),
        server("mock, 1 rule", &one, 1000),
        server("mock, 20 rules", &twenty, 1000),
    ];
    load::compare(&mut servers, Load::Post, asked.seconds, "0");
}

fn rule(path: &str, places: &[&str]) -> Rule {
    Rule {
        backend: Some(format!("http://{HOST}")),
        method: Some("POST".into()),
        path: Some(path.to_owned().try_into().expect("a pattern")),
        volatile: places.iter().map(|place| Place::parse(place).expect("a place")).collect(),
        ..Rule::default()
    }
}

/// A responder with a table of this number of signatures.
pub(crate) fn table(count: u64, load: Load) -> RigBuilder {
    table_by("http", count, load)
}

/// The same table for a backend that is called with this scheme.
pub(crate) fn table_by(scheme: &str, count: u64, load: Load) -> RigBuilder {
    (0..count).fold(Rig::responder(), |builder, i| builder.exchange(exchange(scheme, i, load)))
}

fn server(name: &str, rig: &Rig, requests: u64) -> Server {
    Server::new(name, rig.proxy(), rig.envoy.pid(), requests)
}

fn exchange(scheme: &str, i: u64, load: Load) -> Recorded {
    let backend = format!("{scheme}://{HOST}");
    let asked = match load {
        Load::Get | Load::Miss => recorded("GET", &backend, &format!("/v1/charges/ch_{i}")),
        Load::Post => recorded("POST", &backend, "/v1/charges")
            .with("content-type", "application/json")
            .sent(load::body(&i.to_string())),
    };
    asked.header("content-type", "application/json").body(format!(r#"{{"id":"ch_{i}","amount":100}}"#))
}
