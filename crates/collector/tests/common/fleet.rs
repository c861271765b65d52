//! Sidecars, played: each has the filter's own outbox, with its batching and its repetitions, and
//! sends over HTTP to collectors that take turns, as a Service spreads them. For the simulation in
//! `tests/fleet.rs` and for `examples/fleet_bench.rs`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;
use understudy_core::config::OutboxConfig;
use understudy_core::exchange::{Body, End, Exchange, Request, Response};
use understudy_core::headers::Headers;
use understudy_core::outbox::{CollectorReply, Outbox};
use understudy_core::v1;

/// Interval at which a filter checks its outbox.
const TICK: Duration = Duration::from_millis(50);
/// Time after which Envoy gives up a call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Parameters of a simulated fleet.
#[derive(Clone, Debug)]
pub(crate) struct Fleet {
    /// Number of sidecars.
    pub(crate) sidecars: usize,
    /// Exchanges a second, of each.
    pub(crate) rate: f64,
    /// Bytes of each body, a request's and an answer's.
    pub(crate) body: usize,
    /// Duration for which exchanges arrive.
    pub(crate) lasts: Duration,
    /// The filter's `flush_interval_ms`.
    pub(crate) flush_ms: u32,
    /// Addresses that batches are sent to in turn: the current endpoints of a Service.
    pub(crate) collectors: Arc<Mutex<Vec<SocketAddr>>>,
}

/// Result of a simulation, over all sidecars.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// Exchanges that sidecars saw.
    pub(crate) captured: u64,
    /// Number of acknowledged records.
    pub(crate) delivered: u64,
    /// Number of records that were given up.
    pub(crate) dropped: u64,
    /// Bytes of the batches that were acknowledged.
    pub(crate) bytes: u64,
    /// Time of each acknowledgement, one for each batch.
    pub(crate) latencies: Vec<Duration>,
    /// Batches that weren't acknowledged, and were sent again.
    pub(crate) refused: u64,
}

type Http = Client<HttpConnector, Full<Bytes>>;

impl Fleet {
    /// Plays it, until every exchange is acknowledged or given up.
    pub(crate) async fn play(self) -> Played {
        let mut sidecars = tokio::task::JoinSet::new();
        let turn = Arc::new(AtomicUsize::new(0));
        for number in 0..self.sidecars {
            sidecars.spawn(sidecar(self.clone(), number, turn.clone()));
        }
        let mut all = Played::default();
        while let Some(played) = sidecars.join_next().await {
            let played = played.expect("a sidecar doesn't panic");
            all.captured += played.captured;
            all.delivered += played.delivered;
            all.dropped += played.dropped;
            all.bytes += played.bytes;
            all.refused += played.refused;
            all.latencies.extend(played.latencies);
        }
        all.latencies.sort_unstable();
        all
    }
}

async fn sidecar(fleet: Fleet, number: usize, turn: Arc<AtomicUsize>) -> Played {
    let settings = format!(r#"{{"cluster":"collector","flush_interval_ms":{}}}"#, fleet.flush_ms);
    let settings: OutboxConfig = serde_json::from_str(&settings).expect("settings");
    let vm = format!("{number:016x}");
    let mut outbox = Outbox::new(vm.clone(), Some("payment".into()), &settings);
    let http: Http = Client::builder(TokioExecutor::new()).build_http();
    let (answers, mut answered) = mpsc::unbounded_channel();
    let (start, mut played, mut made) = (Instant::now(), Played::default(), 0);
    // Not all in the same moment.
    tokio::time::sleep(TICK.mul_f64(number as f64 / fleet.sidecars as f64)).await;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some((seq, answer, bytes, took)) = answered.recv() => {
                if answer == CollectorReply::Acknowledged {
                    played.bytes += bytes;
                    played.latencies.push(took);
                } else {
                    played.refused += 1;
                }
                outbox.replied(seq, answer, millis(start));
                continue;
            }
        }
        let due = (start.elapsed().min(fleet.lasts).as_secs_f64() * fleet.rate) as u64;
        while made < due {
            made += 1;
            let exchange = exchange(&vm, made, fleet.body);
            outbox.push(millis(start), |out| v1::write_record(&exchange, None, out));
        }
        while let Some((seq, bytes)) = outbox.next(millis(start)) {
            let to = {
                let collectors = fleet.collectors.lock().expect("no panic");
                collectors[turn.fetch_add(1, Relaxed) % collectors.len()]
            };
            let (http, answers, bytes) = (http.clone(), answers.clone(), Bytes::copy_from_slice(bytes));
            tokio::spawn(async move {
                let (length, sent) = (bytes.len() as u64, Instant::now());
                let answer = send(&http, to, bytes).await;
                let _ = answers.send((seq, answer, length, sent.elapsed()));
            });
        }
        let totals = outbox.totals();
        if start.elapsed() >= fleet.lasts && totals.captured == totals.delivered + totals.dropped {
            (played.captured, played.delivered, played.dropped) =
                (totals.captured, totals.delivered, totals.dropped);
            return played;
        }
    }
}

async fn send(http: &Http, to: SocketAddr, body: Bytes) -> CollectorReply {
    let request = axum::http::Request::post(format!("http://{to}/v1/exchanges"))
        .header("content-type", "application/x-ndjson")
        .body(Full::new(body))
        .expect("a request");
    match tokio::time::timeout(TIMEOUT, http.request(request)).await {
        Ok(Ok(answer)) => {
            let after =
                answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
            CollectorReply::from_status(Some(answer.status().as_u16()), after)
        }
        _ => CollectorReply::from_status(None, None),
    }
}

fn millis(start: Instant) -> u64 {
    start.elapsed().as_millis() as u64
}

/// A call with JSON in both directions and unique values: headers as SDKs send them, identifiers
/// that don't compress.
pub(crate) fn exchange(vm: &str, number: u64, body: usize) -> Exchange {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from_str_radix(vm, 16).unwrap_or(7);
    let mut random = || {
        // xorshift64
        state = (state | 1) ^ (state << 13);
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let trace = format!("00-{:016x}{:016x}-{:016x}-01", random(), random(), random());
    let length = body.to_string();
    let request = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("user-agent", "payment/1.8.2 (linux; x86_64) http-client/4.2.0"),
        ("authorization", "understudy.redacted.3b6f2c0a9d8e7f61"),
        ("traceparent", &trace),
        ("content-length", &length),
    ];
    let id = format!("req_{:016x}", random());
    let answer = [
        ("content-type", "application/json"),
        ("cache-control", "no-cache, no-store"),
        ("date", "Sat, 21 Nov 2026 08:00:00 GMT"),
        ("x-request-id", &id),
        ("content-length", &length),
    ];
    let headers = |pairs: &[(&str, &str)]| {
        Headers::from_pairs(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    };
    let mut json = |first: &str| {
        let mut text = format!("{{{first}");
        while text.len() + 60 < body {
            let (id, amount) = (random(), random() % 100_000);
            text.push_str(&format!(r#","item_{}":{{"id":"{id:016x}","amount":{amount}}}"#, amount % 20));
        }
        text.push('}');
        Body { bytes: text.into_bytes(), truncated: None }
    };
    Exchange {
        id: format!("{vm}-{number}"),
        time: 1_795_000_000_000_000 + number * 1000,
        duration: 2310,
        backend: "https://api.example.com".into(),
        protocol: "HTTP/1.1".into(),
        request: Request {
            method: "POST".into(),
            path: format!("/v1/customers/{number}/charges").into(),
            headers: headers(&request),
            body: json(r#""currency":"eur","capture":true"#),
            ..Request::default()
        },
        response: Some(Response {
            status: 200,
            headers: headers(&answer),
            body: json(r#""object":"charge","status":"succeeded""#),
            ..Response::default()
        }),
        end: End::Complete,
        ..Exchange::default()
    }
}
