//! Tests of the files with the user's and the system's roots, and of the variables that name them.

use super::*;
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

/// A folder for the files, an authority, and another authority that stands for a company's.
struct Scene {
    folder: TempDir,
    authority: Authority,
    company: Authority,
    variables: BTreeMap<&'static str, OsString>,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let authority =
            |name: &str| Authority::open_or_create(&folder.path().join(name)).expect("an authority");
        let (authority, company) = (authority("ours"), authority("company"));
        fs::create_dir(folder.path().join("trust")).expect("a folder");
        Self { folder, authority, company, variables: BTreeMap::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name, value.into());
        self
    }

    fn write(&self) -> Trust {
        let variables = |name: &str| self.variables.get(name).cloned();
        Trust::write_for(&self.authority, &self.folder.path().join("trust"), &variables).expect("files")
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join("trust").join(name)).expect(name)
    }

    fn java(&self) -> Vec<Vec<u8>> {
        jks::read(&fs::read(self.folder.path().join("trust/truststore.jks")).expect("a store"))
            .expect("a store")
    }
}

fn environment(trust: &Trust) -> BTreeMap<&'static str, String> {
    let proxy = Proxy { address: ([127, 0, 0, 1], 8080).into(), no_proxy: "localhost" };
    let text = |value: OsString| value.into_string().expect("text");
    trust.environment(&proxy).into_iter().map(|(name, value)| (name, text(value))).collect()
}

#[test]
fn bundle_holds_the_authority_and_the_systems_roots() {
    let scene = Scene::new();
    let trust = scene.write();
    assert_eq!(trust.warnings(), [""; 0]);
    assert_eq!(scene.read("ca.pem"), scene.authority.pem());
    assert_eq!(scene.read("extra.pem"), scene.authority.pem());
    let (roots, bundle) = (scene.read("roots.pem"), scene.read("bundle.pem"));
    assert!(roots.matches("BEGIN CERTIFICATE").count() > 50, "the system's roots are needed here");
    assert!(!roots.contains(scene.authority.pem()));
    assert_eq!(bundle, scene.authority.pem().to_owned() + &roots);
    assert_eq!(scene.java().len(), bundle.matches("BEGIN").count());
    assert_eq!(scene.java()[0], scene.authority.der());
}

#[test]
fn every_root_of_the_system_is_kept() {
    let system = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").expect("the system's roots");
    let scene = Scene::new();
    scene.write();
    assert_eq!(scene.read("roots.pem").matches("BEGIN").count(), system.matches("BEGIN CERTIFICATE").count());
}

#[test]
fn bundles_of_the_user_stay_trusted() {
    #[track_caller]
    fn check(variable: &'static str, as_folder: bool, in_files: &[&str]) {
        let scene = Scene::new();
        let path = scene.folder.path().join(if as_folder { "company" } else { "company/ca.pem" });
        let company = scene.company.pem().to_owned();
        let scene = scene.with(variable, path);
        let trust = scene.write();
        for file in ["roots.pem", "bundle.pem", "extra.pem"] {
            assert_eq!(scene.read(file).contains(&company), in_files.contains(&file), "{variable}: {file}");
        }
        assert!(scene.java().contains(&scene.company.der().to_vec()), "{variable}");
        let value = &environment(&trust)[variable];
        assert!(value.ends_with("/bundle.pem") || value.ends_with("/extra.pem"), "{variable}: {value}");
    }
    for name in INSTEAD_NAMES {
        check(name, false, &["roots.pem", "bundle.pem"]);
    }
    check("REQUESTS_CA_BUNDLE", true, &["roots.pem", "bundle.pem"]);
    check("NODE_EXTRA_CA_CERTS", false, &["bundle.pem", "extra.pem"]);
    check("DENO_CERT", false, &["bundle.pem", "extra.pem"]);
}

const INSTEAD_NAMES: [&str; 10] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "PIP_CERT",
    "npm_config_cafile",
    "NIX_SSL_CERT_FILE",
];

#[test]
fn roots_chosen_by_the_user_replace_the_systems() {
    for (variable, name) in [("SSL_CERT_FILE", "company/ca.pem"), ("SSL_CERT_DIR", "company")] {
        let scene = Scene::new();
        let path = scene.folder.path().join(name);
        let scene = scene.with(variable, path);
        scene.write();
        assert_eq!(scene.read("roots.pem"), scene.company.pem(), "{variable}");
    }
}

#[test]
fn unreadable_bundle_is_reported_and_skipped() {
    let scene = Scene::new().with("AWS_CA_BUNDLE", "/nowhere/bundle.pem").with("SSL_CERT_FILE", "");
    let trust = scene.write();
    assert_eq!(trust.warnings().len(), 1, "{:?}", trust.warnings());
    assert!(trust.warnings()[0].contains("AWS_CA_BUNDLE names /nowhere/bundle.pem"));
    assert!(scene.read("roots.pem").matches("BEGIN").count() > 50);
}

#[test]
fn invalid_certificate_is_skipped() {
    let scene = Scene::new();
    let block = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let text = format!(
        "# a comment\n{}{}{}{}\n-----BEGIN CERTIFICATE-----\nMIIB",
        block("bm90IGEgY2VydGlmaWNhdGU="),
        block("***"),
        scene.company.pem().replace('\n', "\r\n"),
        scene.company.pem()
    );
    let path = scene.folder.path().join("mixed.pem");
    fs::write(&path, [text.as_bytes(), b"\xff\xfe"].concat()).expect("a file");
    let scene = scene.with("SSL_CERT_FILE", path);
    scene.write();
    assert_eq!(scene.read("roots.pem"), scene.company.pem());
}

#[test]
fn variable_that_overrides_settings_is_set_only_if_the_user_has() {
    let scene = Scene::new();
    assert!(!environment(&scene.write()).contains_key("npm_config_cafile"));
}

#[test]
fn java_store_of_the_user_is_extended_or_kept() {
    let company = |scene: &Scene| vec![scene.company.der().to_vec()];
    let scene = Scene::new();
    let path = scene.folder.path().join("company.jks");
    fs::write(&path, jks::write(&company(&scene), "theirs", 0)).expect("a store");
    let option = format!("-Xmx1g -Djavax.net.ssl.trustStore={}", path.display());
    let scene = scene.with("JAVA_TOOL_OPTIONS", &option);
    let trust = scene.write();
    assert!(scene.java().contains(&company(&scene)[0]));
    let options = environment(&trust)["JAVA_TOOL_OPTIONS"].clone();
    assert!(options.starts_with(&option) && options.contains("trust/truststore.jks"), "{options}");
    // Options in an overriding variable are extended too.
    let scene = Scene::new();
    let trust = scene.with("JDK_JAVA_OPTIONS", &option).write();
    let options = environment(&trust)["JDK_JAVA_OPTIONS"].clone();
    assert!(options.starts_with(&option) && options.contains("trust/truststore.jks"), "{options}");
    assert!(!environment(&trust).contains_key("_JAVA_OPTIONS"));
    // An encrypted store can't be extended, and stays in use.
    fs::write(&path, b"\x30\x03\x02\x01\x03").expect("a store");
    let scene = Scene::new().with("JDK_JAVA_OPTIONS", &option);
    let trust = scene.write();
    assert!(trust.warnings()[0].contains("company.jks"), "{:?}", trust.warnings());
    let options = environment(&trust)["JAVA_TOOL_OPTIONS"].clone();
    assert!(!options.contains("truststore.jks") && options.contains("https.proxyPort=8080"), "{options}");
}

#[test]
fn python_path_keeps_the_users() {
    let path = |scene: &Scene| environment(&scene.write())["PYTHONPATH"].clone();
    assert!(path(&Scene::new()).ends_with("/trust/python"));
    assert!(path(&Scene::new().with("PYTHONPATH", "/a:/b")).ends_with("/trust/python:/a:/b"));
}

/// Uses a store like that of Java's own roots since Java 18: PKCS #12, not encrypted.
#[test]
fn roots_of_java_in_either_format_are_kept() {
    let plain = ["-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE", "-J-Dkeystore.pkcs12.macAlgorithm=NONE"];
    for (format, options, home) in [("PKCS12", &plain[..], "lib/security"), ("JKS", &[], "jre/lib/security")]
    {
        let scene = Scene::new();
        let folder = scene.folder.path().join(format).join(home);
        fs::create_dir_all(&folder).expect("folders");
        let (store, certificate) = (folder.join("cacerts"), scene.company.path());
        let done = std::process::Command::new("keytool")
            .args([
                "-importcert",
                "-noprompt",
                "-alias",
                "company",
                "-storepass",
                "changeit",
                "-storetype",
                format,
            ])
            .args([Path::new("-file"), &certificate, Path::new("-keystore"), &store])
            .args(options)
            .output()
            .expect("keytool runs");
        assert!(done.status.success(), "{done:?}");
        let home = scene.folder.path().join(format);
        let scene = scene.with("JAVA_HOME", home);
        assert_eq!(scene.write().warnings(), [""; 0]);
        assert!(scene.java().contains(&scene.company.der().to_vec()), "{format}");
        assert!(!scene.read("roots.pem").contains(scene.company.pem()), "{format}: Java's alone");
    }
}
