//! Whom the certificate is for that a client gets who names no server (RFC 6066, 3: an address isn't a server name). Envoy asks for it
//! without saying which address was called, so it is for all of them: those that are known from the start, and those to which a tunnel was
//! asked for (`check.rs`). Each new one makes a new certificate, which Envoy has to have before the tunnel is opened.

use crate::name::ServerName;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// So many addresses that were called at most. Beyond, the first one is forgotten: it is added again when it is called again.
const CALLED_MAX: usize = 256;
/// Envoy takes a certificate in a few milliseconds. A tunnel isn't kept waiting by one that doesn't.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Addresses {
    known: Vec<IpAddr>,
    state: Mutex<State>,
    /// Says that there is another generation, or that another stream has one.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    called: VecDeque<IpAddr>,
    /// Each new address makes another.
    generation: u64,
    /// The streams that hold the certificate, each with the generation that Envoy has taken from it.
    holders: HashMap<u64, u64>,
    streams: u64,
}

impl Addresses {
    pub(crate) fn new(known: &[IpAddr]) -> Self {
        let (mut state, changed) = (State::default(), watch::Sender::new(()));
        state.generation = 1;
        Self { known: known.to_vec(), state: Mutex::new(state), changed }
    }

    /// All of them.
    pub(crate) fn names(&self) -> Vec<ServerName> {
        let state = self.lock();
        self.known.iter().chain(&state.called).copied().map(ServerName::Ip).collect()
    }

    /// Which generation [`Addresses::names`] is of, or an older one.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Adds an address that is called, and waits until Envoy has a certificate for it. `false`: it waited in vain.
    pub(crate) async fn call(&self, address: IpAddr) -> bool {
        let mut changed = self.changed.subscribe();
        if self.add(address) {
            self.changed.send_replace(());
        }
        let wanted = self.generation();
        let taken = async {
            while self.lock().holders.values().any(|taken| *taken < wanted) {
                // The sender lives as long as this does.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, taken).await.is_ok()
    }

    fn add(&self, address: IpAddr) -> bool {
        let mut state = self.lock();
        if self.known.contains(&address) || state.called.contains(&address) {
            return false;
        }
        if state.called.len() >= CALLED_MAX {
            state.called.pop_front();
        }
        state.called.push_back(address);
        state.generation += 1;
        true
    }

    /// A stream that may come to hold the certificate.
    pub(crate) fn stream(&self) -> u64 {
        let mut state = self.lock();
        state.streams += 1;
        state.streams
    }

    /// Tells when there may be another generation.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// From now on this stream's certificate is waited for.
    pub(crate) fn hold(&self, stream: u64) {
        self.lock().holders.entry(stream).or_insert(0);
    }

    /// Envoy has taken this generation from the stream, or has refused it, which waiting doesn't mend.
    pub(crate) fn taken(&self, stream: u64, generation: u64) {
        if let Some(taken) = self.lock().holders.get_mut(&stream) {
            *taken = generation;
        }
        self.changed.send_replace(());
    }

    /// The stream holds it no longer.
    pub(crate) fn release(&self, stream: u64) {
        self.lock().holders.remove(&stream);
        self.changed.send_replace(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u32) -> IpAddr {
        IpAddr::from(last.to_be_bytes())
    }

    #[tokio::test]
    async fn a_call_waits_until_the_certificate_is_taken() {
        let addresses = Addresses::new(&[address(1)]);
        assert!(addresses.call(address(2)).await, "nobody holds it");
        let stream = addresses.stream();
        addresses.hold(stream);
        assert!(!addresses.call(address(3)).await, "it isn't taken");
        addresses.taken(stream, addresses.generation());
        for known in 1..=3 {
            assert!(addresses.call(address(known)).await, "{known}");
        }
        let (called, ()) = tokio::join!(addresses.call(address(4)), async {
            addresses.taken(stream, addresses.generation());
        });
        assert!(called);
        let (called, ()) = tokio::join!(addresses.call(address(5)), async { addresses.release(stream) });
        assert!(called, "who has gone isn't waited for");
    }

    #[tokio::test]
    async fn there_is_an_end_to_them() {
        let addresses = Addresses::new(&[address(0)]);
        for number in 1..1000 {
            addresses.call(address(number)).await;
        }
        let names = addresses.names();
        assert_eq!(names.len(), CALLED_MAX + 1);
        assert!(names.contains(&ServerName::Ip(address(0))) && names.contains(&ServerName::Ip(address(999))));
        assert!(!names.contains(&ServerName::Ip(address(1))));
    }
}
