//! The sample's recording, with the rules that are learned from it: each change of each of its
//! requests.

use understudy_analyse::learn;
use understudy_snapshot::Snapshot;
use understudy_testkit_mutation::mutations;

#[test]
fn mutations_of_the_sample_agree_with_the_reference() {
    let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../snapshots/payment");
    let folder = tempfile::TempDir::with_prefix("understudy-mutations-").unwrap();
    for file in ["snapshot.yaml", "exchanges.ndjson"] {
        std::fs::copy(sample.join(file), folder.path().join(file)).unwrap();
    }
    let mut snapshot = Snapshot::open(folder.path()).unwrap();
    let rules = learn::learn(&snapshot, None).unwrap();
    snapshot.set_rules(rules).unwrap();
    let outcome = mutations(folder.path());
    println!("{outcome}");
    let some: Vec<_> = outcome.exceptions.iter().take(20).collect();
    assert!(some.is_empty(), "{} exceptions, such as {some:#?}", outcome.exceptions.len());
    assert!(outcome.missed > 3000 && outcome.matched > 2000 && outcome.named_another > 0, "{outcome}");
}
