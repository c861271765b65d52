//! The certificate authority as people see it, and what CMD gets of it.

use crate::scene::{Scene, shell};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use tokio::task::JoinSet;

#[tokio::test]
async fn authority_is_created_once_and_shown() {
    let scene = Scene::new().await;
    let done = scene.understudy(["ca"]).run().await.expect(0);
    let path = scene.path("config/ca.pem").display().to_string();
    assert!(done.out.starts_with("Understudy CA, ") && done.out.contains(&path), "{done}");
    let told = scene.understudy(["ca", "--json"]).run().await.expect(0).json();
    assert_eq!(told["path"], path.as_str());
    assert!(done.out.contains(told["sha256"].as_str().expect("text")), "{done}");
    assert!(done.out.contains(told["not_after"].as_str().expect("text")), "{done}");
    let mode = fs::metadata(scene.path("config/authority.pem")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let done = scene.understudy(["ca", "path"]).run().await.expect(0);
    assert_eq!(done.out, format!("{path}\n"));
}

#[tokio::test]
async fn one_of_several_processes_creates_the_authority() {
    let scene = Scene::new().await;
    let mut runs = JoinSet::new();
    for _ in 0..8 {
        runs.spawn(scene.understudy(["ca", "--json"]).run());
    }
    let told = runs.join_all().await.into_iter().map(|done| done.expect(0).json()["sha256"].to_string());
    let told: Vec<_> = told.collect();
    assert!(told.iter().all(|sha256| *sha256 == told[0]), "{told:?}");
}

#[tokio::test]
async fn the_certificate_is_exported_without_its_key() {
    let scene = Scene::new().await;
    let done = scene.understudy(["ca", "export"]).run().await.expect(0);
    assert_eq!(done.out, scene.read("config/ca.pem"));
    assert!(!done.out.contains("PRIVATE"));
    scene.understudy(["ca", "export", "-o", "a.pem"]).run().await.expect(0);
    assert_eq!(scene.read("a.pem"), done.out);
    scene.understudy(["ca", "export", "--der", "-o", "a.der"]).run().await.expect(0);
    let read = scene.program("openssl", ["x509", "-inform", "der", "-in", "a.der"]).run().await.expect(0);
    assert_eq!(read.out, done.out);
    scene.understudy(["ca", "export", "-o", "no/where"]).run().await.refused(&["can't write no/where"]);
}

#[tokio::test]
async fn rotated_authority_is_new() {
    let scene = Scene::new().await;
    let sha256 =
        || async { scene.understudy(["ca", "--json"]).run().await.expect(0).json()["sha256"].clone() };
    let before = sha256().await;
    let done = scene.understudy(["ca", "rotate", "--json"]).run().await.expect(0);
    assert_ne!(done.json()["sha256"], before);
    assert_eq!(done.json()["sha256"], sha256().await);
    done.says(&["runs under way keep the old one"]);
}

#[tokio::test]
async fn authority_that_others_can_read_is_refused() {
    let scene = Scene::new().await;
    scene.understudy(["ca"]).run().await.expect(0);
    fs::set_permissions(scene.path("config/authority.pem"), PermissionsExt::from_mode(0o644))
        .expect("a mode");
    scene.understudy(["ca"]).run().await.refused(&["chmod 600", "understudy ca rotate"]);
    scene.record(&[], &shell("true")).run().await.expect(2).says(&["chmod 600"]);
    scene.understudy(["ca", "rotate"]).run().await.expect(0);
    scene.understudy(["ca"]).run().await.expect(0);
}

#[tokio::test]
async fn run_without_a_folder_has_a_temporary_authority() {
    let scene = Scene::new().await;
    scene.file("file", "");
    let cmd = shell(r#"test -s "$SSL_CERT_FILE" && echo trusted"#);
    let call = scene.record(&["--keep-secrets"], &cmd).env("UNDERSTUDY_CONFIG", scene.path("file/config"));
    let done = call.run().await;
    assert_eq!(done.out, "trusted\n", "{done}");
    done.says(&["of its own, which isn't kept", "file/config"]);
}

#[tokio::test]
async fn cmd_gets_the_authority_and_no_file_is_left() {
    let scene = Scene::new().await;
    let company = scene.file("company/tls.pem", "");
    scene.understudy(["ca"]).env("UNDERSTUDY_CONFIG", scene.path("other")).run().await.expect(0);
    fs::copy(scene.path("other/ca.pem"), &company).expect("a certificate");
    let cmd = shell(
        r#"cat "$AWS_CA_BUNDLE" >bundle; cat "$NODE_EXTRA_CA_CERTS" >extra; dirname "$SSL_CERT_FILE" >folder
        echo "$JAVA_TOOL_OPTIONS" >java; echo "$NODE_USE_ENV_PROXY" >node; ls -ld "$(cat folder)" >mode"#,
    );
    let call = scene.record(&[], &cmd).env("AWS_CA_BUNDLE", &company).env("JAVA_TOOL_OPTIONS", "-Xmx1g");
    // The environment of the tests may have set these.
    let call = call.env("NODE_EXTRA_CA_CERTS", "").env("DENO_CERT", "");
    call.run().await;
    let ours = scene.read("config/ca.pem");
    let bundle = scene.read("bundle");
    assert!(bundle.contains(&ours) && bundle.contains(&scene.read("other/ca.pem")));
    assert_eq!(scene.read("extra"), ours);
    assert_eq!(scene.read("node"), "1\n");
    let java = scene.read("java");
    assert!(
        java.starts_with("-Xmx1g -Djavax.net.ssl.trustStore=") && java.contains("-Dhttps.proxyPort="),
        "{java}"
    );
    assert!(scene.read("mode").starts_with("drwx------"), "{}", scene.read("mode"));
    assert!(!std::path::Path::new(scene.read("folder").trim()).exists());
    scene.all_gone().await;
}

/// For an address, `curl` sends no server name. It prints the result of the verification only with
/// `-w`.
#[tokio::test]
async fn https_is_recorded_and_answered_by_name_and_by_address() {
    let scene = Scene::new().await;
    let maps = ["--map", &format!("10.9.8.7=http://{}", scene.upstream.address())];
    let curl = shell(
        r"curl -sS --http2 -w ' %{http_version} %{ssl_verify_result}\n' https://api.test/a https://10.9.8.7/b",
    );
    let recorded = scene.record(&maps, &curl).run().await.expect(0);
    assert_eq!(recorded.out, "answer 1 to GET /a 2 0\nanswer 2 to GET /b 2 0\n", "{recorded}");
    let answered = scene.respond(&[], &curl).run().await.expect(0);
    assert_eq!(answered.out, recorded.out);
    assert_eq!(scene.upstream.seen().len(), 2);
    scene.all_gone().await;
}

#[tokio::test]
async fn certificates_are_served_to_the_users_envoy() {
    let scene = Scene::new().await;
    fs::create_dir(scene.path("run")).expect("a folder");
    let serve = ["ca", "serve", "--socket", "run/certificates.sock"];
    fs::set_permissions(scene.path("run"), PermissionsExt::from_mode(0o755)).expect("a mode");
    scene.understudy(serve).run().await.refused(&["others can enter run", "chmod 700 run"]);
    fs::set_permissions(scene.path("run"), PermissionsExt::from_mode(0o700)).expect("a mode");
    for signal in [Signal::TERM, Signal::INT] {
        let running = scene.understudy(serve).start();
        running.says("certificates on demand at run/certificates.sock").await;
        running.signal(signal);
        running.end().await.expect(0).says(&["0 certificates made, 0 names refused"]);
    }
    let to_trust =
        scene.understudy([&serve[..], &["--trust", "trust", "--address", "10.0.0.5"]].concat()).start();
    to_trust.says("certificates on demand").await;
    let files = ["bundle.pem", "extra.pem"]
        .map(|name| fs::read_to_string(scene.path("trust").join(name)).expect(name));
    to_trust.signal(Signal::TERM);
    to_trust.end().await.expect(0);
    assert!(
        files.iter().all(|pem| pem.starts_with("-----BEGIN CERT") && !pem.contains("PRIVATE")),
        "{files:?}"
    );
    assert!(!scene.path("run/certificates.sock").exists());
}
