//! Measures the bundler: `cargo run --release -p understudy-compile --example bundle_bench [MIB]`.
//!
//! Prints seconds for each step, and the peak of the process's memory (Linux) next to the table's length.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;
use understudy_compile::bundle::{Bundle, BundleInfo, inspect};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mib: usize = std::env::args().nth(1).map_or(Ok(64), |text| text.parse())?;
    let filter = understudy_module::RAW;
    let table = timed("make the table", || support::filler_table(mib << 20));
    println!("{:>24} {:8.1} MiB", "table", table.len() as f64 / 1048576.0);
    println!("{:>24} {:8.1} MiB", "peak before", peak());

    let bundle = timed("bundle", || Bundle::new(filter, &table, &BundleInfo::default()))?;
    println!("{:>24} {:8.1} MiB", "peak", peak());
    timed("write to a sink", || bundle.write_to(std::io::sink()))?;
    let module = timed("into bytes", || bundle.into_bytes());
    println!("{:>24} {:8.1} MiB", "peak", peak());
    drop(table);

    let info = timed("inspect", || inspect(&module))?;
    println!("{:>24} {:8.1} MiB", "peak", peak());
    println!("{:>24} {}", "digest", info.record.table.digest);
    Ok(())
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    println!("{what:>24} {:8.3} s", start.elapsed().as_secs_f64());
    result
}

/// The most memory that this process has had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .map_or(f64::NAN, |kib: f64| kib / 1024.0)
}
