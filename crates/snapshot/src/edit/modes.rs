//! Changes the modes of backends in `snapshot.yaml`: replaces one word for each listed backend, and
//! adds lines for the others.

use crate::error::SnapshotError;
use crate::header::{Header, check_name, mode_places};
use crate::layout::HEADER_FILE;
use crate::reader::Snapshot;
use serde::Serialize;
use std::collections::BTreeMap;
use understudy_core::config::Mode;

/// Change of one backend's mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ModeChange {
    /// `scheme://authority`.
    pub backend: String,
    /// Old mode.
    pub from: Mode,
    /// New mode.
    pub to: Mode,
}

impl Snapshot {
    /// The changes that setting these modes would make, by backend name. Backends that have their
    /// mode already are left out.
    pub fn mode_changes(&self, modes: &BTreeMap<String, Mode>) -> Vec<ModeChange> {
        changes(self.header(), modes)
    }

    /// Sets the modes of these backends; other backends keep theirs. A backend that `snapshot.yaml`
    /// doesn't list is added: the caller checks that it exists.
    ///
    /// `expected` is the [`Self::header_digest`] of the file on which the user's choice is based.
    /// If the file has changed since, nothing is written. Without `expected`, the current file is
    /// changed. The folder is locked from the comparison to the rename, so that two processes of
    /// Understudy don't overwrite each other's change. Editors don't take the lock: a change that
    /// one saves between the two steps is lost.
    ///
    /// # Errors
    /// [`SnapshotError::Changed`]; [`SnapshotError::Edit`] if a name isn't in normal form, or the
    /// mode can't be changed without touching the rest of the file; [`SnapshotError::Io`] and
    /// [`SnapshotError::Yaml`] as for [`Self::set_rules`].
    pub fn set_modes(
        &mut self,
        modes: &BTreeMap<String, Mode>,
        expected: Option<&str>,
    ) -> Result<Vec<ModeChange>, SnapshotError> {
        let _lock = self.lock()?;
        let file = self.path().join(HEADER_FILE);
        let old = super::read_expected(&file, expected)?;
        let mut header = Header::from_yaml(&old, &file)?;
        let refuse = |problem: String| SnapshotError::Edit { path: file.clone(), problem };
        let changes = changes(&header, modes);
        for change in &changes {
            check_name(&change.backend).map_err(refuse)?;
            header.backends.entry(change.backend.clone()).or_default().mode = change.to;
        }
        let text = with_modes(&old, &changes);
        // YAML allows many spellings: parse the new text, and refuse it unless it says exactly the
        // new header.
        if Header::from_yaml(&text, &file).ok().as_ref() != Some(&header) {
            let names: Vec<_> = changes.iter().map(|change| change.backend.as_str()).collect();
            let problem = format!(
                "the mode of {} is written in a way that can't be changed without touching the rest of the file; change it by hand",
                names.join(", ")
            );
            return Err(refuse(problem));
        }
        if !changes.is_empty() {
            self.put_header(&file, &text)?;
        }
        self.set_header(header, &text);
        Ok(changes)
    }
}

fn changes(header: &Header, modes: &BTreeMap<String, Mode>) -> Vec<ModeChange> {
    let change = |(backend, to): (&String, &Mode)| {
        let from = header.backend(backend).mode;
        (from != *to).then(|| ModeChange { backend: backend.clone(), from, to: *to })
    };
    modes.iter().filter_map(change).collect()
}

/// The text with those of the changes that can be made.
fn with_modes(text: &str, changes: &[ModeChange]) -> String {
    let places = mode_places(text);
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    // Replace from the end, so that the earlier positions stay valid.
    let mut placed: Vec<_> =
        changes.iter().map(|change| (places.get(&change.backend).copied(), change)).collect();
    placed.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
    for (place, change) in placed {
        match place.and_then(|(line, column)| Some((lines.get_mut(line.checked_sub(1)?)?, column))) {
            Some((line, column)) => replace_word(line, column, change),
            None if place.is_none() => add(&mut lines, change),
            None => {}
        }
    }
    lines.concat()
}

/// Replaces the old mode at a column of a line, counted from 1 in characters. The mode may be
/// quoted.
fn replace_word(line: &mut String, column: usize, change: &ModeChange) {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let start = start + line[start..].len() - line[start..].trim_start_matches(['"', '\'']).len();
    let old = word(change.from);
    if line[start..].starts_with(old) {
        line.replace_range(start..start + old.len(), word(change.to));
    }
}

/// Adds a backend after the last one.
fn add(lines: &mut Vec<String>, change: &ModeChange) {
    let Some(head) = lines.iter().position(|line| line.starts_with("backends:")) else { return };
    if lines[head].trim_end().strip_suffix("{}").is_some_and(|rest| rest.trim_end() == "backends:") {
        lines[head] = "backends:\n".to_owned();
    }
    let is_inside = |line: &String| line.starts_with([' ', '\t']) && !line.trim_start().starts_with('#');
    let is_free = |line: &String| line.trim().is_empty() || line.trim_start().starts_with('#');
    let section = lines.iter().skip(head + 1).take_while(|line| is_inside(line) || is_free(line));
    let section: Vec<&String> = section.collect();
    let last = section.iter().rposition(|line| is_inside(line) && !is_free(line));
    let first = section.iter().find(|line| is_inside(line) && !is_free(line));
    let indent = first.map_or(2, |line| line.len() - line.trim_start().len());
    let at = head + 1 + last.map_or(0, |last| last + 1);
    if let Some(before) = lines.get_mut(at - 1).filter(|line| !line.ends_with('\n')) {
        before.push('\n');
    }
    let (indent, deeper) = (" ".repeat(indent), " ".repeat(indent + 2));
    lines.insert(at, format!("{indent}{:?}:\n{deeper}mode: {}\n", change.backend, word(change.to)));
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Mock => "mock",
        Mode::Tap => "tap",
        Mode::Off => "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HEAD: &str = "# mine\nversion: 1\nname: s\nrecorded: 2026-11-21T08:00:00Z # then\n";

    fn write(backends: &str) -> (tempfile::TempDir, Snapshot) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(HEADER_FILE), format!("{HEAD}{backends}")).unwrap();
        fs::write(folder.path().join(crate::EXCHANGES_FILE), "").unwrap();
        let snapshot = Snapshot::open(folder.path()).unwrap();
        (folder, snapshot)
    }

    fn modes(of: &[(&str, Mode)]) -> BTreeMap<String, Mode> {
        of.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
    }

    fn check(before: &str, wanted: &[(&str, Mode)], after: &str) {
        let (_folder, mut snapshot) = write(before);
        let changes = snapshot.set_modes(&modes(wanted), None).unwrap();
        assert_eq!(snapshot.header_text().unwrap(), format!("{HEAD}{after}"));
        let again = Snapshot::open(snapshot.path()).unwrap();
        assert_eq!(again.header(), snapshot.header());
        assert_eq!(again.header_digest(), snapshot.header_digest());
        for change in changes {
            assert_eq!(again.header().backend(&change.backend).mode, change.to);
        }
    }

    #[test]
    fn one_word_changes_and_the_rest_stays() {
        let written = "backends:\n  \"http://a\":\n    mode: mock # why\n    exchanges: 3\n  \"http://b\":\n    mode: tap\nrules: []\n";
        check(written, &[("http://a", Mode::Off)], &written.replace("mock # why", "off # why"));
        check(written, &[("http://b", Mode::Mock)], &written.replace("tap", "mock"));
        check(written, &[("http://a", Mode::Mock), ("http://b", Mode::Tap)], written);
        check(written, &[], written);
        let flow = "backends: {http://a: {mode: 'mock'}, \"http://ü\": {exchanges: 1, mode: \"off\"}}\n";
        let bare = "backends: {http://a: {mode: mock}, http://b: {mode: off}}\n";
        let expect = "backends: {http://a: {mode: tap}, http://b: {mode: mock}}\n";
        check(bare, &[("http://a", Mode::Tap), ("http://b", Mode::Mock)], expect);
        check(
            flow,
            &[("http://a", Mode::Tap), ("http://ü", Mode::Mock)],
            &flow.replace("mock", "tap").replace("off", "mock"),
        );
    }

    #[test]
    fn unlisted_backend_is_added_after_the_last() {
        let new = |indent: &str| format!("{indent}\"http://n\":\n{indent}  mode: off\n");
        let off = [("http://n", Mode::Off)];
        check("backends: {}\n", &off, &format!("backends:\n{}", new("  ")));
        check("backends: {}", &off, &format!("backends:\n{}", new("  ")));
        let one = "backends:\n    http://a:\n        mode: mock\n";
        check(
            &format!("{one}\n# rules\nrules: []\n"),
            &off,
            &format!("{one}{}\n# rules\nrules: []\n", new("    ")),
        );
        check(one.trim_end(), &off, &format!("{one}{}", new("    ")));
        check(one, &[("http://n", Mode::Mock)], one);
        let flow = "backends: {http://a: {mode: mock}}\n";
        let (_folder, mut snapshot) = write(flow);
        let error = snapshot.set_modes(&modes(&off), None).unwrap_err();
        assert_eq!(error.code(), "snapshot-edit");
        assert_eq!(snapshot.header_text().unwrap(), format!("{HEAD}{flow}"), "nothing is written");
    }

    #[test]
    fn mode_that_cannot_be_changed_alone_is_refused() {
        let check = |backends: &str, wanted: &[(&str, Mode)], expect: &str| {
            let (folder, mut snapshot) = write(backends);
            let error = snapshot.set_modes(&modes(wanted), None).unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
            assert_eq!(snapshot.header_text().unwrap(), format!("{HEAD}{backends}"));
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
        };
        let aliased = "backends:\n  http://a: &x\n    mode: mock\n  http://b: *x\n";
        check(aliased, &[("http://b", Mode::Off)], "change it by hand");
        check("backends: {}\n", &[("http://A", Mode::Off)], "must be written as");
        check("backends: {}\n", &[("stripe", Mode::Off)], "write scheme://host[:port]");
    }

    #[test]
    fn changed_file_is_not_overwritten() {
        let (_folder, mut first) =
            write("backends:\n  http://a:\n    mode: mock\n  http://b:\n    mode: mock\n");
        let mut second = first.clone();
        let seen = first.header_digest().to_owned();
        first.set_modes(&modes(&[("http://a", Mode::Off)]), Some(&seen)).unwrap();
        let error = second.set_modes(&modes(&[("http://b", Mode::Off)]), Some(&seen)).unwrap_err();
        assert_eq!(error.code(), "snapshot-changed");
        let now = Snapshot::open(first.path()).unwrap();
        assert_eq!(now.header().backend("http://b").mode, Mode::Mock);
        // A caller that has read the current file may change it.
        let seen = now.header_digest().to_owned();
        second.set_modes(&modes(&[("http://b", Mode::Tap)]), Some(&seen)).unwrap();
        assert_eq!(second.header().backend("http://a").mode, Mode::Off, "what the first did is kept");
    }

    #[test]
    fn of_many_concurrent_changes_one_is_made() {
        let (_folder, snapshot) = write("backends:\n  http://a:\n    mode: mock\n");
        let seen = snapshot.header_digest().to_owned();
        let heard: usize = std::thread::scope(|scope| {
            let one = |at: usize| {
                let (mut own, seen) = (snapshot.clone(), seen.clone());
                let mode = if at.is_multiple_of(2) { Mode::Off } else { Mode::Tap };
                scope.spawn(move || {
                    usize::from(own.set_modes(&modes(&[("http://a", mode)]), Some(&seen)).is_ok())
                })
            };
            let threads: Vec<_> = (0..8).map(one).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(heard, 1);
    }
}
