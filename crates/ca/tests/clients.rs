//! Real clients, with only the variables of [`Trust`], against a real Envoy.

mod common;

use common::Rig;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use understudy_ca::{Proxy, SdsOptions, Trust};

/// An Envoy with its certificate service, the trust files, and the variables.
struct Scene {
    rig: Rig,
    trust: Trust,
}

impl Scene {
    async fn new() -> Self {
        let rig = Rig::start(SdsOptions::default()).await;
        let folder = rig.folder.path().join("trust");
        std::fs::create_dir(&folder).expect("a folder");
        let trust = Trust::write(&rig.authority, &folder).expect("files");
        assert_eq!(trust.warnings(), [""; 0]);
        Self { rig, trust }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rig.folder.path().join("trust").join(name)
    }

    fn port(&self) -> String {
        self.rig.envoy.proxy_addr().port().to_string()
    }

    /// Runs a program with the variables, or without them.
    async fn run(&self, trusting: bool, program: &str, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        let proxy = Proxy { address: self.rig.envoy.proxy_addr(), no_proxy: "" };
        for (name, value) in self.trust.environment(&proxy) {
            command.env_remove(name);
            if trusting {
                command.env(name, value);
            }
        }
        tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic")
    }

    /// Checks that a program succeeds with the variables and fails without them.
    async fn check(&self, program: &str, args: &[&str], expect: &str) {
        let done = self.run(true, program, args).await;
        let out = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && out.contains(expect), "{program} {args:?}: {done:?}");
        let done = self.run(false, program, args).await;
        assert!(!done.status.success(), "{program} {args:?} trusts by itself: {done:?}");
    }
}

fn python() -> String {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bin/python")).to_string_lossy().into_owned()
}

fn script(name: &str) -> String {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients")).join(name).to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_trusts_the_authority() {
    let scene = Scene::new().await;
    let to = format!("api.test:443:127.0.0.1:{}", scene.port());
    scene
        .check("curl", &["-sS", "--noproxy", "*", "--connect-to", &to, "https://api.test/"], "intercepted")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_in_strict_mode_trusts_the_authority() {
    let scene = Scene::new().await;
    let (bundle, to) = (scene.file("bundle.pem"), format!("127.0.0.1:{}", scene.port()));
    let long = ["a".repeat(60), "b".repeat(60), "test".to_owned()].join(".");
    for name in ["api.test", long.as_str()] {
        let strict = ["-x509_strict", "-verify_return_error", "-verify_hostname", name, "-servername", name];
        let args =
            [&["s_client", "-connect", &to, "-CAfile", bundle.to_str().expect("text")], &strict[..]].concat();
        let done = scene.run(true, "openssl", &args).await;
        let out = String::from_utf8_lossy(&done.stdout);
        assert!(out.contains("Verify return code: 0 (ok)"), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn python_in_strict_mode_trusts_the_authority() {
    let scene = Scene::new().await;
    scene.check(&python(), &[&script("python_strict.py"), &scene.port()], "TLSv1.3 h2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_requests_trusts_the_authority() {
    let scene = Scene::new().await;
    scene.check(&python(), &[&script("python_requests.py"), &scene.port()], "intercepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_with_its_own_roots_trusts_the_authority() {
    let scene = Scene::new().await;
    scene.check(&python(), &[&script("python_own_roots.py"), &scene.port()], "intercepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_trusts_the_authority() {
    let scene = Scene::new().await;
    scene.check("node", &[&script("node.js"), &scene.port()], "h2 intercepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_trusts_the_authority() {
    let scene = Scene::new().await;
    scene.check("java", &[&script("Client.java"), &scene.port()], "HTTP/1.1 200 OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keytool_reads_the_store() {
    let scene = Scene::new().await;
    let store = scene.file("truststore.jks");
    let args = ["-list", "-keystore", store.to_str().expect("text"), "-storepass", "changeit"];
    let done = scene.run(false, "keytool", &args).await;
    let out = String::from_utf8_lossy(&done.stdout);
    let bundle = std::fs::read_to_string(scene.file("bundle.pem")).expect("the bundle");
    assert_eq!(out.matches("trustedCertEntry").count(), bundle.matches("BEGIN").count(), "{done:?}");
    assert!(out.contains(&format!("SHA-256): {}", scene.rig.authority.fingerprint())), "{out}");
}
