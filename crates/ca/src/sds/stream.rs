//! One `DeltaSecrets`: Envoy names what it wants, gets it, and gets another before that expires, as long as it keeps the stream open.
//!
//! The incremental protocol and not the older one: in that one a server can't say that something doesn't exist, so that Envoy would keep the
//! client of a refused name waiting.

use super::cache::{Cache, NOBODY, Numbered};
use super::proto::{
    Any, DataSource, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource, SECRET, Secret, TlsCertificate,
};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::Sender;
use tonic::{Status, Streaming};

/// The clock is asked this often at least: a machine that slept has other ideas of when something expires.
const ASK_CLOCK: Duration = Duration::from_secs(60 * 60);
/// Envoy's streams have one name each. Nobody needs so many.
const NAMES_MAX: usize = 256;
/// So much of what comes from outside is told.
const TOLD_MAX: usize = 500;

pub(crate) type Answer = Result<DeltaDiscoveryResponse, Status>;

/// What a stream has asked for and been given.
struct Stream {
    cache: Arc<Cache>,
    answers: Sender<Answer>,
    /// When each name gets a new certificate.
    names: BTreeMap<String, SystemTime>,
    nonce: u64,
    /// What `Addresses` knows it by.
    number: u64,
    /// The last response with the certificate for addresses, and the generation of addresses that it is for.
    addresses: Option<(String, u64)>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.cache.addresses().release(self.number);
    }
}

/// Serves a stream to its end.
pub(crate) async fn serve(
    mut requests: Streaming<DeltaDiscoveryRequest>,
    answers: Sender<Answer>,
    cache: Arc<Cache>,
) {
    let number = cache.addresses().stream();
    let mut changes = cache.addresses().changes();
    let mut stream = Stream { cache, answers, names: BTreeMap::new(), nonce: 0, number, addresses: None };
    loop {
        let going = tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => stream.take(request).await,
                Ok(None) | Err(_) => return,
            },
            () = wait(stream.names.values().min().copied()) => stream.renew().await,
            Ok(()) = changes.changed(), if stream.addresses.is_some() => stream.renew_addresses().await,
        };
        if let Err(status) = going {
            log::warn!("{}", status.message());
            let _ = stream.answers.send(Err(status)).await;
            return;
        }
    }
}

async fn wait(until: Option<SystemTime>) {
    match until {
        Some(until) => {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            tokio::time::sleep(left.min(ASK_CLOCK)).await;
        }
        None => std::future::pending().await,
    }
}

impl Stream {
    async fn take(&mut self, request: DeltaDiscoveryRequest) -> Result<(), Status> {
        // Later requests of a stream may leave it out.
        if request.type_url != SECRET && !(request.type_url.is_empty() && self.nonce > 0) {
            let told = shortened(&request.type_url);
            return Err(Status::invalid_argument(format!("only secrets are served here, not {told:?}")));
        }
        if let Some(error) = request.error_detail {
            self.cache.reject();
            let names: Vec<_> = self.names.keys().collect();
            log::warn!("Envoy has not taken the certificate for {names:?}: {}", shortened(&error.message));
        }
        if let Some((nonce, generation)) = &self.addresses
            && *nonce == request.response_nonce
        {
            self.cache.addresses().taken(self.number, *generation);
        }
        for name in request.resource_names_unsubscribe {
            self.names.remove(&name);
            if name == NOBODY {
                self.cache.addresses().release(self.number);
                self.addresses = None;
            }
        }
        if request.resource_names_subscribe.len() + self.names.len() > NAMES_MAX {
            return Err(Status::invalid_argument("too many names on one stream"));
        }
        // What has no names acknowledges; nothing is to be said to that.
        self.give(request.resource_names_subscribe).await
    }

    async fn renew(&mut self) -> Result<(), Status> {
        let now = SystemTime::now();
        let due = self.names.iter().filter(|(_, time)| **time <= now).map(|(name, _)| name.clone()).collect();
        self.give(due).await
    }

    /// Where another address is called, the certificate for them is another.
    async fn renew_addresses(&mut self) -> Result<(), Status> {
        let generation = self.cache.addresses().generation();
        if self.addresses.as_ref().is_some_and(|(_, given)| *given < generation) {
            self.give(vec![NOBODY.to_owned()]).await?;
        }
        Ok(())
    }

    async fn give(&mut self, names: Vec<String>) -> Result<(), Status> {
        if names.is_empty() {
            return Ok(());
        }
        let (mut resources, mut removed_resources) = (Vec::new(), Vec::new());
        self.nonce += 1;
        for name in names {
            if name == NOBODY {
                // Before the certificate is made: another address may be added meanwhile.
                self.addresses = Some((self.nonce.to_string(), self.cache.addresses().generation()));
                self.cache.addresses().hold(self.number);
            }
            match self.cache.get(&name) {
                Ok(numbered) => {
                    resources.push(resource(&name, &numbered));
                    self.names.insert(name, numbered.renew_at);
                }
                Err(error) => {
                    log::info!("{error}");
                    removed_resources.push(name);
                }
            }
        }
        let (type_url, nonce) = (SECRET.to_owned(), self.nonce.to_string());
        let answer = DeltaDiscoveryResponse { resources, type_url, nonce, removed_resources };
        // Where nobody listens any more, the next message says so.
        let _ = self.answers.send(Ok(answer)).await;
        Ok(())
    }
}

/// The name is as it was asked for, not in its normal form: else Envoy doesn't know it.
fn resource(name: &str, numbered: &Numbered) -> Resource {
    let inline = |text: &String| Some(DataSource { inline_string: Some(text.clone()) });
    let certificate = TlsCertificate {
        certificate_chain: inline(&numbered.leaf.chain),
        private_key: inline(&numbered.leaf.key),
    };
    let secret = Secret { name: name.to_owned(), tls_certificate: Some(certificate) };
    let resource = Any { type_url: SECRET.to_owned(), value: secret.encode_to_vec() };
    Resource { version: numbered.number.to_string(), resource: Some(resource), name: name.to_owned() }
}

fn shortened(text: &str) -> String {
    text.chars().take(TOLD_MAX).collect()
}
