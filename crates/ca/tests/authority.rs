//! The authority in its folder: created once, private, and refused with a reason if it isn't
//! usable.

mod common;

use common::private_folder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use understudy_ca::{Authority, Leaf, Minter, ServerName};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("a mode");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn authority_opened_twice_is_created_once_and_private() {
    let parent = private_folder();
    let folder = parent.path().join("a/config");
    let made = Authority::open_or_create(&folder).expect("made");
    let opened = Authority::open_or_create(&folder).expect("opened");
    assert_eq!(made.pem(), opened.pem());
    assert_eq!((mode(&folder), mode(&folder.join("authority.pem"))), (0o700, 0o600));
    assert_eq!(fs::read_to_string(made.path()).expect("the certificate"), made.pem());
    assert!(!made.pem().contains("PRIVATE"));
    assert_eq!(made.fingerprint().len(), 32 * 3 - 1);
    assert!(made.warning().is_none());
    assert!(!format!("{made:?}").contains("PRIVATE"));
    assert_eq!(names(&folder), ["authority.lock", "authority.pem", "ca.pem"]);
}

#[test]
fn certificate_has_the_extensions_that_verifiers_require() {
    let folder = private_folder();
    let authority = Authority::open_or_create(folder.path()).expect("an authority");
    let (_, certificate) = X509Certificate::from_der(authority.der()).expect("a certificate");
    let constraints = certificate.basic_constraints().expect("readable").expect("constraints");
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = certificate.key_usage().expect("readable").expect("usage");
    assert!(usage.critical && usage.value.key_cert_sign() && usage.value.crl_sign());
    assert!(
        certificate
            .iter_extensions()
            .any(|e| matches!(e.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_)))
    );
    certificate.verify_signature(None).expect("signed by itself");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    let host: String = host.trim().chars().take(30).collect();
    assert!(
        authority.name().starts_with("Understudy CA, ") && authority.name().contains(&host),
        "{}",
        authority.name()
    );
    let years = authority.not_after().duration_since(SystemTime::now()).expect("later").as_secs()
        / (365 * DAY.as_secs());
    assert_eq!(years, 10);
}

#[test]
fn leaf_has_the_extensions_that_verifiers_require() {
    let folder = private_folder();
    let authority = Authority::open_or_create(folder.path()).expect("an authority");
    let minter = Minter::new(authority.clone(), 3650 * DAY).expect("a minter");
    let now = SystemTime::now();
    let mint = |name: &str| minter.mint(&[ServerName::parse(name).expect(name)], now).expect(name);
    let long = ["a".repeat(60), "b".repeat(60), "test".to_owned()].join(".");
    let mut serials = Vec::new();
    for name in ["api.test", "10.0.0.1", "::1", "xn--bcher-kva.example", "a_b.test", long.as_str()] {
        let leaf = mint(name);
        let der = der(&leaf);
        let (_, certificate) = X509Certificate::from_der(&der).expect("a certificate");
        let (_, issuer) = X509Certificate::from_der(authority.der()).expect("a certificate");
        certificate.verify_signature(Some(issuer.public_key())).expect("signed by the authority");
        let names = certificate.subject_alternative_name().expect("readable").expect("names").value;
        let told: Vec<_> = names
            .general_names
            .iter()
            .map(|name| match name {
                GeneralName::DNSName(name) => (*name).to_owned(),
                GeneralName::IPAddress([a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
                GeneralName::IPAddress(bytes) => {
                    std::net::Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).expect("16")).to_string()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(told, [name]);
        let common = certificate.subject().iter_common_name().next().and_then(|c| c.as_str().ok());
        assert_eq!(common, (name.len() <= 64).then_some(name));
        assert!(certificate.extended_key_usage().expect("readable").expect("usage").value.server_auth);
        assert!(!certificate.is_ca());
        let keys = certificate
            .iter_extensions()
            .filter(|e| matches!(e.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_)));
        assert_eq!(keys.count(), 1);
        let validity = certificate.validity();
        let length = validity.not_after.timestamp() - validity.not_before.timestamp();
        assert!(length <= 398 * i64::try_from(DAY.as_secs()).expect("small"), "{length}");
        assert!(validity.is_valid());
        let serial = certificate.raw_serial().to_vec();
        assert!(serial.len() <= 20 && serial[0] & 0x80 == 0 && serial[0] != 0, "{serial:?}");
        serials.push(serial);
    }
    serials.sort();
    serials.dedup();
    assert_eq!(serials.len(), 6, "no two are the same");
}

fn der(leaf: &Leaf) -> Vec<u8> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(leaf.chain.as_bytes()).expect("PEM");
    pem.contents
}

#[test]
fn rotated_authority_is_new_and_an_opened_one_stays() {
    let folder = private_folder();
    let old = Authority::open_or_create(folder.path()).expect("made");
    fs::write(folder.path().join(".authority-killed"), "half").expect("a file");
    let new = Authority::rotate(folder.path()).expect("rotated");
    assert_ne!(old.fingerprint(), new.fingerprint());
    assert_eq!(Authority::open_or_create(folder.path()).expect("opened").pem(), new.pem());
    assert_eq!(fs::read_to_string(new.path()).expect("the certificate"), new.pem());
    assert_eq!(names(folder.path()), ["authority.lock", "authority.pem", "ca.pem"], "nothing half-written");
    let minter = Minter::new(old, DAY).expect("a minter");
    minter
        .mint(&[ServerName::parse("api.test").expect("a name")], SystemTime::now())
        .expect("the old one mints");
}

#[test]
fn public_copy_missing_or_changed_is_restored() {
    let folder = private_folder();
    let authority = Authority::open_or_create(folder.path()).expect("made");
    for damage in [None, Some("another")] {
        match damage {
            None => fs::remove_file(authority.path()).expect("removed"),
            Some(text) => fs::write(authority.path(), text).expect("written"),
        }
        Authority::open_or_create(folder.path()).expect("opened");
        assert_eq!(fs::read_to_string(authority.path()).expect("the certificate"), authority.pem());
    }
}

#[test]
fn unusable_authority_is_refused_with_a_reason() {
    #[track_caller]
    fn check(code: &str, expect: &str, damage: impl FnOnce(&Path, &str)) {
        let folder = private_folder();
        Authority::open_or_create(folder.path()).expect("made");
        let path = folder.path().join("authority.pem");
        let text = fs::read_to_string(&path).expect("the file");
        damage(&path, &text);
        let error = Authority::open_or_create(folder.path()).expect_err(expect);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
        if code == "damaged" {
            Authority::rotate(folder.path()).expect("what it says helps");
            Authority::open_or_create(folder.path()).expect("again");
        }
    }
    let write = |path: &Path, text: &str| fs::write(path, text).expect("written");
    let begin = "-----BEGIN CERTIFICATE-----";
    check("damaged", "no certificate", |path, text| write(path, text.split(begin).next().expect("the key")));
    check("damaged", "no private key", |path, text| write(path, &text[text.find(begin).expect("one")..]));
    check("damaged", "no certificate", |path, _| write(path, ""));
    check("damaged", "`understudy ca rotate`", |path, text| write(path, &text[..text.len() / 2]));
    check("damaged", "isn't that of its certificate", |path, text| {
        let other = private_folder();
        let other = Authority::open_or_create(other.path()).expect("made");
        write(path, &(text.split(begin).next().expect("the key").to_owned() + other.pem()));
    });
    check("not_private", "chmod 600", |path, _| set_mode(path, 0o640));
    check("not_private", "chmod 600", |path, _| set_mode(path, 0o604));
    check("not_private", "chmod 700", |path, _| set_mode(path.parent().expect("a folder"), 0o770));
    check("io", "authority.pem", |path, _| {
        fs::remove_file(path).expect("removed");
        fs::create_dir(path).expect("a folder");
        set_mode(path, 0o700);
    });
}

#[test]
fn authority_in_a_read_only_folder_is_opened() {
    let folder = private_folder();
    Authority::open_or_create(folder.path()).expect("made");
    fs::remove_file(folder.path().join("authority.lock")).expect("removed");
    set_mode(folder.path(), 0o500);
    Authority::open_or_create(folder.path()).expect("opened");
    assert_eq!(names(folder.path()), ["authority.pem", "ca.pem"], "nothing was written");
    set_mode(folder.path(), 0o700);
}

#[test]
fn authority_opened_by_many_at_once_is_created_once() {
    let parent = private_folder();
    let folder = parent.path().join("config");
    let authorities: Vec<_> = std::thread::scope(|scope| {
        let open = || Authority::open_or_create(&folder).expect("an authority").fingerprint();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(authorities.iter().all(|fingerprint| *fingerprint == authorities[0]));
}
