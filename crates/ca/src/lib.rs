//! The user's certificate authority, the service that gives Envoy a certificate per server name,
//! and the files and variables by which clients trust the authority.
//!
//! ```no_run
//! # async fn example() -> Result<(), understudy_ca::Error> {
//! use understudy_ca::{Authority, Sds};
//!
//! let authority = Authority::open_or_create(&Authority::folder()?)?;
//! let sds = Sds::serve(authority, "/run/private/sds").await?;
//! println!("{} certificates minted", sds.counts().minted);
//! sds.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The authority's key never leaves its file and this process: no socket sends it, no message shows
//! it.

mod authority;
mod error;
mod folder;
mod leaf;
mod name;
mod sds;
mod trust;

pub use authority::Authority;
pub use error::Error;
pub use leaf::{Leaf, Minter};
pub use name::ServerName;
pub use sds::{Sds, SdsCounts, SdsOptions};
pub use trust::{Proxy, Trust, system_roots};
