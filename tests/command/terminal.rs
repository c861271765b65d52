//! Tests that CMD has the terminal as without us: Ctrl-C, Ctrl-Z and typed text; and that no
//! process is left behind.

use crate::call::Call;
use crate::scene::{Scene, python, script};
use crate::signals::endless;

/// A command in a terminal, where each of `keys` (`TEXT=KEYS`) is typed once its text is shown.
fn in_terminal(scene: &Scene, keys: &[&str], command: &[&str]) -> Call {
    let script = script("pty_run.py");
    scene.program(&python(), [&[script.as_str()], keys, &["--"], command].concat())
}

const UNDERSTUDY: &str = env!("CARGO_BIN_EXE_understudy");

#[tokio::test]
async fn ctrl_c_ends_cmd_and_keeps_the_recording() {
    let scene = Scene::new().await;
    let map = format!("api.test=http://{}", scene.upstream.address());
    let cmd = endless();
    let cmd: Vec<_> = cmd.iter().map(String::as_str).collect();
    let command = [&[UNDERSTUDY, "record", "-o", "s", "--map", &map, "--"], cmd.as_slice()].concat();
    let done = in_terminal(&scene, &["200 answer=\\x03"], &command).run().await.expect(128 + 2);
    assert!(done.out.contains("1 exchange with 1 backend recorded"), "{done}");
    scene.all_gone().await;
    assert!(scene.names().contains(&"s".to_owned()));
}

#[tokio::test]
async fn cmd_reads_typed_text_and_can_be_resumed() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let script = scene.file("cmd.sh", "echo CMD asks; read -r line; echo \"CMD read: $line\"");
    let command = [UNDERSTUDY, "respond", "s", "--", "sh", script.to_str().expect("text")];
    // There is no shell here that could resume what Ctrl-Z stops.
    let done = in_terminal(&scene, &["CMD asks=\\x1atyped\\n"], &command).run().await.expect(0);
    assert!(done.out.contains("CMD read: typed"), "{done}");
    // The program that started us gets the terminal back, even a shell that doesn't take it itself.
    let script = format!("{}; read -r line; echo \"then read: $line\"", command.join(" "));
    let keys = ["CMD asks=typed\\n", "CMD read: typed=more\\n"];
    let done = in_terminal(&scene, &keys, &["sh", "-c", &script]).run().await.expect(0);
    assert!(done.out.contains("then read: more"), "{done}");
    // In a pipeline, CMD is lent the terminal when it reads.
    let piped = format!("{} | cat", command.join(" "));
    let done = in_terminal(&scene, &["CMD asks=typed\\n"], &["sh", "-c", &piped]).run().await.expect(0);
    assert!(done.out.contains("CMD read: typed"), "{done}");
    scene.all_gone().await;
}

#[tokio::test]
async fn shell_stops_and_resumes_the_command() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let script = scene.file("cmd.sh", "echo CMD asks; read -r line; echo \"CMD read: $line\"; exit 4");
    let job = format!("{UNDERSTUDY} respond s -- sh {}\\n", script.display());
    let keys = [
        format!("prompt>={job}"),
        "CMD asks=\\x1a".to_owned(),
        "Stopped=fg\\n".to_owned(),
        "understudy respond=typed\\n".to_owned(),
        "prompt>=exit $?\\n".to_owned(),
    ];
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let call = in_terminal(&scene, &keys, &["bash", "--norc", "--noprofile", "-i"]);
    let done = call.env("PS1", "prompt>").run().await.expect(4);
    assert!(done.out.contains("CMD read: typed"), "{done}");
    scene.all_gone().await;
}
