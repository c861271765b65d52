//! S3 as a process: moto's server, with the bucket `captures`.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use understudy_collector::object_store::ObjectStore;
use understudy_collector::object_store::aws::AmazonS3Builder;
use understudy_collector::object_store::prefix::PrefixStore;

/// A running one; ends with this.
pub(crate) struct Moto {
    process: Child,
    log: PathBuf,
    /// Address on which moto listens.
    pub(crate) address: SocketAddr,
}

impl Moto {
    /// Starts it, with its log in `folder`; it answers.
    pub(crate) fn start(folder: &Path) -> Moto {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/moto_server");
        assert!(program.exists(), "there is no moto: run `sh scripts/setup-sdk.sh` first");
        let log = folder.join("moto.log");
        let file = File::create(&log).expect("a log");
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdin(Stdio::null());
        command.stdout(file.try_clone().expect("a file")).stderr(file);
        let process = command.spawn().expect("moto starts");
        let start = Instant::now();
        let port = loop {
            let said = std::fs::read_to_string(&log).expect("its log");
            let port = said.split_once("Running on http://127.0.0.1:").and_then(|(_, rest)| {
                rest.split_once(char::is_whitespace).and_then(|(port, _)| port.parse::<u16>().ok())
            });
            if let Some(port) = port {
                break port;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "moto doesn't listen: {said}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let moto = Moto { process, log, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let mut stream = TcpStream::connect(moto.address).expect("moto answers");
        let request =
            b"PUT /captures HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(request).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "the bucket is made: {answer}");
        moto
    }

    /// The bucket, below a prefix.
    pub(crate) fn objects(&self) -> Arc<dyn ObjectStore> {
        bucket(self.address)
    }

    /// Number of requests with a method that moto has answered.
    pub(crate) fn requests(&self, method: &str) -> u64 {
        let said = std::fs::read_to_string(&self.log).expect("its log");
        said.matches(&format!("\"{method} /captures")).count() as u64
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The bucket of a moto that listens there.
pub(crate) fn bucket(address: SocketAddr) -> Arc<dyn ObjectStore> {
    // An error means that another test installed the provider first, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = AmazonS3Builder::new().with_bucket_name("captures").with_region("eu-central-1");
    let builder = builder.with_endpoint(format!("http://{address}")).with_allow_http(true);
    let builder = builder.with_access_key_id("test").with_secret_access_key("test");
    Arc::new(PrefixStore::new(builder.build().expect("a bucket"), "team/payment"))
}
