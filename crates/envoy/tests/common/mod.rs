//! Shared by the tests: stand-ins for the filter, and a temporary folder for them. A missing Envoy
//! fails the tests; it never skips them.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use understudy_envoy::{Bootstrap, Envoy, Options};

pub(crate) mod net;

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Counts requests, lets all pass; refuses a configuration that is a JSON string.
pub(crate) fn tap_filter() -> PathBuf {
    module("tap.wasm", include_str!("tap.wat"))
}

/// Answers `from the table` to everything.
pub(crate) fn mock_filter() -> PathBuf {
    module("mock.wasm", include_str!("mock.wat"))
}

fn module(name: &str, text: &str) -> PathBuf {
    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let bytes = wat::parse_str(text).unwrap();
    // Tests of one binary run at the same time: none may see a half-written file.
    let file = FOLDER.path().join(name);
    let unfinished = tempfile::NamedTempFile::new_in(FOLDER.path()).unwrap();
    std::fs::write(unfinished.path(), bytes).unwrap();
    unfinished.persist(&file).unwrap();
    file
}

pub(crate) fn tap() -> Bootstrap {
    Bootstrap::tap().listen(([127, 0, 0, 1], 0).into()).filter(tap_filter())
}

pub(crate) fn responder() -> Bootstrap {
    Bootstrap::responder().listen(([127, 0, 0, 1], 0).into()).filter(mock_filter())
}

pub(crate) async fn start(bootstrap: &Bootstrap) -> Envoy {
    match Envoy::start(bootstrap, &Options::default()).await {
        Ok(envoy) => envoy,
        Err(error) => panic!("{error}\n{}", error.help()),
    }
}

pub(crate) async fn stop(envoy: Envoy) {
    let exit = envoy.stop(SOON).await;
    assert!(exit.success(), "{exit}");
}
