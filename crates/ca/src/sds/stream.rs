//! One `DeltaSecrets` stream: Envoy subscribes to names and gets a certificate for each, and a new
//! one before it expires, as long as the stream is open.
//!
//! The stream uses the incremental protocol. In the older one a server can't report that a resource
//! doesn't exist, so Envoy would keep the client of a refused name waiting.

use super::cache::{LeafCache, NOBODY, NumberedLeaf};
use super::proto::{
    Any, DataSource, DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource, SECRET, Secret, TlsCertificate,
};
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::Sender;
use tonic::{Status, Streaming};

/// The maximum time between two looks at the clock, which jumps when a machine has slept.
const ASK_CLOCK: Duration = Duration::from_secs(60 * 60);
/// The maximum number of names on a stream. Envoy's streams have one name each.
const NAMES_MAX: usize = 256;
/// The maximum number of characters of untrusted text in a message.
const SHOWN_MAX: usize = 500;

pub(crate) type SdsMessage = Result<DeltaDiscoveryResponse, Status>;

/// The state of a stream.
struct SecretStream {
    cache: Arc<LeafCache>,
    messages: Sender<SdsMessage>,
    /// The time at which the certificate of each name is renewed.
    names: BTreeMap<String, SystemTime>,
    nonce: u64,
    /// The stream's number in `Addresses`.
    number: u64,
    /// The nonce of the last response with the certificate for addresses, and its generation.
    addresses: Option<(String, u64)>,
}

impl Drop for SecretStream {
    fn drop(&mut self) {
        self.cache.addresses().release(self.number);
    }
}

/// Serves a stream to its end.
pub(crate) async fn serve(
    mut requests: Streaming<DeltaDiscoveryRequest>,
    messages: Sender<SdsMessage>,
    cache: Arc<LeafCache>,
) {
    let number = cache.addresses().new_stream();
    let mut changes = cache.addresses().changes();
    let mut stream =
        SecretStream { cache, messages, names: BTreeMap::new(), nonce: 0, number, addresses: None };
    loop {
        let result = tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => stream.receive(request).await,
                Ok(None) | Err(_) => return,
            },
            () = wait(stream.names.values().min().copied()) => stream.renew().await,
            Ok(()) = changes.changed(), if stream.addresses.is_some() => stream.renew_addresses().await,
        };
        if let Err(status) = result {
            log::warn!("{}", status.message());
            let _ = stream.messages.send(Err(status)).await;
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

impl SecretStream {
    async fn receive(&mut self, request: DeltaDiscoveryRequest) -> Result<(), Status> {
        // Later requests of a stream may leave out the type.
        if request.type_url != SECRET && !(request.type_url.is_empty() && self.nonce > 0) {
            let type_url = shortened(&request.type_url);
            return Err(Status::invalid_argument(format!("only secrets are served here, not {type_url:?}")));
        }
        if let Some(error) = request.error_detail {
            self.cache.reject();
            let names: Vec<_> = self.names.keys().collect();
            log::warn!("Envoy has refused the certificate for {names:?}: {}", shortened(&error.message));
        }
        if let Some((nonce, generation)) = &self.addresses
            && *nonce == request.response_nonce
        {
            self.cache.addresses().accept(self.number, *generation);
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
        // A request without names is an acknowledgement, which needs no response.
        self.send(request.resource_names_subscribe).await
    }

    async fn renew(&mut self) -> Result<(), Status> {
        let now = SystemTime::now();
        let due = self.names.iter().filter(|(_, time)| **time <= now).map(|(name, _)| name.clone()).collect();
        self.send(due).await
    }

    /// Sends a new certificate for addresses if another address was called.
    async fn renew_addresses(&mut self) -> Result<(), Status> {
        let generation = self.cache.addresses().generation();
        if self.addresses.as_ref().is_some_and(|(_, sent)| *sent < generation) {
            self.send(vec![NOBODY.to_owned()]).await?;
        }
        Ok(())
    }

    async fn send(&mut self, names: Vec<String>) -> Result<(), Status> {
        if names.is_empty() {
            return Ok(());
        }
        let mut resources = Vec::new();
        let mut removed_resources = Vec::new();
        self.nonce += 1;
        for name in names {
            if name == NOBODY {
                // Taken before the certificate is issued, because another address may be added
                // meanwhile.
                self.addresses = Some((self.nonce.to_string(), self.cache.addresses().generation()));
                self.cache.addresses().attach(self.number);
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
        let response = DeltaDiscoveryResponse {
            resources,
            type_url: SECRET.to_owned(),
            nonce: self.nonce.to_string(),
            removed_resources,
        };
        // If the receiver is gone, the next request of the stream fails.
        let _ = self.messages.send(Ok(response)).await;
        Ok(())
    }
}

/// The secret for a name. The name is as requested, not in its normal form, because Envoy compares
/// it.
fn resource(name: &str, numbered: &NumberedLeaf) -> Resource {
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
    text.chars().take(SHOWN_MAX).collect()
}
