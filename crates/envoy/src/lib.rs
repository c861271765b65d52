//! Finds, configures, starts and stops Envoy.
//!
//! ```no_run
//! # async fn example() -> Result<(), understudy_envoy::Error> {
//! use std::time::Duration;
//! use understudy_envoy::{Bootstrap, Envoy, Options};
//!
//! let listen = ([127, 0, 0, 1], 0).into();
//! let bootstrap = Bootstrap::tap().listen(listen).filter("target/filter.wasm");
//! let envoy = Envoy::start(&bootstrap, &Options::default()).await?;
//! println!("HTTP_PROXY=http://{}", envoy.proxy_addr());
//! envoy.stop(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! The crate knows nothing of exchanges or snapshots. The filter's behaviour is in the plugin
//! configuration, which passes through unchanged.

mod admin;
mod bootstrap;
mod error;
mod exit;
mod find;
mod guard;
mod inbound;
mod logs;
mod map;
mod ports;
mod process;
mod tunnels;
mod validate;

pub use admin::{Admin, AdminAddress, AdminResponse, EnvoyStats};
pub use bootstrap::{Bootstrap, FilterFailure, UpstreamTrust};
pub use error::Error;
pub use exit::EnvoyExit;
pub use find::{EnvoyBinary, OLDEST_SUPPORTED, TESTED_VERSION, Version, find};
pub use guard::Guard;
pub use inbound::Inbound;
pub use logs::LogLevel;
pub use map::HostMap;
pub use process::{Envoy, Options, PROXY_LISTENER};
pub use tunnels::{Tunnel, TunnelProblem};
pub use validate::validate;
