//! A bundled filter as an OCI image, byte for byte the same for the same module, written to a
//! folder or pushed to a registry.

mod credentials;
mod image;
mod layer;
mod layout;
mod registry;

pub(crate) use image::{Image, Layout};
pub(crate) use layout::{check as check_folder, write as write_folder};
pub(crate) use registry::{Registry, Source, Target};
