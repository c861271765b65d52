//! A mock beside a constant reply, with tables of 1 to a million signatures.

use crate::Asked;
use crate::load::{self, HOST, Load, Server};
use understudy_testkit::{Recorded, Rig, RigBuilder, recorded};

pub(crate) async fn run(asked: &Asked) {
    println!("\n## Mock, one worker\n");
    load::head();
    for load in [Load::Get, Load::Post] {
        let constant = std::fs::read(&asked.constant).expect("the constant module");
        let mut rigs = vec![Rig::responder().module(constant).start().await];
        // A table keeps what a miss is explained with: a million bodies of 1 KB are more than a module may hold.
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

/// A responder with a table of so many signatures.
pub(crate) fn table(count: u64, load: Load) -> RigBuilder {
    (0..count).fold(Rig::responder(), |builder, i| builder.exchange(exchange(i, load)))
}

fn server(name: &str, rig: &Rig, requests: u64) -> Server {
    Server::new(name, rig.proxy(), rig.envoy.pid(), requests)
}

fn exchange(i: u64, load: Load) -> Recorded {
    let backend = format!("http://{HOST}");
    let asked = match load {
        Load::Get => recorded("GET", &backend, &format!("/v1/charges/ch_{i}")),
        Load::Post => recorded("POST", &backend, "/v1/charges")
            .with("content-type", "application/json")
            .sent(load::body(&i.to_string())),
    };
    asked.header("content-type", "application/json").body(format!(r#"{{"id":"ch_{i}","amount":100}}"#))
}
