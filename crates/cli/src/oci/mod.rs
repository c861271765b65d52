//! A bundled filter as an OCI image: made here, byte for byte the same for the same module, and then put into a folder or a registry.

mod credentials;
mod image;
mod layer;
mod layout;
mod registry;

pub(crate) use image::{Image, Layout};
pub(crate) use layout::{check as check_folder, write as write_folder};
pub(crate) use registry::{Registry, Source, Target};
