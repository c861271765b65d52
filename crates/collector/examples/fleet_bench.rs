//! A mesh at test size against collectors that share a bucket: `fleet_bench [SIDECARS RATE BODY
//! SECONDS]` plays sidecars against two collectors, each a process of its own, with moto as S3, and
//! prints the figures that `docs/reference/sizing.md` counts with. Checks that nothing is lost or
//! doubled. `fleet_bench collect MOTO` is one of these collectors.

#[path = "../tests/common/fleet.rs"]
mod fleet;
#[path = "../tests/common/moto.rs"]
mod moto;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fleet::Fleet;
use moto::{Moto, bucket};
use understudy_collector::object_store::ObjectStore;
use understudy_collector::{BucketConfig, Collector, CollectorConfig, Reader, Selected, Selection};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The kernel counts CPU time in these (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;
const COLLECTORS: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [command, moto] if command == "collect" => collect(moto.parse()?).await,
        [] => run(500, 4.0, 1000, 20).await,
        [sidecars, rate, body, seconds] => {
            run(sidecars.parse()?, rate.parse()?, body.parse()?, seconds.parse()?).await
        }
        _ => Err("fleet_bench [SIDECARS RATE BODY SECONDS]".into()),
    }
}

/// One collector, until its stdin ends.
async fn collect(moto: SocketAddr) -> Result<(), Failure> {
    let mut store = BucketConfig::new(bucket(moto));
    // A short run compacts some objects too.
    store.compact_age = Some(Duration::from_secs(5));
    let collector = Collector::bind("127.0.0.1:0", CollectorConfig::with_store(store)).await?;
    println!("{}", collector.local_addr());
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    collector.shutdown().await;
    Ok(())
}

struct Running {
    process: Child,
    address: SocketAddr,
}

impl Running {
    fn start(moto: &Moto) -> Result<Running, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("collect").arg(moto.address.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Running { process, address: line.trim().parse()? })
    }

    /// Seconds of CPU so far.
    fn cpu(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // After the name: user and system time are the 14th and 15th of all (proc(5)).
        Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / TICKS)
    }

    /// The most memory that it has had, in MiB.
    fn peak(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    fn end(mut self) -> Result<(), Failure> {
        drop(self.process.stdin.take());
        self.process.wait()?;
        Ok(())
    }
}

async fn run(sidecars: usize, rate: f64, body: usize, seconds: u64) -> Result<(), Failure> {
    let dir = std::env::temp_dir().join(format!("understudy-fleet-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let moto = Moto::start(&dir);
    let running = (0..COLLECTORS).map(|_| Running::start(&moto)).collect::<Result<Vec<_>, _>>()?;
    let collectors = running.iter().map(|collector| collector.address).collect::<Vec<_>>();
    let collectors = Arc::new(Mutex::new(collectors));
    let lasts = Duration::from_secs(seconds);
    let start = Instant::now();
    let played = Fleet { sidecars, rate, body, lasts, flush_ms: 200, collectors }.play().await;
    let took = start.elapsed().as_secs_f64();
    let cpu = running.iter().map(Running::cpu).sum::<Result<f64, _>>()?;
    let puts = moto.requests("PUT");
    let stored = sizes(&moto, "segments").await? + sizes(&moto, "joined").await?;

    // Waits until all objects are compacted, to measure its cost and its saving.
    let started = Instant::now();
    while sizes(&moto, "segments").await?.objects > COLLECTORS && started.elapsed() < Duration::from_secs(60)
    {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let compacted = sizes(&moto, "segments").await? + sizes(&moto, "joined").await?;
    let compacting = running.iter().map(Running::cpu).sum::<Result<f64, _>>()? - cpu;

    let mut selected = Selected::new(Reader::bucket(moto.objects()).await?, Selection::default());
    let mut there = 0;
    while selected.next().await?.is_some() {
        there += 1;
    }
    let (batches, exchanges) = (played.latencies.len() as f64, played.delivered as f64);
    let at = |share: f64| {
        let last = played.latencies.len().saturating_sub(1);
        played.latencies.get((last as f64 * share) as usize).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    println!(
        "{sidecars} sidecars, {rate} exchanges/s each, bodies of {body} bytes, {COLLECTORS} collectors, {took:.0} s"
    );
    println!(
        "exchanges/s {:.0}, of batches/s {:.0}, {:.1} exchanges each",
        exchanges / took,
        batches / took,
        exchanges / batches
    );
    println!("acknowledged: p50 {:.0} ms, p99 {:.0} ms; sent again {}", at(0.5), at(0.99), played.refused);
    println!(
        "collectors' CPU: {:.1} us an exchange, {:.0} us a batch; compacting {:.1} us an exchange",
        cpu / exchanges * 1e6,
        cpu / batches * 1e6,
        compacting / exchanges * 1e6
    );
    for collector in &running {
        println!("collector's memory at its peak: {:.0} MiB", collector.peak()?);
    }
    println!(
        "bytes an exchange: {:.0} sent, {:.0} stored, {:.0} when compacted",
        played.bytes as f64 / exchanges,
        stored.bytes / exchanges,
        compacted.bytes / exchanges
    );
    println!(
        "PUTs/s {:.1}; objects {} before the last are compacted, {} after",
        puts as f64 / took,
        stored.objects,
        compacted.objects
    );
    println!(
        "captured {}, acknowledged {}, given up {}, read back {there}",
        played.captured, played.delivered, played.dropped
    );
    for collector in running {
        collector.end()?;
    }
    drop(moto);
    std::fs::remove_dir_all(&dir)?;
    if there != played.delivered || played.dropped > 0 {
        return Err("something is lost or doubled".into());
    }
    Ok(())
}

struct Sizes {
    objects: usize,
    bytes: f64,
}

impl std::ops::Add for Sizes {
    type Output = Sizes;

    fn add(self, other: Sizes) -> Sizes {
        Sizes { objects: self.objects + other.objects, bytes: self.bytes + other.bytes }
    }
}

async fn sizes(moto: &Moto, folder: &str) -> Result<Sizes, Failure> {
    let list = moto.objects().list_with_delimiter(Some(&folder.into())).await?.objects;
    Ok(Sizes { objects: list.len(), bytes: list.iter().map(|object| object.size as f64).sum() })
}
