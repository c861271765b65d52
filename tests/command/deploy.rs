//! What `deploy/` says, held against the repository. No image is built: there is no Docker here.

use crate::scene::root;
use std::path::Path;

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lines without comments, and instructions over several lines as one.
fn instructions() -> Vec<String> {
    let text = read("deploy/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_image_holds_one_static_binary_and_nobody_runs_it_as_root() {
    let all = instructions();
    let stages: Vec<_> = (0..all.len()).filter(|&at| all[at].starts_with("FROM ")).collect();
    let (build, last) = (&all[stages[0]..stages[1]], &all[stages[1]..]);
    assert_eq!(stages.len(), 2);
    let channel = read("rust-toolchain.toml");
    let rust =
        channel.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a channel");
    assert_eq!(build[0], format!("FROM rust:{rust}-alpine AS build"), "the repository's own Rust, on musl");
    assert!(build.iter().any(|line| line == "RUN cargo build --locked --release -p understudy-cli"));
    assert_eq!(last[0], "FROM scratch");
    let copied: Vec<_> = last.iter().filter(|line| line.starts_with("COPY")).collect();
    assert_eq!(copied.len(), 2, "the certificates and the binary: {copied:?}");
    assert!(copied.iter().all(|line| line.starts_with("COPY --from=build /")), "{copied:?}");
    let user = last.iter().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    let numbers: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
    assert!(numbers.len() == 2 && numbers.iter().all(|&id| id > 0), "{user}");
    assert!(last.iter().any(|line| line == "ENTRYPOINT [\"/understudy\"]"));
    assert!(!all.iter().any(|line| line.starts_with("ADD ") || line.contains(":latest")), "{all:?}");
}

#[test]
fn the_build_gets_all_that_the_sources_name() {
    let ignore = read("deploy/Dockerfile.dockerignore");
    let let_in: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"));
    for name in &let_in {
        assert!(root().join(name).exists(), "{name} isn't there");
    }
    let mut named = vec!["Cargo.toml".to_owned(), "Cargo.lock".into(), "filter".into(), "crates".into()];
    sources(&root().join("crates"), &mut |text| {
        // `include_str!("../../../envoy/envoy.yaml")`: what lies above the crates.
        let paths =
            text.split("include_str!(\"../../../").skip(1).filter_map(|rest| rest.split(['/', '"']).next());
        named.extend(paths.map(str::to_owned));
    });
    let manifest = read("crates/cli/Cargo.toml");
    let paths = manifest.split("path = \"../../").skip(1).filter_map(|rest| rest.split(['/', '"']).next());
    named.extend(paths.map(str::to_owned));
    assert!(named.iter().any(|name| name == ".envoy-version") && named.iter().any(|name| name == "tests"));
    for name in named {
        assert!(let_in.contains(&name.as_str()), "{name} is kept out of the build");
    }
}

fn sources(folder: &Path, visit: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, visit);
        } else if path.iter().any(|part| part == "src")
            && path.extension().is_some_and(|extension| extension == "rs")
        {
            visit(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}
