//! The command that serves the pages, and Chromium that looks at them.

use crate::call::{Call, Done, Running};
use crate::scene::{Scene, client, root, until};
use rustix::process::Signal;
use std::fs::File;

/// The pages of a scene.
pub(crate) struct Site<'a> {
    scene: &'a Scene,
    running: Running,
    pub(crate) url: String,
}

impl<'a> Site<'a> {
    /// `understudy ui ARGS`.
    pub(crate) async fn start(scene: &'a Scene, args: &[&str]) -> Self {
        let log = File::create(scene.path("tmp/ui.log")).expect("a file");
        let running = scene.understudy([&["ui"], args].concat()).stderr(log).start();
        let url = until("no address", || {
            let log = scene.read("tmp/ui.log");
            assert!(!log.contains("error"), "{log}");
            let (_, after) = log.split_once("open ")?;
            after.split_once("/ in a browser").map(|(url, _)| url.to_owned())
        });
        Self { scene, running, url: url.await }
    }

    /// Runs a scenario to its end, which has to be good.
    pub(crate) async fn sees(&self, scenario: &str) -> Done {
        self.scenario(scenario).run().await.expect(0)
    }

    /// The call of a scenario.
    pub(crate) fn scenario(&self, name: &str) -> Call {
        scenario(self.scene, name, &self.url)
    }

    /// Ctrl-C, which ends it well and soon.
    pub(crate) async fn stop(self) {
        self.running.signal(Signal::INT);
        self.running.end().await.expect(0);
        std::fs::remove_file(self.scene.path("tmp/ui.log")).expect("the file");
    }
}

/// A scenario about the pages that are here.
pub(crate) fn scenario(scene: &Scene, name: &str, url: &str) -> Call {
    let folder = root().join("tests/browser").canonicalize().expect("the folder");
    assert!(folder.join("node_modules/.stamp").exists(), "run `sh scripts/setup-browser.sh` first");
    let script = folder.join("run.mjs").to_string_lossy().into_owned();
    scene.program("node", [script, name.to_owned()]).env("UI_URL", url)
}

/// Calls of Stripe and of a shop, which are recorded into `snapshots/s`; and the `--map` of both.
pub(crate) async fn recorded(scene: &Scene) -> [String; 2] {
    let to = scene.upstream.address();
    let maps = [format!("api.stripe.com=http://{to}"), format!("stock.test=http://{to}")];
    let args = ["record", "-o", "snapshots/s", "--map", &maps[0], "--map", &maps[1], "--"].map(str::to_owned);
    scene.understudy(args.into_iter().chain(client(&REQUESTS))).run().await.expect(0);
    maps
}

/// One request to each backend.
pub(crate) const REQUESTS: [&str; 2] =
    ["GET http://api.stripe.com/v1/charges", "GET http://stock.test/items"];
