//! Changes the rules of a snapshot that is there, and nothing else in its `snapshot.yaml`: what a person wrote stays.

use crate::error::SnapshotError;
use crate::header::{Header, rules_to_yaml};
use crate::reader::{HEADER_FILE, Snapshot};
use std::fs;
use std::io::Write;
use understudy_core::rules::Rule;

impl Snapshot {
    /// Puts these rules in the place of those that are there. The file is replaced whole or not at all.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] where the file can't be read or written, [`SnapshotError::Yaml`] where somebody has broken it meanwhile.
    pub fn set_rules(&mut self, rules: Vec<Rule>) -> Result<(), SnapshotError> {
        let file = self.path().join(HEADER_FILE);
        let old = fs::read_to_string(&file).map_err(SnapshotError::io("read", &file))?;
        let mut header = Header::from_yaml(&old, &file)?;
        header.rules = rules;
        let edited = with_rules(&old, &header.rules);
        // Whatever somebody may do with YAML: what we write must say what we mean.
        let text = match Header::from_yaml(&edited, &file) {
            Ok(read) if read == header => edited,
            _ => header.to_yaml(),
        };
        let write = || -> std::io::Result<()> {
            let mut beside = tempfile::Builder::new().prefix(".snapshot.yaml.").tempfile_in(self.path())?;
            beside.write_all(text.as_bytes())?;
            beside.as_file().set_permissions(fs::metadata(&file)?.permissions())?;
            beside.as_file().sync_all()?;
            beside.persist(&file).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(SnapshotError::io("write", &file))?;
        self.set_header(header);
        Ok(())
    }
}

/// The text with other rules in it.
fn with_rules(text: &str, rules: &[Rule]) -> String {
    let written = if rules.is_empty() { String::new() } else { rules_to_yaml(rules) };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(start) = lines.iter().position(|line| line.starts_with("rules:")) else {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        return format!("{text}{end}{written}");
    };
    // The list goes on with what is indented, or begins with a dash; comments and blank lines between belong to it.
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
    fn what_a_person_wrote_stays() {
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
}
