//! The help: what a stranger needs to begin.

use crate::scene::Scene;

const SUBCOMMANDS: [&str; 21] = [
    "record", "respond", "replay", "report", "inspect", "lint", "redact", "tune", "bundle", "push", "match",
    "import", "export", "merge", "collect", "snapshot", "ca", "select", "ui", "istio", "pull",
];

#[tokio::test]
async fn every_level_has_an_example_and_its_exit_statuses() {
    let scene = Scene::new().await;
    let top = scene.understudy(["--help"]).run().await.expect(0);
    for name in SUBCOMMANDS {
        assert!(top.out.lines().any(|line| line.starts_with(&format!("  {name} "))), "{name}: {top}");
    }
    let levels = SUBCOMMANDS.iter().map(|name| vec![*name, "--help"]).chain([vec!["--help"]]);
    for args in levels {
        let done = scene.understudy(&args).run().await.expect(0);
        let own =
            if args.len() == 2 { format!("understudy {}", args[0]) } else { "understudy record".to_owned() };
        let (_, examples) =
            done.out.split_once("Examples:\n").unwrap_or_else(|| panic!("no example: {done}"));
        assert!(
            examples.contains(&format!("\n  {own}")) || examples.starts_with(&format!("  {own}")),
            "{done}"
        );
        assert!(examples.contains("Exit status: "), "{done}");
        // A terminal of the usual width.
        assert!(done.out.lines().all(|line| line.chars().count() <= 120), "{done}");
    }
}

#[tokio::test]
async fn version_option_prints_the_version() {
    let scene = Scene::new().await;
    let done = scene.understudy(["--version"]).run().await.expect(0);
    assert_eq!(done.out, format!("understudy {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn controller_subcommand_names_the_program_that_replaced_it() {
    let scene = Scene::new().await;
    for args in
        [&["controller"][..], &["controller", "--help"], &["controller", "--lease", "a", "--definition"]]
    {
        scene.understudy(args).run().await.refused(&["run understudy-controller", "make build-controller"]);
    }
}
