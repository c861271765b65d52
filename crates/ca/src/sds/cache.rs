//! Certificates by server name, issued on request. Their number is bounded, because clients choose
//! the names.

use super::addresses::Addresses;
use crate::error::Error;
use crate::leaf::{Leaf, Minter};
use crate::name::ServerName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The maximum number of names. Above it, the certificate that expires first is forgotten, and
/// issued again on request.
const NAMES_MAX: usize = 4096;

/// The counts of the certificate service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SdsCounts {
    /// Certificates issued, renewals included.
    pub minted: u64,
    /// Requests for names that a certificate can't carry.
    pub refused: u64,
    /// Certificates that Envoy refused.
    pub rejected: u64,
    /// The total time spent issuing certificates.
    pub minting: Duration,
}

/// A certificate with its number among all that were issued.
pub(crate) struct NumberedLeaf {
    pub(crate) leaf: Leaf,
    pub(crate) number: u64,
    /// The time of its renewal.
    pub(crate) renew_at: SystemTime,
}

/// The name that Envoy requests for a client that names no server: `default_value` in
/// `envoy/*.yaml`. (`*` would subscribe to all names.)
pub(crate) const NOBODY: &str = "nobody";

pub(crate) struct LeafCache {
    minter: Minter,
    addresses: Addresses,
    leaves: Mutex<HashMap<Vec<ServerName>, Arc<NumberedLeaf>>>,
    minted: AtomicU64,
    refused: AtomicU64,
    rejected: AtomicU64,
    minting_us: AtomicU64,
}

impl LeafCache {
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

    /// The addresses in the certificate for clients that name no server.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The certificate for a name as Envoy writes it, from the cache or newly issued.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<NumberedLeaf>, Error> {
        let leaf = self.names(name).and_then(|names| self.get_at(names, SystemTime::now()));
        leaf.inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// The names that the certificate carries.
    fn names(&self, name: &str) -> Result<Vec<ServerName>, Error> {
        let addresses = self.addresses.names();
        match name {
            NOBODY if !addresses.is_empty() => Ok(addresses),
            _ => Ok(vec![ServerName::parse(name)?]),
        }
    }

    fn get_at(&self, names: Vec<ServerName>, now: SystemTime) -> Result<Arc<NumberedLeaf>, Error> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(&names).filter(|leaf| now < leaf.renew_at) {
            return Ok(Arc::clone(leaf));
        }
        // Issuing takes a tenth of a millisecond, so the lock may be held meanwhile.
        let started = Instant::now();
        let leaf = self.minter.mint(&names, now)?;
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.minting_us.fetch_add(took, Ordering::Relaxed);
        let number = self.minted.fetch_add(1, Ordering::Relaxed) + 1;
        let left = leaf.not_after.duration_since(now).unwrap_or_default();
        let leaf = Arc::new(NumberedLeaf { leaf, number, renew_at: now + left * 2 / 3 });
        if names.len() > 1 {
            // The certificate with the addresses has changed. The earlier one isn't requested any
            // more.
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

    pub(crate) fn counts(&self) -> SdsCounts {
        SdsCounts {
            minted: self.minted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            minting: Duration::from_micros(self.minting_us.load(Ordering::Relaxed)),
        }
    }
}
