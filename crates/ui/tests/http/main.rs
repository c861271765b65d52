//! The pages as a browser requests them: over HTTP, on a real socket, from real snapshots.

mod conflicts;
mod hostile;
mod live;
mod long;
mod reports;
mod security;
mod site;
mod traffic;
