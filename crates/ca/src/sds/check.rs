//! `Check` of Envoy's external authorization: called when an app opens a tunnel to an address. The
//! response always allows it, but is sent only when Envoy has a certificate for that address.

use super::cache::LeafCache;
use super::proto::{CheckRequest, CheckResponse, RpcStatus};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use tonic::server::UnaryService;
use tonic::{Request, Response, Status};

pub(crate) struct Check(pub(crate) Arc<LeafCache>);

impl UnaryService<CheckRequest> for Check {
    type Response = CheckResponse;
    type Future = Pin<Box<dyn Future<Output = Result<Response<CheckResponse>, Status>> + Send>>;

    fn call(&mut self, request: Request<CheckRequest>) -> Self::Future {
        let cache = Arc::clone(&self.0);
        Box::pin(async move {
            let host = request.into_inner().host();
            if let Some(address) = address(&host)
                && !cache.addresses().call(address).await
            {
                log::warn!("Envoy hasn't accepted the certificate for {address} in time");
            }
            Ok(Response::new(CheckResponse { status: Some(RpcStatus::default()) }))
        })
    }
}

/// The address in an authority: `10.1.2.3:443`, `[::1]:443`, with or without the port.
fn address(authority: &str) -> Option<IpAddr> {
    let with_port = || authority.parse().map(|address: SocketAddr| address.ip());
    authority.trim_matches(['[', ']']).parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_an_authority_is_parsed() {
        #[track_caller]
        fn check(authority: &str, expect: Option<&str>) {
            assert_eq!(
                address(authority).map(|address| address.to_string()).as_deref(),
                expect,
                "{authority}"
            );
        }
        check("10.1.2.3", Some("10.1.2.3"));
        check("10.1.2.3:8443", Some("10.1.2.3"));
        check("[2001:db8::1]:8443", Some("2001:db8::1"));
        check("[::1]", Some("::1"));
        check("api.test:443", None);
        check("10.1.2.3:99999", None);
        check("10.1.2", None);
        check("", None);
    }
}
