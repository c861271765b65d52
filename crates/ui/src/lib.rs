//! Web pages of snapshots and running recordings: which backends a service calls, the exchanges
//! with them, and what is mocked.
//!
//! Pages are rendered on the server, and everything that they load is in the binary. Recorded
//! content is shown and never run. Pages work without JavaScript. The server requires a token if
//! other machines can connect, never reads outside of its folder, and changes nothing but
//! snapshots.

mod assets;
mod config;
mod form;
mod guard;
mod index;
mod live;
mod page;
mod pages;
mod reports;
mod routes;
mod server;
mod show;
mod slow;
mod snapshots;

pub use config::{Config, Source, UiError};
pub use server::Ui;
