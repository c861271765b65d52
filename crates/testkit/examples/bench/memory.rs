//! Measures the memory that a table takes, by number of workers.

use understudy_testkit::{Rig, RigBuilder, recorded};

const MIB: f64 = 1048576.0;

pub(crate) async fn run() {
    println!("\n## Memory of Envoy with a table of 64 MiB\n");
    println!(
        "| workers | table MiB | allocated MiB | above the plain filter, in tables | RSS MiB | peak RSS MiB |\n|---|---|---|---|---|---|"
    );
    for workers in [1, 4, 8] {
        let plain = Rig::responder().workers(workers).start().await;
        let (base, rss, peak) = figures(&plain).await;
        println!("| {workers} | 0 | {base:.1} | | {rss:.0} | {peak:.0} |");
        let builder = big();
        let table = builder.table().len() as f64 / MIB;
        let rig = builder.workers(workers).start().await;
        let (allocated, rss, peak) = figures(&rig).await;
        let tables = (allocated - base) / table;
        println!("| {workers} | {table:.1} | {allocated:.1} | {tables:.2} | {rss:.0} | {peak:.0} |");
    }
}

/// Sixty-four answers of 1 MiB that have nothing in common.
fn big() -> RigBuilder {
    (0u64..64).fold(Rig::responder(), |builder, i| {
        let mut state = i + 1;
        let noise = std::iter::repeat_with(|| {
            // xorshift64 (Marsaglia, 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        let body: Vec<u8> = noise.take((1 << 20) / 8).flatten().collect();
        builder.exchange(recorded("GET", "http://api.test", &format!("/{i}")).body(body))
    })
}

/// Allocated by Envoy's own account, RSS and its peak by the kernel's, in MiB.
async fn figures(rig: &Rig) -> (f64, f64, f64) {
    let answer = rig.envoy.admin().get("/memory").await.expect("Envoy's account of its memory");
    let memory: serde_json::Value = serde_json::from_slice(answer.body.as_ref()).expect("JSON");
    let allocated: f64 = memory["allocated"].as_str().and_then(|n| n.parse().ok()).expect("a number");
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.envoy.pid())).expect("a process");
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line of the status");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).expect("a number")
    };
    (allocated / MIB, kib("VmRSS:") / 1024.0, kib("VmHWM:") / 1024.0)
}
