//! The definitions in `envoy/istio/controller` are those of the code. `BLESS=1` rewrites them.

use std::path::PathBuf;
use understudy_controller::Group;

#[test]
fn definition_files_are_those_of_the_code() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../envoy/istio/controller"));
    for (group, name) in [(Group::Own, "base/definition.yaml"), (Group::Contract, "contract/definition.yaml")]
    {
        let command = if group == Group::Own { "" } else { " --contract-group" };
        let definition = serde_json::to_value(group.definition()).unwrap();
        let text = format!(
            "# understudy-controller --definition{command}\n{}",
            understudy_istio::to_yaml(&[definition])
        );
        let path = folder.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}: BLESS=1 rewrites it");
    }
}
