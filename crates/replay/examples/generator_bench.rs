//! The generator beside wrk and h2load, against one server that does nothing: `generator_bench
//! [SECONDS]`. Prints how late requests are at 1,000 a second, what it sends at most, what memory
//! that takes, and how long reports of many pairs take.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use understudy_core::exchange::{Body, Direction, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_replay::client::{Connector, Protocol};
use understudy_replay::load::{Load, Speed};
use understudy_replay::recording::Recording;
use understudy_replay::report::{Pair, Report, html};
use understudy_replay::target::{Target, Trust};
use understudy_replay::{Driver, Plan};

const RECORDED: u64 = 10_000;
const ANSWER: &str =
    r#"{"id":"o-1","items":[{"name":"hat","amount":12},{"name":"cap","amount":7}],"total":19}"#;

fn main() {
    let seconds: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let [http1, http2] = [false, true].map(serve);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("{:<44} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "a second", "p50 µs", "p99 µs", "max µs", "RSS MiB");
    let run =
        |name: &str, port: u16, protocol, load: Load| runtime.block_on(drive(name, port, protocol, load));
    let rate = |rps: f64, times| Load { rps: Some(rps), times: Some(times), ..Load::default() };
    run("10,000 recorded at 1,000/s", http1, Protocol::Http1, rate(1000.0, 1));
    run("the same three times over", http1, Protocol::Http1, rate(1000.0, 3));
    let max = |vus| Load {
        speed: Speed::Max,
        vus,
        duration: Some(Duration::from_secs(seconds)),
        ..Load::default()
    };
    run("as fast as it can, 16 users, HTTP/1.1", http1, Protocol::Http1, max(16));
    run("as fast as it can, 16 users, HTTP/2", http2, Protocol::Http2, max(16));
    let seconds = seconds.to_string();
    others(
        "wrk",
        &["-t1", "-c16", &format!("-d{seconds}s"), "--latency", &format!("http://127.0.0.1:{http1}/orders")],
    );
    others("h2load", &["-t1", "-c16", "-m1", "-D", &seconds, &format!("http://127.0.0.1:{http2}/orders")]);
    reports();
}

/// A server on a thread of its own; gives its port.
fn serve(http2: bool) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("an address").port()).expect("somebody listens");
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("an option");
                let service = service_fn(|_: http::Request<Incoming>| async {
                    let answer = http::Response::builder().header("content-type", "application/json");
                    Ok::<_, Infallible>(
                        answer.body(Full::new(Bytes::from_static(ANSWER.as_bytes()))).expect("an answer"),
                    )
                });
                let io = TokioIo::new(stream);
                tokio::spawn(async move {
                    if http2 {
                        drop(
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(io, service)
                                .await,
                        );
                    } else {
                        drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                    }
                });
            }
        });
    });
    told.recv().expect("a port")
}

/// Requests that were under way by tens.
fn recording() -> Recording {
    let step = |number: u64| Exchange {
        id: number.to_string(),
        direction: Direction::Inbound,
        time: number / 10 * 10_000,
        duration: 9_000,
        backend: "http://shop.test".to_owned(),
        protocol: "HTTP/1.1".to_owned(),
        request: Request {
            method: b"GET".into(),
            path: format!("/orders/{number}").into(),
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: Headers::from_pairs([("content-type", "application/json")]),
            body: Body { bytes: ANSWER.into(), truncated: None },
            ..Response::default()
        }),
        ..Exchange::default()
    };
    Recording::new((0..RECORDED).map(step).collect())
}

async fn drive(name: &str, port: u16, protocol: Protocol, load: Load) {
    let target = Target::parse(&format!("http://127.0.0.1:{port}")).expect("a target");
    let connector = Connector::new(target, protocol, &Trust::Anyone).expect("a connector");
    let plan = Arc::new(Plan { recording: recording(), ..Plan::default() });
    let driver = Driver::new(Arc::clone(&plan), load, connector);
    let driven = driver.run(std::future::pending()).await;
    let figures = driven.latency().expect("answers");
    assert_eq!(driven.success().rate, Some(100.0), "{name}");
    println!(
        "{name:<44} {:>9.0} {:>9} {:>9} {:>9} {:>9}",
        figures.per_second,
        figures.p50_us,
        figures.p99_us,
        figures.max_us,
        resident()
    );
}

/// This process's resident memory in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn others(program: &str, args: &[&str]) {
    let Ok(output) = Command::new(program).args(args).output() else {
        println!("{program} isn't here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let of_interest = ["Requests/sec", "50%", "99%", "finished in", "request  ", "time for request"];
    for line in
        text.lines().filter(|line| of_interest.iter().any(|known| line.trim_start().starts_with(known)))
    {
        println!("{program:<8} {}", line.trim());
    }
}

fn reports() {
    let text = include_str!("../tests/golden/v1/report.json");
    let mut report: Report = serde_json::from_str(text).expect("a report");
    let good = report.pairs[0].clone();
    report.pairs = (0..100_000).map(|number| Pair { exchange: number.to_string(), ..good.clone() }).collect();
    let begun = Instant::now();
    let mut file = Vec::new();
    report.write(&mut file).expect("memory");
    let written = begun.elapsed();
    let page = html(&report);
    println!(
        "report of 100,000 pairs: file {} ms ({} KiB), page {} ms ({} KiB)",
        written.as_millis(),
        file.len() / 1024,
        (begun.elapsed() - written).as_millis(),
        page.len() / 1024
    );
}
