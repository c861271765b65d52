//! What an image is made of: a manifest, a configuration and layers, each named by its digest. Never talks to anybody.

use super::layer;
use crate::say;
use anyhow::Context;
use bytes::Bytes;
use ring::digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use understudy_snapshot::bundle::Record;

/// How a module lies in an image. Istio's agent takes both
/// (<https://github.com/istio/istio/blob/master/pkg/wasm/imagefetcher.go>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// A container image with one layer, in which `plugin.wasm` lies: every registry, mirror and scanner takes it
    #[default]
    Image,
    /// An OCI artifact, whose layer is the module itself
    Artifact,
}

/// The media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The longest module that Istio's agent fetches, in bytes.
const AGENT_LIMIT: usize = 256 << 20;
const ARTIFACT_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";

/// A part of an image.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    /// `sha256:…`.
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

/// An image that is whole.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Blob,
    /// What the manifest names, each once.
    pub(crate) blobs: Vec<Blob>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Image {
    /// Makes one of a module that says this of itself.
    pub(crate) fn new(module: Vec<u8>, record: &Record, layout: Layout) -> anyhow::Result<Self> {
        if module.len() > AGENT_LIMIT {
            say::warning(format_args!(
                "the module has {} bytes, and Istio's agent takes {AGENT_LIMIT} at most; leave exchanges out of the snapshot, or mount the file",
                module.len()
            ));
        }
        let (config, layers) = match layout {
            Layout::Image => container(&module)?,
            Layout::Artifact => artifact(module),
        };
        let mut annotations = annotations(record);
        if layout == Layout::Image {
            annotations.insert("module.wasm.image/variant".into(), "compat".into());
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": layers.iter().map(Blob::descriptor).collect::<Vec<_>>(),
            "annotations": annotations,
        });
        let manifest = Blob::new(MANIFEST, serde_json::to_vec(&manifest)?);
        let mut blobs = vec![config];
        blobs.extend(layers);
        blobs.dedup_by(|a, b| a.digest == b.digest);
        Ok(Self { manifest, blobs, annotations })
    }
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let mut sha256 = Sha256::default();
        sha256.update(&bytes);
        Self { media_type, digest: sha256.finish(), bytes: bytes.into() }
    }

    pub(super) fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

fn container(module: &[u8]) -> anyhow::Result<(Blob, Vec<Blob>)> {
    let layer = layer::pack(module).context("can't compress the module")?;
    // Nothing runs in it; but Docker pulls no image of an operating system that it doesn't know, and mirrors are made with Docker.
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.tar_digest] },
    });
    let config = Blob::new("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    Ok((config, vec![Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", layer.gzip)]))
}

/// Of two layers, without which the agent doesn't take it; the first has nothing to say
/// (<https://github.com/solo-io/wasm/blob/master/spec/spec.md>).
fn artifact(module: Vec<u8>) -> (Blob, Vec<Blob>) {
    let config = || Blob::new(ARTIFACT_CONFIG, b"{}".to_vec());
    (config(), vec![config(), Blob::new("application/vnd.module.wasm.content.layer.v1+wasm", module)])
}

/// What the image says of itself. Nothing of when and where it was made: the same snapshot gives the same image.
fn annotations(record: &Record) -> BTreeMap<String, String> {
    let said = [
        ("org.opencontainers.image.title", &record.snapshot),
        ("dev.understudy.snapshot", &record.snapshot),
        ("dev.understudy.table", &record.table.digest),
        ("dev.understudy.version", &record.understudy),
    ];
    said.into_iter()
        .filter(|(_, said)| !said.is_empty())
        .map(|(name, said)| (name.into(), said.clone()))
        .collect()
}

/// SHA-256 of what comes bit by bit.
pub(super) struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// `sha256:…`, as descriptors have it.
    pub(super) fn finish(self) -> String {
        format!("sha256:{}", understudy_core::digest::hex(self.0.finish().as_ref()))
    }
}
