//! Changes rules, counts and modes in an existing `snapshot.yaml`. Everything else in it, comments
//! included, stays.

mod modes;

pub use modes::ModeChange;

use crate::error::SnapshotError;
use crate::header::{Header, rules_to_yaml};
use crate::layout::HEADER_FILE;
use crate::reader::{Snapshot, digest_of, read_text};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use understudy_core::rules::Rule;

impl Snapshot {
    /// Replaces the rules. The file is replaced atomically.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] if the file can't be read or written, [`SnapshotError::Yaml`] if it is
    /// no longer valid.
    pub fn set_rules(&mut self, rules: Vec<Rule>) -> Result<(), SnapshotError> {
        self.set_rules_if(rules, None)
    }

    /// Replaces the rules unless the file has changed: `expected` is as for [`Self::set_modes`].
    ///
    /// # Errors
    /// [`SnapshotError::Changed`], and those of [`Self::set_rules`].
    pub fn set_rules_if(&mut self, rules: Vec<Rule>, expected: Option<&str>) -> Result<(), SnapshotError> {
        let _lock = self.lock()?;
        let file = self.path().join(HEADER_FILE);
        let old = read_expected(&file, expected)?;
        let mut header = Header::from_yaml(&old, &file)?;
        header.rules = rules;
        let edited = with_rules(&old, &header.rules);
        // YAML allows many spellings: parse the new text, and write the whole file again if its
        // content isn't the expected one.
        let text = match Header::from_yaml(&edited, &file) {
            Ok(read) if read == header => edited,
            _ => header.to_yaml(),
        };
        self.put_header(&file, &text)?;
        self.set_header(header, &text);
        Ok(())
    }

    /// Locks the folder against other processes of Understudy until the result is dropped. Editors
    /// don't take this lock.
    fn lock(&self) -> Result<File, SnapshotError> {
        let folder = File::open(self.path()).map_err(SnapshotError::io("read", self.path()))?;
        match folder.lock() {
            // Some network file systems have no locks. The comparison before the rename has to
            // suffice there.
            Err(error) if error.kind() != std::io::ErrorKind::Unsupported => {
                Err(SnapshotError::Io { action: "lock", path: self.path().to_owned(), source: error })
            }
            _ => Ok(folder),
        }
    }

    /// Replaces `snapshot.yaml` atomically.
    fn put_header(&self, file: &Path, text: &str) -> Result<(), SnapshotError> {
        let write = || -> std::io::Result<()> {
            let mut beside = tempfile::Builder::new().prefix(".snapshot.yaml.").tempfile_in(self.path())?;
            beside.write_all(text.as_bytes())?;
            beside.as_file().set_permissions(fs::metadata(file)?.permissions())?;
            beside.as_file().sync_all()?;
            beside.persist(file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(SnapshotError::io("write", file))
    }
}

/// Reads `snapshot.yaml`, and returns an error if its digest isn't the expected one.
fn read_expected(file: &Path, expected: Option<&str>) -> Result<String, SnapshotError> {
    let text = read_text(file)?;
    match expected {
        Some(expected) if expected != digest_of(&text) => {
            Err(SnapshotError::Changed { path: file.to_owned() })
        }
        _ => Ok(text),
    }
}

/// The text of a `snapshot.yaml` with the rules and counts of a header. `None` if they differ in
/// more than that.
pub(crate) fn edited(text: &str, header: &Header) -> Option<String> {
    let path = Path::new(HEADER_FILE);
    let old = Header::from_yaml(text, path).ok()?;
    let counted = with_counts(text, header);
    let edited = if old.rules == header.rules { counted } else { with_rules(&counted, &header.rules) };
    (Header::from_yaml(&edited, path).ok().as_ref() == Some(header)).then_some(edited)
}

/// The text with the header's counts of exchanges. Only counts in the layout that Understudy writes
/// are changed.
fn with_counts(text: &str, header: &Header) -> String {
    let (mut out, mut count) = (String::with_capacity(text.len()), None);
    let mut in_inbound = false;
    for line in text.split_inclusive('\n') {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        let name = rest.trim_end().strip_suffix(':').map(|name| name.trim_matches('"'));
        if indent.is_empty() && !rest.trim().is_empty() && !rest.starts_with('#') {
            in_inbound = name == Some("inbound");
        }
        let counted = |name: &str| match in_inbound {
            true => header.inbound.get(name).map(|inbound| inbound.exchanges),
            false => header.backends.get(name).map(|backend| backend.exchanges),
        };
        if let Some(exchanges) = name.and_then(counted) {
            count = Some(exchanges);
        } else if indent.is_empty() {
            count = None;
        }
        let digits = rest
            .strip_prefix("exchanges: ")
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        match (digits, count) {
            (Some(after), Some(number)) => {
                out.push_str(&format!("{indent}exchanges: {number}{after}"));
                count = None;
            }
            _ => out.push_str(line),
        }
    }
    out
}

/// The text with other rules.
fn with_rules(text: &str, rules: &[Rule]) -> String {
    let written = if rules.is_empty() { String::new() } else { rules_to_yaml(rules) };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(start) = lines.iter().position(|line| line.starts_with("rules:")) else {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        return format!("{text}{end}{written}");
    };
    // Indented lines and lines that begin with a dash belong to the list, and so do the comments
    // and blank lines between them.
    let belongs = |line: &str| line.starts_with([' ', '-', '\t']);
    let free = |line: &str| line.trim().is_empty() || line.starts_with('#');
    let after = lines.iter().skip(start + 1).take_while(|line| belongs(line) || free(line));
    let length = after.collect::<Vec<_>>().iter().rposition(|line| belongs(line)).map_or(0, |last| last + 1);
    let (before, rest) = (lines[..start].concat(), lines[start + 1 + length..].concat());
    format!("{before}{written}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_core::rules::Place;

    #[test]
    fn text_and_comments_of_the_user_stay() {
        let rule = Rule { mask: vec![Place::parse("body/a").unwrap()], ..Rule::default() };
        let check = |text: &str, rules: &[Rule], expect: &str| assert_eq!(with_rules(text, rules), expect);
        let new = "rules:\n- mask:\n  - body/a\n";
        let one = std::slice::from_ref(&rule);
        check("a: 1\n", one, &format!("a: 1\n{new}"));
        check("a: 1", one, &format!("a: 1\n{new}"));
        let old = "# mine\nrules:\n  # old\n  - mask: [body/b]\n\n# about b\nb: 2\n";
        check(old, one, &format!("# mine\n{new}\n# about b\nb: 2\n"));
        check(old, &[], "# mine\n\n# about b\nb: 2\n");
        check("rules: []\nb: 2\n", one, &format!("{new}b: 2\n"));
        check("rules:\n- mask: [x]\n", one, new);
    }

    #[test]
    fn counts_are_changed_in_place() {
        let text = "# mine\nversion: 1\nname: s\nrecorded: 2026-11-21T08:00:00Z # then\nbackends:\n  \"http://a\":\n    mode: mock # why\n    \
                    exchanges: 1 # so many\n  http://b:\n    mode: off\nrules:\n- mask: [body/a]\n  exchanges: 7\n";
        let mut header = Header::from_yaml(text, Path::new("s")).unwrap();
        header.backends.get_mut("http://a").unwrap().exchanges = 12;
        assert_eq!(edited(text, &header).unwrap(), text.replace("exchanges: 1 #", "exchanges: 12 #"));
        let both =
            text.replace("rules:", "inbound:\n  \"http://a\":\n    app: h:1\n    exchanges: 4\nrules:");
        let mut called = Header::from_yaml(&both, Path::new("s")).unwrap();
        called.inbound.get_mut("http://a").unwrap().exchanges = 5;
        assert_eq!(edited(&both, &called).unwrap(), both.replace("exchanges: 4", "exchanges: 5"));
        header.rules.clear();
        let end = text.find("rules:").unwrap();
        assert_eq!(edited(text, &header).unwrap(), text[..end].replace("exchanges: 1 #", "exchanges: 12 #"));
        header.backends.insert("http://c".into(), crate::Backend::default());
        assert_eq!(edited(text, &header), None, "no place for it");
    }
}
