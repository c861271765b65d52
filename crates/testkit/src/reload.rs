//! New configuration for an Envoy that runs: its listeners are in a file of their own, which Envoy
//! watches (LDS by file system).

use crate::rig::Rig;
use serde_json::{Value, json};
use std::path::Path;

/// Moves the listeners of a bootstrap into this file, and lets Envoy watch it.
pub(crate) fn move_listeners(bootstrap: &mut Value, file: &Path) {
    let mut listeners = bootstrap["static_resources"]["listeners"].take();
    for listener in listeners.as_array_mut().into_iter().flatten() {
        listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
    }
    std::fs::write(file, json!({ "resources": listeners }).to_string()).expect("the listeners are written");
    bootstrap["static_resources"]["listeners"] = json!([]);
    bootstrap["dynamic_resources"]["lds_config"] =
        json!({ "resource_api_version": "V3", "path_config_source": { "path": file } });
}

impl Rig {
    /// Replaces the filter in a running Envoy by another module, with another configuration if
    /// there is one. Returns when the file has been moved into place: Envoy starts to use the new
    /// one a little later.
    pub fn reload(&self, module: &[u8], config: Option<&Value>) {
        let path = self.folder().join(format!("{:016x}.wasm", fingerprint(module)));
        std::fs::write(&path, module).expect("the module is written");
        let file = self.listeners_file();
        let text = std::fs::read(&file).expect("a rig that can be reloaded");
        let mut listeners: Value = serde_json::from_slice(&text).expect("JSON");
        let manager = "/resources/0/filter_chains/0/filters/0/typed_config/http_filters";
        let filters = listeners.pointer_mut(manager).and_then(Value::as_array_mut).expect("HTTP filters");
        let filter = filters.iter_mut().find(|filter| filter["name"] == "understudy").expect("the filter");
        let plugin = &mut filter["typed_config"]["config"];
        plugin["vm_config"]["code"]["local"]["filename"] = json!(path);
        if let Some(config) = config {
            plugin["configuration"]["value"] = config.to_string().into();
        }
        // Envoy takes notice of files that are moved over the one that it watches.
        let beside = file.with_extension("new");
        std::fs::write(&beside, listeners.to_string()).expect("the listeners are written");
        std::fs::rename(beside, file).expect("the listeners are moved");
    }
}

/// Tells files apart; of no meaning otherwise.
fn fingerprint(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
