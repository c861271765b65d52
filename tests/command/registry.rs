//! Debian's container registry, run for one test, and another tool than ours to read it with.

use crate::call::{Done, Running};
use crate::scene::{Scene, until};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// `correct horse` in bcrypt, which is all that the registry takes.
const PASSWORDS: &str = "nina:$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n";

/// Settings of a registry.
#[derive(Default)]
pub(crate) struct Wanted<'a> {
    /// True if it accepts only nina, whose password is `correct horse`.
    pub(crate) private: bool,
    /// The address of the tokens' issuer, and the certificate that verifies them. `None`: no
    /// tokens.
    pub(crate) tokens: Option<(&'a str, &'a Path)>,
    /// Its certificate and key, as files.
    pub(crate) tls: Option<(&'a Path, &'a Path)>,
}

/// A registry that runs.
pub(crate) struct Registry {
    running: Option<Running>,
    log: PathBuf,
    /// `localhost:PORT`.
    pub(crate) name: String,
}

impl Registry {
    /// Starts one; it listens.
    pub(crate) async fn start(scene: &Scene, wanted: Wanted<'_>) -> Self {
        let tls = wanted.tls.map_or(String::new(), |(certificate, key)| {
            format!("  tls:\n    certificate: {}\n    key: {}\n", certificate.display(), key.display())
        });
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:0\n{tls}",
            scene.path("registry").display()
        );
        if wanted.private {
            let passwords = scene.file("htpasswd", PASSWORDS);
            config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", passwords.display());
        }
        if let Some((realm, certificate)) = wanted.tokens {
            config += &format!(
                "auth:\n  token:\n    realm: {realm}\n    service: test\n    issuer: test\n    rootcertbundle: {}\n",
                certificate.display()
            );
        }
        let (config, log) = (scene.file("registry.yaml", config), scene.file("registry.log", ""));
        let file = || std::fs::OpenOptions::new().append(true).open(&log).expect("a log");
        let call = scene.program(&installed("docker-registry"), ["serve".into(), config]);
        let running = call.stdout(file()).stderr(file()).start();
        let port = until("the registry doesn't listen", || {
            let said = std::fs::read_to_string(&log).ok()?;
            let (_, address) = said.split_once("listening on 127.0.0.1:")?;
            let digits: String = address.chars().take_while(char::is_ascii_digit).collect();
            address.len().gt(&digits.len()).then_some(digits)
        });
        let name = format!("localhost:{}", port.await);
        Self { running: Some(running), log, name }
    }

    /// Number of received requests with this method.
    pub(crate) fn requests(&self, method: &str) -> usize {
        let log = std::fs::read_to_string(&self.log).expect("its log");
        log.matches(&format!("\"{method} /v2/")).count()
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        let running = self.running.take().expect("it runs");
        running.signal(Signal::KILL);
        running.end().await;
    }
}

/// An image as skopeo has copied it out.
pub(crate) struct Pulled {
    folder: PathBuf,
    pub(crate) manifest: Value,
}

impl Pulled {
    /// Copies what `from` names, in skopeo's terms, into a folder of this name.
    pub(crate) async fn get(scene: &Scene, from: &str, more: &[&str], to: &str) -> Self {
        let target = format!("dir:{to}");
        let args = [&["--insecure-policy", "copy", "--preserve-digests"], more, &[from, &target]].concat();
        scene.program(&installed("skopeo"), args).run().await.expect(0);
        let manifest = scene.read(&format!("{to}/manifest.json"));
        Self { folder: scene.path(to), manifest: serde_json::from_str(&manifest).expect("JSON") }
    }

    /// The module in it, found as Istio's agent finds it.
    pub(crate) async fn module(&self, scene: &Scene) -> Vec<u8> {
        let layers = self.manifest["layers"].as_array().expect("layers");
        let path = |layer: &Value| {
            self.folder.join(layer["digest"].as_str().expect("a digest").trim_start_matches("sha256:"))
        };
        let last = layers.last().expect("a layer");
        if last["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip" {
            let args = ["-xzf".into(), path(last), "-C".into(), scene.path("")];
            scene.program("tar", args).run().await.expect(0);
            return std::fs::read(scene.path("plugin.wasm")).expect("plugin.wasm");
        }
        assert_eq!(layers.len(), 2, "the agent takes an artifact of two layers alone");
        let wasm = "application/vnd.module.wasm.content.layer.v1+wasm";
        let layer = layers.iter().find(|layer| layer["mediaType"] == wasm).expect("a layer with the module");
        std::fs::read(path(layer)).expect("the module")
    }
}

/// A program in the path.
fn installed(name: &str) -> String {
    let path = std::env::var_os("PATH").expect("a path");
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.exists());
    let found =
        found.unwrap_or_else(|| panic!("there is no {name}: run `sh scripts/setup-registry.sh` first"));
    found.to_string_lossy().into_owned()
}

/// Pushes the scene's snapshot `s`.
pub(crate) async fn push(scene: &Scene, registry: &Registry, name: &str, more: &[&str]) -> Done {
    let target = format!("oci://{}/{name}", registry.name);
    scene
        .understudy([&["push", "s", &target], more].concat())
        .env("DOCKER_CONFIG", scene.path("docker"))
        .run()
        .await
}
