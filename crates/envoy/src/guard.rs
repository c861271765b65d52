//! Kills a process group if this process dies without having stopped it, even by SIGKILL.
//!
//! A small shell waits for our end of a pipe to close: the kernel closes it whatever we die of. Unlike Linux's
//! `PR_SET_PDEATHSIG` this works on macOS too, needs no `unsafe`, covers the whole group, and doesn't mistake the end
//! of the thread that started the child for the end of the process. It never signals a group after `release`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::error::Error;

/// The first line that the shell reads names the group; the second, or the end of file, decides its fate.
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

/// A watcher over one process group: TERM, and KILL after 2 s, once this process is gone.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    /// Starts the watcher. Start it before the process that it is for, so that nothing is unwatched in between.
    pub fn new() -> Result<Self, Error> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "understudy-guard"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group: a Ctrl-C in the terminal goes to ours, and must not end the watcher before us.
            .process_group(0)
            .spawn()
            .map_err(|error| Error::io("start /bin/sh", error))?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Names the group to watch: the pid of a process started with `process_group(0)`.
    pub fn watch(&mut self, group: u32) -> Result<(), Error> {
        self.say(&format!("{group}\n")).map_err(|error| Error::io("talk to the watcher", error))
    }

    /// Ends the watcher, and leaves the group alone. Call it before the group's number can be used again.
    pub fn release(mut self) {
        // A watcher that is gone already has nothing to be told.
        let _ = self.say("release\n");
        self.pipe = None;
        let _ = self.shell.wait();
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        match &mut self.pipe {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

impl Drop for Guard {
    /// Dropped without `release`, the watcher does its work.
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
    fn dropped_it_kills_the_group() {
        let mut child = sleeper();
        let mut guard = Guard::new().unwrap();
        guard.watch(child.id()).unwrap();
        let waiter = std::thread::spawn(move || child.wait().unwrap());
        drop(guard);
        assert!(!waiter.join().unwrap().success());
    }

    #[test]
    fn released_it_leaves_the_group_alone() {
        let mut child = sleeper();
        let mut guard = Guard::new().unwrap();
        guard.watch(child.id()).unwrap();
        guard.release();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn without_a_group_it_just_ends() {
        drop(Guard::new().unwrap());
        Guard::new().unwrap().release();
    }
}
