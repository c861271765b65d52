//! Tests of `tune`: rules with their evidence are applied and undone, and the rest of
//! `snapshot.yaml` stays.

use crate::scene::{Scene, client, shell, shell_client};

fn nonce(number: u8) -> String {
    format!("GET http://api.test/b?nonce=6f1d6f4c-3c1f-4f0e-8f5e-0000000000{number:02}&page={number}")
}

/// A recording with a rule that was learnt, and a person's remarks.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.record(&[], &client(&[&nonce(1), &nonce(1)])).run().await.expect(0).says(&["1 rule added"]);
    let header = scene.read("s/snapshot.yaml");
    assert!(header.contains("mask:\n  - query.nonce"), "{header}");
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
    for text in ["1 rule in force", "1  GET http://api.test /b", "mask      query.nonce", "because"] {
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
    assert_eq!(
        proposal["mask"].as_array().map(Vec::len),
        Some(1),
        "what is said isn't proposed again: {done}"
    );
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
        ("mask:", "msk:", "unknown field `msk`"),
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

/// A request that names a thing by a UUID which the client made up.
fn thing(number: u8) -> String {
    format!("POST http://api.test/things ref=6f1d6f4c-3c1f-4f0e-8f5e-0000000000{number:02}")
}

#[tokio::test]
async fn assumed_match_is_a_miss_with_strict_until_it_is_accepted() {
    let scene = Scene::new().await;
    scene.record(&[], &client(&[&thing(1)])).run().await.expect(0);
    assert!(scene.read("s/snapshot.yaml").contains("assumed: true"), "{}", scene.read("s/snapshot.yaml"));
    let other = client(&[&thing(2)]);
    scene.respond(&[], &other).run().await.expect(0).says(&["0 exact, 0 proved, 1 assumed"]);
    scene.respond(&[], &client(&[&thing(1)])).run().await.expect(0).says(&["1 exact, 0 proved, 0 assumed"]);
    let done = scene.respond(&["--strict", "--report", "r.json"], &other).run().await.expect(1);
    done.says(&["record --again", "tune", "--accept"]);
    scene.understudy(["match", "s", "r.json"]).run().await.expect(0);
    scene.understudy(["match", "s", "r.json", "--strict"]).run().await.expect(1);
    scene.understudy(["tune", "s", "--accept", "all"]).run().await.expect(0);
    assert!(!scene.read("s/snapshot.yaml").contains("assumed"), "{}", scene.read("s/snapshot.yaml"));
    scene.respond(&["--strict"], &other).run().await.expect(0).says(&["0 exact, 1 proved, 0 assumed"]);
}

#[tokio::test]
async fn second_run_settles_what_one_run_left_open() {
    // The service sends the same reference on each run, although it looks made up.
    let scene = Scene::new().await;
    scene.record(&[], &client(&[&thing(1)])).run().await.expect(0);
    let again = |cmd: Vec<String>| {
        let map = format!("api.test=http://{}", scene.upstream.address());
        let before = ["record", "--again", "s", "--map", &map, "--"].map(str::to_owned);
        scene.understudy(before.into_iter().chain(cmd))
    };
    let exchanges = scene.read("s/exchanges.ndjson");
    again(client(&[&thing(1)])).run().await.expect(0).says(&["0 learnt rules by two runs (before: 1)"]);
    scene.respond(&[], &client(&[&thing(2)])).run().await.expect(1);
    // It sends another on each run.
    again(client(&[&thing(3)]))
        .run()
        .await
        .expect(0)
        .says(&["1 learnt rule by two runs", "0 of them assumed"]);
    scene.respond(&["--strict"], &client(&[&thing(2)])).run().await.expect(0);
    assert_eq!(scene.read("s/exchanges.ndjson"), exchanges, "only rules change");
    again(vec!["true".to_owned()]).run().await.refused(&["nothing was recorded in this run"]);
}

#[tokio::test]
async fn two_runs_at_once_prove_what_changes() {
    let scene = Scene::new().await;
    let count = r#"n=$(cat n 2>/dev/null || echo 0); n=$((n+1)); echo $n >n"#;
    let call = shell_client(r#""POST http://api.test/things run=$n""#);
    scene.record(&["--runs", "2"], &shell(&format!("{count}; {call}"))).run().await.expect(0);
    assert!(
        scene.read("s/snapshot.yaml").contains("mask:\n  - body/run"),
        "{}",
        scene.read("s/snapshot.yaml")
    );
    scene.respond(&["--strict"], &client(&["POST http://api.test/things run=77"])).run().await.expect(0);
}

#[tokio::test]
async fn rules_of_version_1_are_learnt_anew_with_a_notice() {
    // Version 1 took each random value for one that changes by itself, also in a read.
    let scene = Scene::new().await;
    let account = |n: u8| format!("GET http://api.test/accounts/6f1d6f4c-3c1f-4f0e-8f5e-0000000000{n:02}");
    scene.record(&[], &client(&[&account(1)])).run().await.expect(0);
    let old = "rules:\n- backend: http://api.test\n  path: /accounts/*\n  volatile:\n  - path.2\n  why: x\n  exchanges: 1\n\
               - path: /mine\n  mask:\n  - query.q\n";
    let header = scene.read("s/snapshot.yaml");
    scene.file("s/snapshot.yaml", format!("{header}{old}"));
    let done = scene.respond(&[], &client(&[&account(2)])).run().await.expect(1);
    done.says(&["1 rule of s learnt by an earlier version", "tune s --relearn"]);
    assert!(scene.read("s/snapshot.yaml").ends_with(old), "the file stays");
    scene.understudy(["tune", "s", "--relearn"]).run().await.expect(0);
    let now = scene.read("s/snapshot.yaml");
    assert!(now.contains("/mine") && !now.contains("volatile"), "{now}");
}
