//! `understudy ui` as people use it: in Debian's Chromium, driven by Playwright, on snapshots that
//! were recorded by a real Envoy. What is saved there decides what `respond` mocks.
//!
//! `scripts/setup-browser.sh` brings what they need. What is missing is an error, never a skip.

#[path = "../command/call.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command, which use the rest")]
mod call;
mod live;
mod pages;
mod payloads;
mod report;
mod reports;
#[path = "../command/scene.rs"]
#[allow(dead_code, reason = "shared with the other tests of the command, which use the rest")]
mod scene;
mod site;
