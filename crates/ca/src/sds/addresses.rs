//! The addresses in the certificate for clients that name no server (RFC 6066, 3: an address isn't
//! a server name). Envoy requests that certificate without the called address, so it carries all
//! addresses: those known from the start, and those to which a tunnel was requested (`check.rs`).
//! Each new address needs a new certificate, which Envoy must have before the tunnel is opened.

use crate::name::ServerName;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The maximum number of called addresses. Above it, the oldest is forgotten, and added again when
/// it is called again.
const CALLED_MAX: usize = 256;
/// The maximum time that a tunnel waits for Envoy to accept a certificate, which usually takes a
/// few milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) struct Addresses {
    known: Vec<IpAddr>,
    state: Mutex<AddressState>,
    /// Signals a new generation, or that a stream has accepted or released one.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct AddressState {
    called: VecDeque<IpAddr>,
    /// Counts the changes of the addresses.
    generation: u64,
    /// The streams that carry the certificate, each with the generation that Envoy has accepted.
    accepted: HashMap<u64, u64>,
    streams: u64,
}

impl Addresses {
    pub(crate) fn new(known: &[IpAddr]) -> Self {
        let state = AddressState { generation: 1, ..AddressState::default() };
        Self { known: known.to_vec(), state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    /// All addresses, as server names.
    pub(crate) fn names(&self) -> Vec<ServerName> {
        let state = self.lock();
        self.known.iter().chain(&state.called).copied().map(ServerName::Ip).collect()
    }

    /// The generation of [`Addresses::names`], or an older one.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Adds a called address, and waits until Envoy has accepted a certificate for it. Returns
    /// `false` after a time-out.
    pub(crate) async fn call(&self, address: IpAddr) -> bool {
        let mut changed = self.changed.subscribe();
        if self.add(address) {
            self.changed.send_replace(());
        }
        let wanted = self.generation();
        let accepted = async {
            while self.lock().accepted.values().any(|generation| *generation < wanted) {
                // The sender lives as long as `self`.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(PATIENCE, accepted).await.is_ok()
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

    /// A number for a new stream.
    pub(crate) fn new_stream(&self) -> u64 {
        let mut state = self.lock();
        state.streams += 1;
        state.streams
    }

    /// Signals that there may be a new generation.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Makes [`Addresses::call`] wait for this stream from now on.
    pub(crate) fn attach(&self, stream: u64) {
        self.lock().accepted.entry(stream).or_insert(0);
    }

    /// Records that Envoy has accepted this generation from the stream. A refusal counts too,
    /// because waiting doesn't change it.
    pub(crate) fn accept(&self, stream: u64, generation: u64) {
        if let Some(accepted) = self.lock().accepted.get_mut(&stream) {
            *accepted = generation;
        }
        self.changed.send_replace(());
    }

    /// Stops waiting for this stream.
    pub(crate) fn release(&self, stream: u64) {
        self.lock().accepted.remove(&stream);
        self.changed.send_replace(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, AddressState> {
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
    async fn call_waits_until_the_certificate_is_accepted() {
        let addresses = Addresses::new(&[address(1)]);
        assert!(addresses.call(address(2)).await, "no stream carries it");
        let stream = addresses.new_stream();
        addresses.attach(stream);
        assert!(!addresses.call(address(3)).await, "it isn't accepted");
        addresses.accept(stream, addresses.generation());
        for known in 1..=3 {
            assert!(addresses.call(address(known)).await, "{known}");
        }
        let (called, ()) = tokio::join!(addresses.call(address(4)), async {
            addresses.accept(stream, addresses.generation());
        });
        assert!(called);
        let (called, ()) = tokio::join!(addresses.call(address(5)), async { addresses.release(stream) });
        assert!(called, "a released stream isn't waited for");
    }

    #[tokio::test]
    async fn called_addresses_above_the_maximum_are_forgotten() {
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
