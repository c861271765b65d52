//! Subcommands, one per file: arguments, help and implementation.

pub(crate) mod bundle;
pub(crate) mod ca;
pub(crate) mod collect;
pub(crate) mod controller;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod istio;
pub(crate) mod lint;
pub(crate) mod matching;
pub(crate) mod merge;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod record;
pub(crate) mod redact;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod respond;
pub(crate) mod select;
pub(crate) mod snapshot;
pub(crate) mod tune;
pub(crate) mod ui;
