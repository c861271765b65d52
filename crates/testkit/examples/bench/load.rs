//! Loads servers in turn with `wrk` and compares them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;

/// Rounds that count; one before them warms up.
const ROUNDS: usize = 7;
/// The host that all requests name.
pub(crate) const HOST: &str = "api.test";

/// Requests of a load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A GET, its path one of the recorded ones.
    Get,
    /// A POST of 1 KB of JSON, one of the recorded ones.
    Post,
    /// A GET of a path that nothing recorded has: each answer is a 404.
    Miss,
}

/// A server under load.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// The process whose CPU time is measured; 0 for none.
    pub(crate) pid: u32,
    /// Number of different requests.
    pub(crate) requests: u64,
    tls: bool,
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

impl Server {
    pub(crate) fn new(name: &str, address: SocketAddr, pid: u32, requests: u64) -> Self {
        let name = name.to_owned();
        Self { name, address, pid, requests, tls: false, rates: Vec::new(), cpu: Vec::new() }
    }

    /// The same server over TLS, under the name `localhost`.
    pub(crate) fn over_tls(self) -> Self {
        Self { tls: true, ..self }
    }

    fn url(&self) -> String {
        match self.tls {
            true => format!("https://localhost:{}/", self.address.port()),
            false => format!("http://{}/", self.address),
        }
    }
}

/// 1 KB of JSON with unordered keys; rules may leave out `key` and `time`.
pub(crate) fn body(i: &str) -> String {
    let mut body = format!(r#"{{"customer": "cus_{i}", "amount": 100, "currency": "usd", "metadata": {{"#);
    body.push_str(r#""key": "1c831053-c4b5-4e0a-9d7b-0d2f6a1b3c4d", "time": "2026-11-21T08:00:00Z", "#);
    for n in 0..22 {
        let _ = write!(body, r#""key_{:02}": "value of some length {n}", "#, 22 - n);
    }
    body.push_str(r#""z": [1, 2, 3]}}"#);
    body
}

/// Prints the head of a table of comparisons.
pub(crate) fn head() {
    println!("| load | server | requests/s | ratio | CPU µs/request | ratio |\n|---|---|---|---|---|---|");
}

/// Loads all servers in turn, for several rounds, and prints a row for each: medians, and the
/// median of the ratios to the first server within a round. `cores`: the cores of the measured
/// processes.
pub(crate) fn compare(servers: &mut [Server], load: Load, seconds: u32, cores: &str) {
    for server in servers.iter().filter(|server| server.pid != 0) {
        pin(server.pid, cores);
    }
    for _ in 0..=ROUNDS {
        for server in servers.iter_mut() {
            measure(server, load, seconds);
        }
    }
    let (rates, cpu) = (servers[0].rates.clone(), servers[0].cpu.clone());
    for server in servers.iter() {
        let word = match load {
            Load::Get => "GET",
            Load::Post => "POST 1 KB JSON",
            Load::Miss => "GET, nothing like it recorded",
        };
        println!(
            "| {word} | {} | {:.0} | {:.2} | {:.1} | {:.2} |",
            server.name,
            median(&server.rates),
            ratio(&server.rates, &rates),
            median(&server.cpu),
            ratio(&server.cpu, &cpu),
        );
    }
}

fn median(values: &[f64]) -> f64 {
    // The first round warmed up.
    let mut values = values[1..].to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ratio(values: &[f64], first: &[f64]) -> f64 {
    median(&values.iter().zip(first).map(|(a, b)| a / b).collect::<Vec<_>>())
}

/// Latency of requests that are sent one after the other, in microseconds: the median, the 99th
/// percentile, the slowest.
pub(crate) fn latency(server: &Server, load: Load, seconds: u32) -> [f64; 3] {
    let [_, _, _, median, late, slowest] = wrk(server, load, seconds, 1);
    [median, late, slowest]
}

fn measure(server: &mut Server, load: Load, seconds: u32) {
    let before = cpu_seconds(server.pid);
    let [requests, micros, ..] = wrk(server, load, seconds, 64);
    let after = cpu_seconds(server.pid);
    server.rates.push(requests / micros * 1e6);
    server.cpu.push((after - before) * 1e6 / requests);
}

/// Runs `wrk`. Returns the number of requests, microseconds, the number of answers that aren't 2xx,
/// and the latencies of [`latency`].
fn wrk(server: &Server, load: Load, seconds: u32, connections: u32) -> [f64; 6] {
    let script = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(script.path(), lua(server.requests, load)).expect("the script");
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"])
        .arg(script.path())
        .arg(server.url())
        .output()
        .expect("taskset and wrk are installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with("RESULT")).unwrap_or_else(|| panic!("{text}"));
    let numbers: Vec<f64> = line.split_whitespace().skip(1).map(|n| n.parse().expect("a number")).collect();
    let numbers: [f64; 6] = numbers.try_into().unwrap_or_else(|_| panic!("{line}"));
    let [requests, _, bad, ..] = numbers;
    let expected = if load == Load::Miss { requests } else { 0.0 };
    assert_eq!(bad, expected, "{}: answers that aren't 2xx", server.name);
    numbers
}

fn lua(count: u64, load: Load) -> String {
    let request = match load {
        Load::Get => r#"return wrk.format("GET", "/v1/charges/ch_" .. i)"#.to_owned(),
        Load::Miss => r#"return wrk.format("GET", "/v1/charges/ch_" .. i .. "/refunds?limit=3")"#.to_owned(),
        Load::Post => {
            let body = body("\n");
            let (before, after) = body.split_once('\n').expect("the place of the number");
            format!(
                r#"return wrk.format("POST", "/v1/charges", {{["Host"]="{HOST}", ["Content-Type"]="application/json"}}, [[{before}]] .. i .. [[{after}]])"#
            )
        }
    };
    format!(
        r#"
math.randomseed(12345)
wrk.headers["Host"] = "{HOST}"
request = function()
  local i = math.random(0, {})
  {request}
end
done = function(summary, latency, requests)
  print("RESULT", summary.requests, summary.duration, summary.errors.status, latency:percentile(50), latency:percentile(99), latency.max)
end
"#,
        count - 1
    )
}

/// Puts all threads of a process on these cores.
fn pin(pid: u32, cores: &str) {
    let done =
        Command::new("taskset").args(["-a", "-c", "-p", cores, &pid.to_string()]).output().expect("taskset");
    assert!(done.status.success(), "{done:?}");
}

/// User and system time of a process: fields 14 and 15 of its `stat`, in ticks of 10 ms (proc(5)).
fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return f64::NAN };
    let fields: Vec<&str> = stat.rsplit_once(')').expect("stat").1.split_whitespace().collect();
    let ticks = |i: usize| fields[i].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}
