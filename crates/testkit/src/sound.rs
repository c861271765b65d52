//! Detects crashes of the filter in Envoy's log and statistics.

use crate::Rig;

impl Rig {
    /// Envoy's messages about crashes of the filter; empty if there were none.
    ///
    /// A trap in a VM makes Envoy 1.40 log `Function: EXPORT failed: Uncaught RuntimeError: …` and
    /// a backtrace, and with `FAIL_RELOAD` it counts in `wasm.*.vm_reload*`. A panic in Rust is
    /// logged by the SDK's hook before its trap.
    pub async fn crashes(&self) -> Vec<String> {
        let logs = self.envoy.logs();
        let mut said: Vec<_> = logs.lines().filter(|line| tells_of_crash(line)).map(str::to_owned).collect();
        let stats = self.envoy.stats("vm_reload").await.expect("statistics");
        said.extend(stats.iter().filter(|(_, v)| *v > 0).map(|(name, value)| format!("{name}: {value}")));
        let active = self.active_vms().await;
        if active < self.vms {
            said.push(format!("{active} VMs of {}", self.vms));
        }
        said
    }

    /// Panics if the filter has crashed, or Envoy with it.
    pub async fn assert_sound(&self) {
        let crashes = self.crashes().await;
        assert!(crashes.is_empty(), "the filter has crashed: {crashes:#?}\n{}", self.envoy.problems());
    }

    pub(crate) async fn active_vms(&self) -> u64 {
        let name = "wasm.envoy.wasm.runtime.v8.active";
        self.envoy.stats(name).await.expect("statistics").get(name)
    }
}

fn tells_of_crash(line: &str) -> bool {
    let signs = ["failed: Uncaught", "RuntimeError", "in-VM backtrace", "panicked at", "Wasm VM failed"];
    signs.iter().any(|sign| line.contains(sign))
}
