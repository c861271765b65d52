//! The service behind a real Envoy: handshakes by a client that verifies certificates.

mod common;

use common::{HANDSHAKE_MAX, Rig, private_folder};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use understudy_ca::{Authority, Sds, SdsOptions};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The time limit for the first handshake of a name, including the issue of its certificate.
const FIRST_MAX: Duration = Duration::from_millis(20);
/// TLS record types: RFC 8446, 5.1.
const ALERT: Option<u8> = Some(21);
const HANDSHAKE: Option<u8> = Some(22);

fn alpn(tls: &TlsStream<TcpStream>) -> &[u8] {
    tls.get_ref().1.alpn_protocol().unwrap_or_default()
}

fn serial(tls: &TlsStream<TcpStream>) -> String {
    let chain = tls.get_ref().1.peer_certificates().expect("a chain");
    X509Certificate::from_der(&chain[0]).expect("a certificate").1.raw_serial_as_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn name_requested_twice_gets_one_certificate() {
    let rig = Rig::start(SdsOptions::default()).await;
    let mut serials = Vec::new();
    for (name, minted) in [("api.test", 1), ("api.test", 1), ("API.test", 1), ("b.test", 2), ("api.test", 2)]
    {
        let tls = rig.connect(name).await.0.expect(name);
        assert_eq!(alpn(&tls), b"h2");
        assert_eq!(rig.sds.counts().minted, minted, "{name}");
        serials.push(serial(&tls));
    }
    assert_eq!(serials[0], serials[4]);
    assert_ne!(serials[0], serials[3]);
    let long = format!("{}.test", ["a".repeat(60), "b".repeat(60)].join("."));
    for name in [long.as_str(), "xn--bcher-kva.example", "under_score.test", "localhost"] {
        rig.connect(name).await.0.expect(name);
    }
    assert_eq!((rig.sds.counts().refused, rig.sds.counts().rejected), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_over_tls_is_answered() {
    let rig = Rig::start(SdsOptions::default()).await;
    let mut client = common::client(&rig.authority);
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut tls = rig.connect_with(&client.into(), "api.test").await.0.expect("a handshake");
    tls.write_all(b"GET / HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.ends_with("intercepted"), "{answer}");
}

/// A client that calls an address names no server.
#[tokio::test(flavor = "multi_thread")]
async fn known_address_has_a_certificate() {
    let mut options = SdsOptions::default();
    options.addresses.push([10, 1, 2, 3].into());
    let rig = Rig::start(options.clone()).await;
    for address in ["127.0.0.1", "::1", "10.1.2.3"] {
        rig.connect(address).await.0.expect(address);
    }
    assert_eq!(rig.sds.counts().minted, 1);
    rig.connect("10.1.2.4").await.0.expect_err("not one of them");
    options.addresses.clear();
    let rig = Rig::start(options).await;
    let (tls, took) = rig.connect("127.0.0.1").await;
    tls.expect_err("nobody is named");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_name_fails_at_once() {
    let rig = Rig::start(SdsOptions::default()).await;
    let hostile: [&[u8]; 6] =
        [b"b ad.test", b"*.test", b"a..test", b"a\0b.test", b"../../etc/passwd", &[b'a'; 64]];
    for name in hostile {
        // Twice, because Envoy must not remember the name as pending.
        for _ in 0..2 {
            let (record, took) = rig.say_hello(name).await;
            assert_ne!(record, HANDSHAKE, "{name:?}");
            assert!(took < Duration::from_secs(1), "{name:?}: {took:?}");
        }
    }
    assert_eq!(rig.say_hello(b"b ad.test").await.0, ALERT);
    // No message can carry such a name: the listener's time limit ends the handshake.
    let (record, took) = rig.say_hello(b"\xff\xfe.test").await;
    assert_ne!(record, HANDSHAKE);
    assert!(took < HANDSHAKE_MAX + Duration::from_secs(2), "{took:?}");
    assert_eq!(rig.say_hello(b"good.test").await.0, HANDSHAKE);
    let counts = rig.sds.counts();
    assert_eq!(counts.minted, 1);
    assert!(counts.refused > 10, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn first_handshake_for_a_name_is_fast() {
    let rig = Rig::start(SdsOptions::default()).await;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for number in 0..21 {
        for times in [&mut first, &mut second] {
            let (tls, took) = rig.connect(&format!("n{number}.test")).await;
            tls.expect("a handshake");
            times.push(took);
        }
    }
    first.sort();
    second.sort();
    let counts = rig.sds.counts();
    println!("first handshake for a name: median {:?}, worst {:?}", first[10], first[20]);
    println!("later ones: median {:?}; minting: {:?} each", second[10], counts.minting / 21);
    assert_eq!(counts.minted, 21);
    // The median, because the machine may be busy at times.
    assert!(first[10] <= FIRST_MAX, "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_names_at_once_get_their_certificates() {
    let rig = std::sync::Arc::new(Rig::start(SdsOptions::default()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let rig = std::sync::Arc::clone(&rig);
        tasks.spawn(async move {
            let (tls, took) = rig.connect(&format!("n{}.test", number % 50)).await;
            tls.map(|_| took)
        });
    }
    let mut worst = Duration::ZERO;
    while let Some(done) = tasks.join_next().await {
        worst = worst.max(done.expect("no panic").expect("a handshake"));
    }
    println!("50 names at once, twice each: the slowest handshake took {worst:?}");
    assert_eq!(rig.sds.counts().minted, 50);
}

/// Envoy resets the stream of each refused name. The service must not mistake that for an attack.
#[tokio::test(flavor = "multi_thread")]
async fn many_refused_names_at_once_leave_others_served() {
    let rig = std::sync::Arc::new(Rig::start(SdsOptions::default()).await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..300 {
        let rig = std::sync::Arc::clone(&rig);
        tasks.spawn(async move { rig.say_hello(format!("b ad{number}.test").as_bytes()).await.0 });
    }
    assert!(tasks.join_all().await.into_iter().all(|record| record == ALERT));
    assert_eq!(rig.sds.counts().refused, 300);
    rig.connect("good.test").await.0.expect("a handshake");
}

/// Each name keeps a stream, and Envoy's default limit is 1,024 per cluster.
#[tokio::test(flavor = "multi_thread")]
async fn names_above_envoys_default_limit_are_served() {
    let rig = Rig::start(SdsOptions::default()).await;
    for number in 0..1100 {
        rig.connect(&format!("n{number}.test")).await.0.expect("a handshake");
    }
    assert_eq!(rig.sds.counts().minted, 1100);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_is_renewed_before_it_expires() {
    let mut options = SdsOptions::default();
    options.lifetime = Duration::from_secs(6);
    let rig = Rig::start(options).await;
    let began = SystemTime::now();
    let first = serial(&rig.connect("api.test").await.0.expect("a handshake"));
    // Without any request, Envoy receives the next certificate automatically.
    while rig.sds.counts().minted < 2 {
        assert!(began.elapsed().expect("a clock") < Duration::from_secs(30), "never replaced");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let taken = began.elapsed().expect("a clock");
    assert!((Duration::from_secs(3)..Duration::from_secs(6)).contains(&taken), "{taken:?}");
    while serial(&rig.connect("api.test").await.0.expect("a handshake")) == first {
        assert!(began.elapsed().expect("a clock") < Duration::from_secs(30), "never taken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn socket_is_private_to_the_user() {
    let folder = private_folder();
    let authority = Authority::open_or_create(&folder.path().join("config")).expect("an authority");
    let socket = folder.path().join("sds");
    let sds = Sds::serve(authority.clone(), &socket).await.expect("a service");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(Sds::serve(authority.clone(), &socket).await.expect_err("taken").code(), "io");
    sds.shutdown().await;
    assert!(!socket.exists());
    // The socket of a killed process is replaced.
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    Sds::serve(authority.clone(), &socket).await.expect("a service").shutdown().await;
    let open = folder.path().join("open");
    std::fs::create_dir(&open).expect("a folder");
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o750)).expect("a mode");
    let error = Sds::serve(authority, open.join("sds")).await.expect_err("others can enter");
    assert_eq!(error.code(), "not_private");
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificate_in_envoy_outlives_the_service() {
    let Rig { sds, .. } = &Rig::start(SdsOptions::default()).await;
    assert_eq!(sds.counts().minted, 0);
    let mut rig = Rig::start(SdsOptions::default()).await;
    rig.connect("api.test").await.0.expect("a handshake");
    let other = private_folder();
    let sds = Sds::serve(rig.authority.clone(), other.path().join("sds")).await.expect("a service");
    let counts = std::mem::replace(&mut rig.sds, sds).shutdown().await;
    assert_eq!(counts.minted, 1);
    rig.connect("api.test").await.0.expect("a handshake without the service");
}
