//! `understudy ui` as a service: started, asked, refused, ended. What its pages do is tested in
//! `tests/browser` and `crates/ui`.

use crate::scene::{Scene, until};
use rustix::process::Signal;
use std::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The URL that it prints.
async fn url(scene: &Scene) -> String {
    let url = || {
        let log = scene.read("log");
        let (_, after) = log.split_once("open ")?;
        after.split_once(" in a browser").map(|(url, _)| url.to_owned())
    };
    until("no address", url).await
}

async fn get(port: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test]
async fn pages_are_served_until_a_signal() {
    let scene = Scene::new().await;
    scene.recorded().await;
    for (signal, args) in [(Signal::INT, vec!["ui", "s"]), (Signal::TERM, vec!["ui", "."])] {
        let log = File::create(scene.path("log")).expect("a file");
        let running = scene.understudy(args).stderr(log).start();
        let url = url(&scene).await;
        let port = url.trim_end_matches('/').rsplit(':').next().expect("a port").to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        assert!(get(&port, "/s/s", "localhost").await.contains("api.test"));
        assert!(get(&port, "/s/s", "evil.test").await.starts_with("HTTP/1.1 403"));
        // A connection that is kept open doesn't hold it up.
        let _idle = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("it listens");
        running.signal(signal);
        running.end().await.expect(0);
    }
    scene.all_gone().await;
}

#[tokio::test]
async fn other_machines_need_the_printed_token() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let log = File::create(scene.path("log")).expect("a file");
    let running = scene.understudy(["ui", "s", "--listen", "0.0.0.0:0"]).stderr(log).start();
    let url = url(&scene).await;
    let (before, token) = url.split_once("/?token=").expect("a token");
    let port = before.rsplit(':').next().expect("a port").to_owned();
    assert!(get(&port, "/s/s", "build.test").await.starts_with("HTTP/1.1 403"));
    let welcome = get(&port, &format!("/?token={token}"), "build.test").await;
    assert!(welcome.starts_with("HTTP/1.1 303") && welcome.contains("HttpOnly"), "{welcome}");
    assert!(scene.read("log").contains("other machines can connect"));
    running.signal(Signal::INT);
    running.end().await.expect(0);
}

#[tokio::test]
async fn path_that_cannot_be_shown_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let taken = scene.upstream.address().to_string();
    scene.file("text", "not a folder");
    for (args, expect) in [
        (&[][..], "there is no folder snapshots here"),
        (&["nowhere"], "there is no snapshot at nowhere"),
        (&["text"], "it is a file"),
        (&["--store", "nowhere"], "nowhere"),
        (&["--store", "s"], "s"),
        (&["--store", "gs://bucket"], "this kind of store is unknown here"),
        (&["s", "--listen", &taken], "choose another address or port"),
        (&["s", "--listen", "nonsense"], "cannot listen on nonsense"),
        (&["s", "--store", "s.capture"], "cannot be used with"),
    ] {
        scene.understudy([&["ui"], args].concat()).run().await.expect(2).says(&[expect]);
    }
}
