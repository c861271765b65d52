//! Tests of `tune`: rules with their evidence are applied and undone, and the rest of
//! `snapshot.yaml` stays.

use crate::scene::{Scene, client};

fn nonce(number: u8) -> String {
    format!("GET http://api.test/b?nonce=6f1d6f4c-3c1f-4f0e-8f5e-0000000000{number:02}&page={number}")
}

/// A recording with a rule that was learnt, and a person's remarks.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.record(&[], &client(&[&nonce(1), &nonce(1)])).run().await.expect(0).says(&["1 rule added"]);
    let header = scene.read("s/snapshot.yaml");
    assert!(header.contains("volatile:\n  - query.nonce"), "{header}");
    let remarked =
        header.replace("on_miss: fail", "on_miss: fail # mine").replace("rules:", "# about rules\nrules:");
    scene.file("s/snapshot.yaml", remarked);
    scene
}

#[tokio::test]
async fn rules_are_shown_undone_and_applied_again() {
    let scene = scene().await;
    let learnt = scene.read("s/snapshot.yaml");
    let done = scene.understudy(["tune", "s"]).run().await.expect(0);
    for text in ["1 rule in force", "1  GET http://api.test /b", "volatile  query.nonce", "because"] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    assert!(!done.out.contains("proposal"), "what a rule says isn't proposed: {done}");
    let more = "- sequence: stick-last\n  on_miss: passthrough\n  echo: false\n";
    scene.file("s/snapshot.yaml", format!("{learnt}{more}"));
    let done = scene.understudy(["tune", "s"]).run().await.expect(0);
    for text in ["2  all requests", "sequence  stick-last", "on_miss   passthrough", "echo      false"] {
        assert!(done.out.contains(text), "{text:?}: {done}");
    }
    scene.file("s/snapshot.yaml", &learnt);
    let done = scene.understudy(["tune", "s", "--undo", "all"]).run().await.expect(0);
    assert!(
        done.out.starts_with("no rules") && done.out.contains("1 proposal (apply with --apply"),
        "{done}"
    );
    let without = scene.read("s/snapshot.yaml");
    assert!(
        without.contains("# mine") && without.contains("# about rules") && !without.contains("\nrules:"),
        "{without}"
    );
    let other = client(&[&nonce(1).replace("8f5e", "9f5e")]);
    scene.respond(&[], &other).run().await.expect(1);
    scene.understudy(["tune", "s", "--apply", "1"]).run().await.expect(0);
    scene.respond(&[], &other).run().await.expect(0);
    scene.understudy(["tune", "s", "--undo", "1"]).run().await.expect(0);
    assert_eq!(scene.read("s/snapshot.yaml"), without, "there and back, byte for byte");
    scene.understudy(["tune", "s", "--apply", "all"]).run().await.expect(0);
    let again = scene.read("s/snapshot.yaml");
    assert_eq!(again.split("rules:\n").nth(1), learnt.split("rules:\n").nth(1), "the same rule");
}

#[tokio::test]
async fn second_recording_proposes_rules() {
    let scene = scene().await;
    let map = format!("api.test=http://{}", scene.upstream.address());
    let call = ["record", "-o", "again", "--map", &map, "--"].map(str::to_owned);
    scene.understudy(call.into_iter().chain(client(&[&nonce(2), &nonce(2)]))).run().await.expect(0);
    let done = scene.understudy(["tune", "s", "--with", "again", "--json"]).run().await.expect(0).json();
    let proposal = &done["proposals"][0];
    assert_eq!(proposal["mask"][0], "query.page", "{done}");
    assert_eq!(proposal["volatile"], serde_json::Value::Null, "what is said isn't proposed again: {done}");
    scene.understudy(["tune", "s", "--with", "again", "--apply", "all"]).run().await.expect(0);
    scene.respond(&[], &client(&[&nonce(3)])).run().await.expect(0);
}

#[tokio::test]
async fn impossible_change_is_refused_and_changes_nothing() {
    let scene = scene().await;
    let before = scene.read("s/snapshot.yaml");
    for (args, expect) in [
        (&["nowhere"][..], &["there is no snapshot at nowhere"][..]),
        (&["s", "--with", "nowhere"], &["there is no snapshot at nowhere"]),
        (&["s", "--undo", "2"], &["there is no rule 2: there is one"]),
        (&["s", "--undo", "1,7"], &["there is no rule 7"]),
        (&["s", "--apply", "1"], &["there is no proposal 1: there is none"]),
    ] {
        scene.understudy([&["tune"], args].concat()).run().await.refused(expect);
    }
    for (args, expect) in [
        (&["s", "--apply", "0"][..], "must be numbers such as 1,3, or all"),
        (&["s", "--apply", "x"], "must be numbers such as 1,3, or all"),
        (&["s", "--apply", "1", "--undo", "1"], "cannot be used with"),
        (&[], "<SNAPSHOT>"),
    ] {
        scene.understudy([&["tune"], args].concat()).run().await.expect(2).says(&[expect]);
    }
    assert_eq!(scene.read("s/snapshot.yaml"), before);
    for (from, to, expect) in [
        ("volatile:", "volatil:", "unknown field `volatil`"),
        ("query.nonce", "querry.nonce", "\"querry.nonce\" is no place: write path.N"),
        ("rules:\n", "rules: [\n", "snapshot.yaml:"),
    ] {
        let broken = before.replacen(from, to, 1);
        scene.file("s/snapshot.yaml", &broken);
        scene.understudy(["tune", "s", "--undo", "all"]).run().await.refused(&[expect, "snapshot.yaml:"]);
        assert_eq!(scene.read("s/snapshot.yaml"), broken);
    }
    scene.file("s/snapshot.yaml", before);
    assert_eq!(std::fs::read_dir(scene.path("s")).expect("s").count(), 2, "nothing half-written");
}
