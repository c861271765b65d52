//! The numbers of `docs/reference/numbers.md`: what a mock, a tap and a table cost in a real Envoy.
//!
//! `bench CONSTANT.wasm [mock|rules|tap|tls|memory|peers|all] [SECONDS] [SIGNATURES]`, by `make
//! bench`. What is compared runs at once and is loaded in turn, so that what disturbs one disturbs
//! all. Envoy has the first core, the load the second; ratios count, absolute figures are this
//! machine's.

mod load;
mod memory;
mod mock;
mod peers;
mod tap;
mod tls;

use std::path::PathBuf;

/// Arguments of the command line.
struct Asked {
    constant: PathBuf,
    seconds: u32,
    most: u64,
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let constant = PathBuf::from(args.next().expect("the module that gives a constant reply"));
    let what = args.next().unwrap_or_else(|| "all".to_owned());
    let seconds = args.next().map_or(3, |s| s.parse().expect("seconds"));
    let most = args.next().map_or(1_000_000, |s| s.parse().expect("signatures"));
    let asked = Asked { constant, seconds, most };
    let wanted = |name: &str| what == name || what == "all";
    if wanted("mock") {
        mock::run(&asked).await;
    }
    if wanted("rules") {
        mock::with_rules(&asked).await;
    }
    if wanted("tap") {
        tap::run(&asked).await;
    }
    if wanted("tls") {
        tls::run(&asked).await;
    }
    if wanted("memory") {
        memory::run().await;
    }
    if wanted("peers") {
        peers::run(&asked).await;
    }
}
