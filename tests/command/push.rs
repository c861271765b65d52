//! `understudy push` and `bundle --oci-layout`, against a real registry; read back with other tools
//! than ours.

use crate::registry::{Pulled, Registry, Wanted, push};
use crate::scene::{Scene, client};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;
use understudy_testkit::{Rig, TestAuthority, Upstream, get};

/// A snapshot `s`, whose backend no longer runs.
async fn recorded() -> Scene {
    let scene = Scene::new().await;
    scene.record(&[], &client(&["GET http://api.test/a", "POST http://api.test/b x"])).run().await.expect(0);
    scene
}

async fn bundled(scene: &Scene) -> Vec<u8> {
    scene.understudy(["bundle", "s", "-o", "s.wasm"]).run().await.expect(0);
    std::fs::read(scene.path("s.wasm")).expect("the module")
}

/// Writes credentials as `docker login` does; `nina:PASSWORD` in base64.
fn login(scene: &Scene, registry: &Registry, auth: &str) {
    let config = format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.name);
    scene.file("docker/config.json", config);
}

#[tokio::test]
async fn pushed_image_is_pulled_and_answers_in_envoy() {
    let scene = recorded().await;
    let registry = Registry::start(&scene, Wanted::default()).await;
    let module = bundled(&scene).await;
    for layout in ["image", "artifact"] {
        let name = format!("team/payment-{layout}:1");
        let more = ["--plain-http", "--layout", layout, "--json"];
        let done = push(&scene, &registry, &name, &more).await.expect(0).json();
        let digest = done["digest"].as_str().expect("a digest");
        assert_eq!(done["reference"], format!("{}/{name}@{digest}", registry.name));
        // Fetched by digest: the registry has the announced image.
        let from = format!("docker://{}/team/payment-{layout}@{digest}", registry.name);
        let pulled = Pulled::get(&scene, &from, &["--src-tls-verify=false"], layout).await;
        assert_eq!(pulled.manifest["annotations"]["dev.understudy.snapshot"], "s");
        assert_eq!(pulled.manifest["annotations"], done["annotations"]);
        let pulled = pulled.module(&scene).await;
        assert!(pulled == module, "{layout}: the module is what `bundle` writes");

        let rig = Rig::responder().module(pulled).start().await;
        let answer = get(rig.proxy(), "http://api.test/a").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "answer 1 to GET /a"), "{layout}");
    }
    registry.stop().await;
}

#[tokio::test]
async fn the_same_snapshot_is_the_same_image_and_is_sent_once() {
    let scene = recorded().await;
    let registry = Registry::start(&scene, Wanted::default()).await;
    let first = push(&scene, &registry, "a:1", &["--plain-http", "--json"]).await.expect(0).json();
    assert_eq!((&first["sent"], &first["there_already"]), (&2.into(), &0.into()));
    let uploads = registry.requests("POST");
    assert!(uploads >= 2, "{uploads}");
    let again = push(&scene, &registry, "a:2", &["--plain-http", "--json"]).await.expect(0).json();
    assert_eq!((&again["sent"], &again["there_already"]), (&0.into(), &2.into()));
    assert_eq!(registry.requests("POST"), uploads, "nothing is uploaded again");
    assert_eq!(first["digest"], again["digest"]);

    // As text: only the reference is on stdout, everything else on stderr.
    let done = push(&scene, &registry, "a:3", &["--plain-http"]).await.expect(0);
    let digest = first["digest"].as_str().expect("a digest");
    assert_eq!(done.out, format!("{}/a:3@{digest}\n", registry.name));
    done.says(&["2 signatures", "2 there already", "dev.understudy.snapshot: s", "dev.understudy.table: "]);
    registry.stop().await;
}

#[tokio::test]
async fn private_registry_gets_the_credentials_of_docker_login() {
    let scene = recorded().await;
    let registry = Registry::start(&scene, Wanted { private: true, ..Wanted::default() }).await;
    let login_first = format!("run `docker login {}` first", registry.name);
    push(&scene, &registry, "a:1", &["--plain-http"]).await.expect(2).says(&[&login_first]);
    login(&scene, &registry, "bmluYTp3cm9uZw=="); // nina:wrong
    push(&scene, &registry, "a:1", &["--plain-http"])
        .await
        .expect(2)
        .says(&["refuses the credentials", "log in again"]);
    login(&scene, &registry, "bmluYTpjb3JyZWN0IGhvcnNl"); // nina:correct horse
    push(&scene, &registry, "a:1", &["--plain-http"]).await.expect(0).says(&["pushed 2 signatures"]);

    // A helper, as Docker Desktop has it; on the way it runs as any program.
    let helper = "#!/bin/sh\nread -r registry\n[ \"$registry\" = \"$REGISTRY\" ] || exit 1\n\
                  echo '{\"ServerURL\": \"x\", \"Username\": \"nina\", \"Secret\": \"correct horse\"}'\n";
    let helper = scene.file("bin/docker-credential-test", helper);
    std::fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a helper");
    scene.file("docker/config.json", r#"{"credsStore": "test"}"#);
    let target = format!("oci://{}/b:1", registry.name);
    let path = format!("{}:{}", scene.path("bin").display(), std::env::var("PATH").expect("a path"));
    scene
        .understudy(["push", "s", &target, "--plain-http"])
        .env("DOCKER_CONFIG", scene.path("docker"))
        .env("REGISTRY", &registry.name)
        .env("PATH", path)
        .run()
        .await
        .expect(0);
    scene.file("docker/config.json", r#"{"credsStore": "missing"}"#);
    push(&scene, &registry, "a:1", &["--plain-http"]).await.expect(2).says(&["can't be run"]);
    scene.file("docker/config.json", "{");
    push(&scene, &registry, "a:1", &["--plain-http"]).await.expect(2).says(&["config.json", "docker login"]);
    registry.stop().await;
}

#[tokio::test]
async fn registry_with_tokens_accepts_a_push() {
    let scene = recorded().await;
    let authority = TestAuthority::new();
    let leaf = authority.leaf("tokens.test");
    let service = token_service(&leaf).await;
    let (realm, certificate) = (format!("http://{}/token", service.address()), authority.certificate());
    let wanted = Wanted { tokens: Some((&realm, &certificate)), ..Wanted::default() };
    let registry = Registry::start(&scene, wanted).await;
    // Anybody gets a token, and with this one may do nothing.
    push(&scene, &registry, "team/a:1", &["--plain-http"]).await.expect(2).says(&["run `docker login"]);
    login(&scene, &registry, "bmluYTp3cm9uZw=="); // nina:wrong
    push(&scene, &registry, "team/a:1", &["--plain-http"]).await.expect(2).says(&["refuses the credentials"]);
    login(&scene, &registry, "bmluYTpjb3JyZWN0IGhvcnNl"); // nina:correct horse
    let first = push(&scene, &registry, "team/a:1", &["--plain-http", "--json"]).await.expect(0).json();
    let again = push(&scene, &registry, "team/a:1", &["--plain-http", "--json"]).await.expect(0).json();
    assert_eq!((&first["sent"], &again["sent"], &again["there_already"]), (&2.into(), &0.into(), &2.into()));
    let asked: Vec<_> = service.seen().iter().map(|seen| seen.text()).collect();
    assert!(asked.iter().any(|text| text.contains("repository%3Ateam%2Fa%3Apull%2Cpush")), "{asked:?}");
    registry.stop().await;
}

/// Issues signed tokens like Docker's registries: with the requested rights for the user nina,
/// without rights for anonymous requests.
async fn token_service(leaf: &understudy_ca::Leaf) -> Upstream {
    let der = |pem: &str| {
        let body: String = pem.lines().take_while(|line| !line.starts_with("-----END")).skip(1).collect();
        (STANDARD.decode(&body).expect("base64"), body)
    };
    let ((key, _), (_, certificate)) = (der(&leaf.key), der(&leaf.chain));
    let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [certificate] });
    Upstream::start(move |seen| {
        let text = seen.text();
        let nina = text.contains("Basic bmluYTpjb3JyZWN0IGhvcnNl");
        if text.contains("Basic ") && !nina {
            return Some(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 5\r\n\r\nwrong".to_vec());
        }
        let wanted = if text.contains("%2Cpush") { json!(["pull", "push"]) } else { json!(["pull"]) };
        let access = json!([{ "type": "repository", "name": "team/a", "actions": wanted }]);
        let access = if nina { access } else { json!([]) };
        let claims = json!({
            "iss": "test", "sub": "nina", "aud": "test", "nbf": 0, "iat": 0, "exp": 4_000_000_000_u64, "jti": "1", "access": access,
        });
        let signed = [&header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let random = ring::rand::SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &random).expect("a key");
        let signature = pair.sign(&random, signed.as_bytes()).expect("a signature");
        let body = json!({ "token": format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)) }).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        Some(format!("{head}\r\n\r\n{body}").into_bytes())
    })
    .await
}

#[tokio::test]
async fn registry_with_its_own_authority_accepts_a_push() {
    let scene = recorded().await;
    let authority = TestAuthority::new();
    let leaf = authority.leaf("localhost");
    let (certificate, key) = (scene.file("leaf.pem", leaf.chain), scene.file("leaf.key", leaf.key));
    let wanted = Wanted { tls: Some((&certificate, &key)), ..Wanted::default() };
    let registry = Registry::start(&scene, wanted).await;
    push(&scene, &registry, "a:1", &[]).await.expect(2).says(&["doesn't know", "--registry-ca"]);
    push(&scene, &registry, "a:1", &["--plain-http"]).await.expect(2).says(&["leave out --plain-http"]);
    let ca = authority.certificate().to_string_lossy().into_owned();
    push(&scene, &registry, "a:1", &["--registry-ca", &ca]).await.expect(0);
    for (content, says) in [("", "no certificate in it"), ("no PEM", "no certificate in it")] {
        scene.file("ca.pem", content);
        push(&scene, &registry, "a:1", &["--registry-ca", "ca.pem"]).await.expect(2).says(&["ca.pem", says]);
    }
    push(&scene, &registry, "a:1", &["--registry-ca", "none.pem"])
        .await
        .expect(2)
        .says(&["can't use none.pem"]);
    registry.stop().await;
}

#[tokio::test]
async fn failed_push_reports_the_reason() {
    let scene = recorded().await;
    let registry = Registry::start(&scene, Wanted::default()).await;
    push(&scene, &registry, "a:1", &[]).await.expect(2).says(&["speaks no TLS", "--plain-http"]);
    let gone = registry.name.clone();
    registry.stop().await;
    let check = async |target: &str, says: &[&str]| {
        let args = ["push", "s", target, "--plain-http"];
        scene.understudy(args).env("DOCKER_CONFIG", scene.path("docker")).run().await.expect(2).says(says);
    };
    check(&format!("oci://{gone}/a:1"), &["nothing listens there"]).await;
    check("oci://no-such-registry.invalid/a:1", &["no such host"]).await;
    check("oci://payment:1", &["the registry is missing", "oci://REGISTRY/NAME:TAG"]).await;
    check("oci://localhost:1/Payment:1", &["lower case"]).await;
    let none = ["push", "none", "oci://localhost:1/a:1"];
    scene.understudy(none).run().await.expect(2).says(&["none"]);
    // No certificates at all: an error, no panic.
    let args = ["push", "s", "oci://localhost:1/a:1"];
    let call = scene.understudy(args).env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", "/dev/null");
    call.run().await.expect(2).says(&["ca-certificates"]);
}

#[tokio::test]
async fn image_in_a_folder_equals_the_pushed_one() {
    let scene = recorded().await;
    let module = bundled(&scene).await;
    for layout in ["image", "artifact"] {
        let args = ["bundle", "s", "--oci-layout", layout, "--layout", layout, "--json"];
        let first = scene.understudy(args).run().await.expect(0).json();
        // Replaces the existing one.
        let again = scene.understudy(args).run().await.expect(0).json();
        assert_eq!(first["digest"], again["digest"]);
        let to = format!("{layout}-copied");
        let pulled = Pulled::get(&scene, &format!("oci:{layout}"), &[], &to).await;
        assert!(pulled.module(&scene).await == module, "{layout}");
        let manifest =
            format!("blobs/sha256/{}", first["digest"].as_str().expect("a digest").replace("sha256:", ""));
        assert_eq!(scene.read(&format!("{layout}/{manifest}")), scene.read(&format!("{to}/manifest.json")));
    }
    let left: Vec<_> = scene.names().into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.is_empty(), "{left:?}");
    // Files of the user are not lost.
    scene.file("mine/thesis.txt", "years of work");
    let args = ["bundle", "s", "--oci-layout", "mine"];
    scene.understudy(args).run().await.expect(2).says(&["mine holds other files"]);
    assert_eq!(scene.read("mine/thesis.txt"), "years of work");
}
