//! Tests of targets that can't be written: the error comes before CMD runs if it can be known then,
//! and a recording is never lost.

use crate::scene::{Scene, client, shell, shell_client};
use std::fs::File;

#[tokio::test]
async fn output_that_cannot_be_written_is_refused() {
    let scene = Scene::new().await;
    scene.recorded().await;
    scene.file("file", "mine");
    scene.file("folder/notes.txt", "mine");
    let ran = shell("touch ran");
    // Nobody can make a folder in /proc, nor below a file; root neither.
    for (path, expect) in [
        ("/proc/s", &["/proc"][..]),
        ("file/s", &["file"]),
        ("file", &["file", "it is a file", "name another folder"]),
        ("folder", &["folder", "it is a folder with other files in it", "name another folder"]),
    ] {
        scene.understudy(["record", "-o", path, "--", "touch", "ran"]).run().await.refused(expect);
        let capture = ["--on-miss", "capture", "-o", path];
        scene.respond(&capture, &ran).run().await.refused(expect);
    }
    for (path, expect) in [
        ("folder", &["can't write folder: it is a folder", "name a file in it"][..]),
        ("file/report.json", &["can't write file/report.json", "a folder that can be written"]),
        ("/proc/report.json", &["can't write /proc/report.json"]),
        ("nowhere/report.json", &["can't write nowhere/report.json", "No such file"]),
    ] {
        scene.respond(&["--report", path], &ran).run().await.refused(expect);
        scene.understudy(["match", "s", "s", "--report", path]).run().await.refused(expect);
        scene.understudy(["bundle", "s", "-o", path]).run().await.refused(&["can't write", path]);
    }
    scene.understudy(["collect", "--store", "file"]).run().await.refused(&["file"]);
    scene.understudy(["collect", "--store", "/proc/store"]).run().await.refused(&["/proc/store"]);
    assert_eq!(scene.names(), ["file", "folder", "s"], "CMD wasn't run, and nothing is half written");
    assert_eq!(scene.read("file") + &scene.read("folder/notes.txt"), "minemine");
    scene.all_gone().await;
}

#[tokio::test]
async fn special_file_is_written_to_and_not_replaced() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let cmd = client(&["GET http://api.test/a"]);
    // A pipe of the scene's own: /dev/null would be gone if this failed.
    scene.program("mkfifo", ["pipe"]).run().await.expect(0);
    for args in [&["--report", "pipe"][..], &["--report", "pipe", "--verbose"]] {
        let reader = scene.program("cat", ["pipe"]).start();
        scene.respond(args, &cmd).run().await.expect(0);
        assert_eq!(reader.end().await.expect(0).json()["type"], "report");
    }
    let reader = scene.program("cat", ["pipe"]).start();
    scene.understudy(["bundle", "s", "-o", "pipe"]).run().await.expect(0);
    assert!(reader.end().await.expect(0).out.contains("asm"));

    std::os::unix::fs::symlink("real.json", scene.path("link.json")).expect("a link");
    scene.file("real.json", "old");
    scene.respond(&["--report", "link.json"], &cmd).run().await.expect(0);
    assert!(
        scene.path("link.json").is_symlink() && scene.read("real.json").contains("report"),
        "a link stays a link"
    );
}

#[tokio::test]
async fn closed_stdout_and_stderr_end_nothing() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        File::from(std::os::fd::OwnedFd::from(writer))
    };
    for args in [&["inspect", "s"][..], &["lint", "s"], &["match", "s", "s"], &["inspect", "s", "--json"]] {
        let done = scene.understudy(args).stdout(full()).run().await.expect(2);
        done.says(&["error: can't write to stdout: No space left"]);
        let done = scene.understudy(args).stdout(closed()).run().await.expect(2);
        assert_eq!(done.err, "", "there is nobody to be told");
    }
    // A stderr that is gone is no reason to lose a recording.
    let cmd = client(&["GET http://api.test/a", "GET http://api.test/b"]);
    scene.record(&["--force"], &cmd).stderr(closed()).run().await.expect(0);
    assert_eq!(scene.read("s/exchanges.ndjson").lines().count(), 2);
    scene.respond(&[], &cmd).stderr(closed()).run().await.expect(0);
}

#[tokio::test]
async fn snapshot_that_cannot_be_written_is_kept_as_a_capture() {
    let scene = Scene::new().await;
    // CMD puts a file in the way of the snapshot: what could be written at the start can't be any
    // more.
    let cmd = shell(&format!("{}; mkdir s; touch s/mine", shell_client("'GET http://api.test/a'")));
    let done = scene.record(&[], &cmd).run().await.expect(2);
    done.says(&[
        "the recording is kept in",
        "s.capture",
        "understudy record -o s --recover",
        "other files in it",
    ]);
    assert_eq!(scene.names(), ["s", "s.capture"]);
    std::fs::remove_dir_all(scene.path("s")).expect("the folder");
    scene.understudy(["record", "-o", "s", "--recover"]).run().await.expect(0).says(&["1 exchange"]);
    assert_eq!(scene.names(), ["s"]);
}

/// A small disk that CMD fills once its request is stored; with room again, nothing is lost.
const ON_A_SMALL_DISK: &str = r#"
set -u
mkdir disk && mount -t tmpfs -o size=256k none disk && cd disk || exit 99
"$1" record -o s --map api.test="$2" -- sh -c "$3; until grep -q 'answer 1' s.capture/open/*; do :; done
    dd if=/dev/zero of=fill bs=1k 2>/dev/null; exit 0"
echo "record $?, $(ls)"
"$1" bundle --plain -o f.wasm
echo "bundle $?, $(ls -A)"
"$1" record -o t -- touch ran
echo "record t $?, $(ls -A)"
rm fill
"$1" record -o s --recover
echo "recover $?, $(ls)"
"#;

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let scene = Scene::new().await;
    let url = format!("http://{}", scene.upstream.address());
    let cmd = shell_client("'GET http://api.test/a'");
    // A mount of one's own needs root, or a system that lets anybody make name spaces.
    let own = ["--mount", "--map-root-user"];
    if scene.program("unshare", own.iter().chain(&["true"])).run().await.code != 0 {
        let said = b"NOT CHECKED: a full disk, since this system lets nobody but root mount one\n";
        std::io::Write::write_all(&mut std::io::stderr(), said).expect("stderr");
        return;
    }
    let script = ["sh", "-c", ON_A_SMALL_DISK, "sh", env!("CARGO_BIN_EXE_understudy"), &url, &cmd];
    let done = scene.program("unshare", own.iter().chain(&script)).run().await.expect(0);
    let (_, told) = done.out.split_once('\n').expect("CMD's line and ours");
    assert_eq!(
        told,
        "record 2, fill\ns.capture\nbundle 2, fill\ns.capture\nrecord t 2, fill\ns.capture\nrecover 0, s\n",
        "{done}"
    );
    done.says(&[
        "the recording is kept in",
        "make room on the disk",
        "No space left",
        "1 exchange with 1 backend recovered",
    ]);
    scene.all_gone().await;
}

#[tokio::test]
async fn a_folder_that_only_looks_like_a_capture_is_left_alone() {
    let scene = Scene::new().await;
    scene.file("s.capture/precious", "mine");
    let expect = ["s.capture is in the way, and it is no recording", "move it"];
    scene.record(&[], &shell("touch ran")).run().await.refused(&expect);
    scene.understudy(["record", "-o", "s", "--recover"]).run().await.refused(&expect);
    assert_eq!(scene.read("s.capture/precious"), "mine");
}

#[tokio::test]
async fn capture_store_in_use_is_refused() {
    let scene = Scene::new().await;
    let collect = || scene.understudy(["collect", "--store", "store", "--listen", "127.0.0.1:0"]);
    let first = collect().start();
    first.says("collecting on 127.0.0.1:").await;
    collect().run().await.refused(&[
        "another collector (process ",
        "is using the capture folder",
        "choose another folder",
    ]);
    first.signal(rustix::process::Signal::TERM);
    first.end().await.expect(0);
    scene.all_gone().await;
}
