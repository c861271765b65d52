//! Latency and faults in `snapshot.yaml` and on the command line: what CMD gets, and what the
//! report, `match`, `tune` and `lint` say.

use crate::scene::{Scene, client};
use std::time::{Duration, Instant};

const A: &str = "GET http://api.test/a";
const B: &str = "GET http://api.test/b";

#[tokio::test]
async fn faults_are_served_counted_and_reported() {
    let scene = Scene::new().await;
    scene.record(&[], &client(&[A, B])).run().await.expect(0);
    let rules = "rules:\n- path: /a\n  fault: { status: 503, body: out of order, every: 2 }\n- path: /c\n  fault: { status: 429 }\n\
                 - path: /nowhere\n  fault: { reset: true }\n";
    scene.file("s/snapshot.yaml", scene.read("s/snapshot.yaml") + rules);
    let asked = client(&[A, A, A, B, "GET http://api.test/c"]);
    let done = scene.respond(&["--json", "--report", "r.json", "-v"], &asked).run().await.expect(0);
    let said = &[
        "503 out of order",
        "429",
        "faults that rules made, among the matches: 2",
        "fault: status=503",
        "responder rate 100.0 %",
    ];
    let done = done.says(said);
    assert_eq!((&done.json()["faults"], &done.json()["matches"]), (&2.into(), &5.into()));
    assert!(scene.read("r.json").contains(r#""status":429,"fault":"status=429""#));
    // Repeat the requests of the report: the second of the three has the fault again.
    let done = scene.understudy(["match", "s", "r.json", "--json"]).run().await.expect(0);
    assert_eq!(done.json()["faults"], 2, "{done}");
    let done = scene.understudy(["tune", "s"]).run().await.expect(0);
    assert!(done.out.contains("fault     status=503, every 2"), "{done}");
    let done = scene.understudy(["lint", "s"]).run().await;
    let nothing: Vec<_> = done.out.lines().filter(|line| line.contains("rule-matches-nothing")).collect();
    assert_eq!(nothing.len(), 2, "no recorded request is one of /c or /nowhere: {done}");
}

#[tokio::test]
async fn latency_on_the_command_line_wins_over_the_snapshot() {
    let scene = Scene::new().await;
    scene.recorded().await;
    let exchanges = scene.read("s/exchanges.ndjson");
    let at = exchanges.find("\"first_byte_us\":").expect("the time to the first byte") + 16;
    let end = at + exchanges[at..].find(',').expect("more");
    scene.file("s/exchanges.ndjson", [&exchanges[..at], "1500000", &exchanges[end..]].concat());
    let header = scene.read("s/snapshot.yaml").replace("on_miss: fail", "on_miss: fail\nlatency: recorded");
    scene.file("s/snapshot.yaml", header);
    let took = async |args: &[&str]| {
        let script = "import sys,time,urllib.request\nt=time.time()\nurllib.request.urlopen('http://api.test/a').read()\nprint(time.time()-t)";
        let python = [crate::scene::python(), "-c".to_owned(), script.to_owned()];
        let done = scene.respond(args, &python).run().await.expect(0);
        Duration::from_secs_f64(done.out.trim().parse().expect("seconds"))
    };
    let start = Instant::now();
    assert!(took(&[]).await >= Duration::from_millis(1500));
    assert!(took(&["--latency", "0.5x"]).await < Duration::from_millis(1500));
    assert!(took(&["--latency", "none"]).await < Duration::from_millis(700), "{:?}", start.elapsed());
    let wrong = scene.respond(&["--latency", "slow"], &client(&[A])).run().await;
    wrong.expect(2).says(&["write none, recorded, or a factor"]);
}
