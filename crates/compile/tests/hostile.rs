//! Modules that somebody damaged, by accident or on purpose: the bundler says no, it never panics, and what it says yes to is unharmed.

mod support;

use proptest::prelude::*;
use std::sync::LazyLock;
use support::{filler_table, probe, seal};
use understudy_compile::bundle::{BundleInfo, bundle, inspect, plain};
use wasmparser::{Validator, WasmFeatures};

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| filler_table(300));
static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| plain(&probe()).unwrap());
static BUNDLED: LazyLock<Vec<u8>> =
    LazyLock::new(|| bundle(&probe(), &TABLE, &BundleInfo::default()).unwrap());
/// The real filter, once it has code of all kinds to be damaged.
static RAW: &[u8] = understudy_module::RAW;

/// What happens to a module: bytes are changed, cut out, repeated, and the end is cut off.
#[derive(Clone, Debug)]
enum Damage {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        1 => (at(), 1..16_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        1 => (at(), 1..16_usize).prop_map(|(at, length)| Damage::Repeat(at, length)),
        1 => at().prop_map(Damage::Cut),
    ]
}

fn damaged(module: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = module.to_vec();
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let range = |at: &prop::sample::Index, length: usize| {
            let start = at.index(bytes.len());
            start..(start + length).min(bytes.len())
        };
        match damage {
            Damage::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Damage::Remove(at, length) => drop(bytes.drain(range(at, *length))),
            Damage::Repeat(at, length) => {
                let part = bytes[range(at, *length)].to_vec();
                let start = at.index(bytes.len());
                drop(bytes.splice(start..start, part));
            }
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
    bytes
}

fn valid(module: &[u8]) -> bool {
    Validator::new_with_features(WasmFeatures::WASM2).validate_all(module).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read from a damaged module is the table that was put in.
    #[test]
    fn a_damaged_module_is_refused_or_its_table_is_whole(damages in prop::collection::vec(damage(), 1..4)) {
        let module = damaged(&BUNDLED, &damages);
        match inspect(&module) {
            Ok(info) => prop_assert_eq!(info.table_bytes(), &TABLE[..]),
            Err(error) => prop_assert!(!error.to_string().is_empty() && !error.code().is_empty()),
        }
    }

    /// What a damaged filter is bundled to is a valid module with the table in it.
    #[test]
    fn a_damaged_filter_is_refused_or_bundled(damages in prop::collection::vec(damage(), 1..4)) {
        for filter in [&probe(), &*PLAIN] {
            if let Ok(module) = bundle(&damaged(filter, &damages), &TABLE, &BundleInfo::default()) {
                prop_assert!(valid(&module));
                prop_assert_eq!(inspect(&module).unwrap().table_bytes(), TABLE.as_slice());
            }
        }
    }

    /// A damaged table is refused; one that was sealed again gets as far as its sections make sense.
    #[test]
    fn a_damaged_table_is_refused(damages in prop::collection::vec(damage(), 1..4)) {
        let mut table = damaged(&TABLE, &damages);
        if !table.is_empty() && table[..] != TABLE[..] {
            prop_assert!(bundle(&PLAIN, &table, &BundleInfo::default()).is_err());
        }
        if table.len() >= 64 {
            seal(&mut table);
            if let Ok(module) = bundle(&PLAIN, &table, &BundleInfo::default()) {
                prop_assert_eq!(inspect(&module).unwrap().table_bytes(), table.as_slice());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_real_filter_damaged_is_refused_or_bundled(damages in prop::collection::vec(damage(), 1..3)) {
        if let Ok(module) = plain(&damaged(RAW, &damages)) {
            prop_assert!(valid(&module));
            prop_assert!(inspect(&module).unwrap().is_plain());
        }
    }
}
