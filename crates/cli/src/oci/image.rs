//! The parts of an image: a manifest, a configuration and layers, each named by its digest. Does no
//! network I/O.

use super::layer;
use crate::say;
use anyhow::Context;
use bytes::Bytes;
use ring::digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use understudy_compile::bundle::Record;
use understudy_snapshot::{EXCHANGES_FILE, HEADER_FILE};

/// Layout of a module in an image. Istio's agent accepts both
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// A container image with one layer that holds `plugin.wasm`: every registry, mirror and
    /// scanner accepts it
    #[default]
    Image,
    /// An OCI artifact, whose layer is the module itself
    Artifact,
}

/// Media type of a manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Maximum size of a module that Istio's agent fetches, in bytes.
const AGENT_LIMIT: usize = 256 << 20;
/// Annotation with the digest of the layer that holds the snapshot.
pub(super) const SNAPSHOT_LAYER: &str = "dev.understudy.snapshot-layer";
/// Folder of the snapshot in its layer.
const SNAPSHOT_FOLDER: &str = "snapshot/";
/// Files of the snapshot; the last one is optional.
const SNAPSHOT_FILES: [&str; 3] = [HEADER_FILE, EXCHANGES_FILE, "replay.yaml"];
const ARTIFACT_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";

/// A blob of an image.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    /// `sha256:…`.
    pub(crate) digest: String,
    pub(crate) bytes: Bytes,
}

/// A complete image.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Blob,
    /// The blobs that the manifest names, each once.
    pub(crate) blobs: Vec<Blob>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Image {
    /// Makes the image of a module with this record. A `snapshot` folder is added for replays.
    pub(crate) fn new(
        module: Vec<u8>,
        record: &Record,
        layout: Layout,
        snapshot: Option<&Path>,
    ) -> anyhow::Result<Self> {
        if module.len() > AGENT_LIMIT {
            say::warning(format_args!(
                "the module has {} bytes, and Istio's agent takes {AGENT_LIMIT} at most; leave exchanges out of the snapshot, or mount the file",
                module.len()
            ));
        }
        let (config, layers) = match layout {
            Layout::Image => container(&module, snapshot)?,
            Layout::Artifact => artifact(module),
        };
        let mut annotations = annotations(record);
        if layout == Layout::Image {
            annotations.insert("module.wasm.image/variant".into(), "compat".into());
        }
        if let (Some(_), [first, ..]) = (snapshot, layers.as_slice()) {
            annotations.insert(SNAPSHOT_LAYER.into(), first.digest.clone());
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

fn container(module: &[u8], snapshot: Option<&Path>) -> anyhow::Result<(Blob, Vec<Blob>)> {
    let mut packed = Vec::new();
    if let Some(folder) = snapshot {
        packed.push(pack_snapshot(folder).with_context(|| format!("can't pack {}", folder.display()))?);
    }
    // The module's layer is last: Istio's agent looks into no other.
    packed.push(layer::pack(&[(layer::MODULE, module)]).context("can't compress the module")?);
    let digests: Vec<_> = packed.iter().map(|layer| &layer.tar_digest).collect();
    // Nothing runs in the image, but Docker only pulls images of operating systems that it knows,
    // and mirrors are made with Docker.
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": digests },
    });
    let config = Blob::new("application/vnd.oci.image.config.v1+json", serde_json::to_vec(&config)?);
    let layers =
        packed.into_iter().map(|layer| Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", layer.gzip));
    Ok((config, layers.collect()))
}

/// Packs a snapshot's files, including those of a replay.
fn pack_snapshot(folder: &Path) -> io::Result<layer::Layer> {
    let mut files = Vec::new();
    for name in SNAPSHOT_FILES {
        match std::fs::read(folder.join(name)) {
            Ok(bytes) => files.push((format!("{SNAPSHOT_FOLDER}{name}"), bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    layer::pack(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

/// Unpacks the snapshot of a layer into a folder.
pub(super) fn unpack_snapshot(gzip: &[u8], folder: &Path) -> anyhow::Result<()> {
    layer::unpack(gzip, |name, content| {
        let known = name.strip_prefix(SNAPSHOT_FOLDER).filter(|name| SNAPSHOT_FILES.contains(name));
        let name = known.with_context(|| format!("{name} is no part of a snapshot"))?;
        let mut file = std::fs::File::create_new(folder.join(name))?;
        io::copy(content, &mut file)?;
        Ok(())
    })
}

/// The parts of an artifact. The agent requires two layers; the first one is empty
fn artifact(module: Vec<u8>) -> (Blob, Vec<Blob>) {
    let config = || Blob::new(ARTIFACT_CONFIG, b"{}".to_vec());
    (config(), vec![config(), Blob::new("application/vnd.module.wasm.content.layer.v1+wasm", module)])
}

/// Annotations of the image. They contain neither time nor place: the same snapshot gives the same
/// image.
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

/// Incremental SHA-256.
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

    /// The digest as in descriptors: `sha256:…`.
    pub(super) fn finish(self) -> String {
        format!("sha256:{}", understudy_core::digest::hex(self.0.finish().as_ref()))
    }
}
