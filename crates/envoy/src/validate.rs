//! Checks a configuration by Envoy's validation mode. Binds no port.

use std::process::{Command, Stdio};

use crate::bootstrap::Bootstrap;
use crate::error::Error;
use crate::find::{EnvoyBinary, find};
use crate::logs;

/// Runs `envoy --mode validate`, which also loads the module and gives it its plugin configuration.
///
/// Uses the Envoy that [`find`] returns if `envoy` is `None`. Blocks for about 0.2 s.
pub fn validate(bootstrap: &Bootstrap, envoy: Option<&EnvoyBinary>) -> Result<(), Error> {
    let found;
    let envoy = match envoy {
        Some(envoy) => envoy,
        None => {
            found = find()?;
            &found
        }
    };
    let dir = tempfile::tempdir().map_err(|error| Error::io("create a temporary folder", error))?;
    let file = dir.path().join("envoy.json");
    std::fs::write(&file, bootstrap.to_json()?.to_string())
        .map_err(|error| Error::io(format!("write {}", file.display()), error))?;
    let output = Command::new(envoy.path())
        .args(["--mode", "validate", "-c"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io(format!("run {}", envoy.path().display()), error))?;
    if output.status.success() {
        return Ok(());
    }
    let log =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(Error::Refused { problems: logs::problems(&log) })
}
