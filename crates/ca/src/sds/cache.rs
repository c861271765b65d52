//! Certificates by server name, made when they are asked for. Bounded: a client can't make it grow for ever.

use super::addresses::Addresses;
use crate::error::Error;
use crate::leaf::{Leaf, Minter};
use crate::name::ServerName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// So many names at most. Beyond, the one that expires first is forgotten: it is minted again when it is asked for again.
const NAMES_MAX: usize = 4096;

/// What the service has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Certificates made, those in the place of older ones included.
    pub minted: u64,
    /// Requests for names that no certificate can be for.
    pub refused: u64,
    /// Certificates that Envoy has not taken.
    pub rejected: u64,
    /// How long making all of them has taken.
    pub minting: Duration,
}

/// A certificate, and which of all it is.
pub(crate) struct Numbered {
    pub(crate) leaf: Leaf,
    pub(crate) number: u64,
    /// When the next one is to be made.
    pub(crate) renew_at: SystemTime,
}

/// What Envoy asks for where a client has named nobody: `default_value` in `envoy/*.yaml`. ("*" would be a subscription to all names.)
pub(crate) const NOBODY: &str = "nobody";

pub(crate) struct Cache {
    minter: Minter,
    addresses: Addresses,
    leaves: Mutex<HashMap<Vec<ServerName>, Arc<Numbered>>>,
    minted: AtomicU64,
    refused: AtomicU64,
    rejected: AtomicU64,
    minting_us: AtomicU64,
}

impl Cache {
    pub(crate) fn new(minter: Minter, addresses: &[IpAddr]) -> Self {
        Self {
            minter,
            addresses: Addresses::new(addresses),
            leaves: Mutex::default(),
            minted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            minting_us: AtomicU64::new(0),
        }
    }

    /// Whom the certificate is for that a client gets who names nobody.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The certificate for a name as Envoy has it, from the cache or new.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Numbered>, Error> {
        let leaf = self.names(name).and_then(|names| self.get_at(names, SystemTime::now()));
        leaf.inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Whom the certificate is for.
    fn names(&self, name: &str) -> Result<Vec<ServerName>, Error> {
        let addresses = self.addresses.names();
        match name {
            NOBODY if !addresses.is_empty() => Ok(addresses),
            _ => Ok(vec![ServerName::parse(name)?]),
        }
    }

    fn get_at(&self, names: Vec<ServerName>, now: SystemTime) -> Result<Arc<Numbered>, Error> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(&names).filter(|leaf| now < leaf.renew_at) {
            return Ok(Arc::clone(leaf));
        }
        // Making one is a matter of a tenth of a millisecond, so that who waits for the lock waits no longer than for his own.
        let started = Instant::now();
        let leaf = self.minter.mint(&names, now)?;
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.minting_us.fetch_add(took, Ordering::Relaxed);
        let number = self.minted.fetch_add(1, Ordering::Relaxed) + 1;
        let left = leaf.not_after.duration_since(now).unwrap_or_default();
        let leaf = Arc::new(Numbered { leaf, number, renew_at: now + left * 2 / 3 });
        if names.len() > 1 {
            // For who names nobody: with one more address than the one before it, which nobody asks for any more.
            leaves.retain(|others, _| others.len() == 1);
        }
        if leaves.len() >= NAMES_MAX && !leaves.contains_key(&names) {
            let first =
                leaves.iter().min_by_key(|(_, leaf)| leaf.leaf.not_after).map(|(names, _)| names.clone());
            first.map(|names| leaves.remove(&names));
        }
        leaves.insert(names, Arc::clone(&leaf));
        Ok(leaf)
    }

    pub(crate) fn reject(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            minted: self.minted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            minting: Duration::from_micros(self.minting_us.load(Ordering::Relaxed)),
        }
    }
}
