//! Kills a process group if this process dies without having stopped it, even by SIGKILL.
//!
//! A small shell waits until our end of a pipe closes. The kernel closes it however this process
//! dies. Unlike Linux's `PR_SET_PDEATHSIG`, this works on macOS too, needs no `unsafe`, covers the
//! whole group, and doesn't mistake the end of the thread that started the child for the end of the
//! process. It never signals a group after `release`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::Error;

/// The first line that the shell reads names the group. The second line, or the end of file,
/// decides whether it is killed.
const SCRIPT: &str = r#"
read -r group || exit 0
read -r word
[ "$word" = release ] && exit 0
kill -s TERM -- "-$group" 2>/dev/null || exit 0
tries=0
while [ "$tries" -lt 20 ] && kill -s 0 -- "-$group" 2>/dev/null; do
  sleep 0.1
  tries=$((tries + 1))
done
kill -s KILL -- "-$group" 2>/dev/null
exit 0
"#;

/// A watcher of one process group. Once this process is gone, it sends TERM, and KILL after 2 s.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the watcher. It must start before the process that it watches, so that there is no
    /// gap.
    pub fn new() -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "understudy-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The watcher has its own group: Ctrl-C in the terminal goes to ours, and must not end
            // the watcher first.
            .process_group(0)
            .spawn()
            .map_err(|error| Error::io("start /bin/sh", error))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Names the group to watch: the pid of a process started with `process_group(0)`.
    pub fn watch(&mut self, group: u32) -> Result<(), Error> {
        self.send(&format!("{group}\n")).map_err(|error| Error::io("talk to the watcher", error))
    }

    /// Ends the watcher without a signal to the group. Must be called before the group's number can
    /// be reused.
    pub fn release(mut self) {
        // The watcher may have ended already.
        let _ = self.send("release\n");
        self.pipe = None;
        let _ = self.shell.wait();
    }

    fn send(&mut self, line: &str) -> std::io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

impl Drop for Guard {
    /// Without `release`, the watcher kills the group.
    fn drop(&mut self) {
        if self.pipe.take().is_some() {
            let _ = self.shell.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().unwrap()
    }

    #[test]
    fn guard_dropped_kills_the_group() {
        let mut child = sleeper();
        let mut guard = Guard::new().unwrap();
        guard.watch(child.id()).unwrap();
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        drop(guard);
        assert!(!waiter.join().unwrap().success());
    }

    #[test]
    fn guard_released_leaves_the_group_running() {
        let mut child = sleeper();
        let mut guard = Guard::new().unwrap();
        guard.watch(child.id()).unwrap();
        guard.release();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn guard_without_a_group_ends() {
        drop(Guard::new().unwrap());
        Guard::new().unwrap().release();
    }
}
