//! S3 for one test: moto's server, and a gate before it that can refuse, hold, or lose the answers.

use crate::call::{Call, Running};
use crate::scene::{Scene, root, until};
use rustix::process::Signal;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The gate's treatment of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Lets it through.
    Open,
    /// Answers 503 in S3's place.
    Refuse,
    /// Takes requests and keeps them.
    Hold,
    /// Lets requests through, and no answer back.
    Lose,
}

/// S3 with the bucket `captures`.
pub(crate) struct Bucket {
    moto: Running,
    gate: watch::Sender<Gate>,
    address: SocketAddr,
    upstream: SocketAddr,
}

impl Bucket {
    /// Starts it; it answers.
    pub(crate) async fn start(scene: &Scene) -> Self {
        let program = root().join(".venv/bin/moto_server");
        assert!(program.exists(), "there is no moto: run `sh scripts/setup-sdk.sh` first");
        let log = scene.file("moto.log", "");
        let file = || std::fs::OpenOptions::new().append(true).open(&log).expect("a log");
        let call = scene.program(&program.to_string_lossy(), ["-H", "127.0.0.1", "-p", "0"]);
        let moto = call.stdout(file()).stderr(file()).start();
        let port = until("moto doesn't listen", || {
            let said = std::fs::read_to_string(&log).ok()?;
            let (_, rest) = said.split_once("Running on http://127.0.0.1:")?;
            rest.split_once(char::is_whitespace)?.0.parse::<u16>().ok()
        });
        let upstream = SocketAddr::from(([127, 0, 0, 1], port.await));
        let (status, _) = http(upstream, "PUT", "/captures", b"").await.expect("moto answers");
        assert_eq!(status, 200, "the bucket is made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (gate, state) = watch::channel(Gate::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream, state.clone()));
            }
        });
        Self { moto, gate, address, upstream }
    }

    /// Address of moto itself, behind the gate.
    pub(crate) fn moto(&self) -> SocketAddr {
        self.upstream
    }

    /// Sets the gate from now on, and cuts the connections in progress.
    pub(crate) fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }

    /// Sets the bucket's address and our credentials.
    pub(crate) fn tell(&self, call: Call) -> Call {
        call.env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.moto.signal(Signal::KILL);
        self.moto.end().await;
    }
}

/// One connection through the gate.
async fn pass(mut client: TcpStream, upstream: SocketAddr, mut state: watch::Receiver<Gate>) {
    let gate = *state.borrow_and_update();
    match gate {
        Gate::Hold => {
            // A later state applies to other connections, except for held requests.
            if state.changed().await.is_ok() {
                Box::pin(pass(client, upstream, state)).await;
            }
        }
        Gate::Refuse => {
            let mut head = [0; 4096];
            let _ = client.read(&mut head).await;
            let answer = "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = client.write_all(answer.as_bytes()).await;
        }
        Gate::Open | Gate::Lose => {
            let Ok(mut server) = TcpStream::connect(upstream).await else { return };
            if gate == Gate::Open {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = state.changed() => {}
                }
                return;
            }
            let (mut answers, mut requests) = server.split();
            let (mut from, _) = client.split();
            let mut first = [0; 1];
            tokio::select! {
                _ = copy(&mut from, &mut requests) => {}
                // The beginning of the answer says that it is done.
                _ = answers.read(&mut first) => {}
            }
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut requests).await;
            let _ = copy(&mut answers, &mut sink()).await;
        }
    }
}

/// A request on a connection of its own: the status and the body of its answer, if there is one.
pub(crate) async fn http(
    to: SocketAddr,
    method: &str,
    path: &str,
    body: &[u8],
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(to).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    let cut = || std::io::Error::other("no answer");
    Ok((status.ok_or_else(cut)?, body.ok_or_else(cut)?))
}
