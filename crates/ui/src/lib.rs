//! Web pages of snapshots and of what is being recorded: what a service calls, what it says and is told, and what is mocked.
//!
//! Rendered here, with everything that a page needs in the binary; what is recorded is shown, never run. Pages work without JavaScript.
//! Never listens beyond this machine without a token, never reads outside of the folder that it was given, and changes nothing
//! but snapshots.

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
