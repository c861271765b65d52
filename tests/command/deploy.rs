//! Checks the files in `deploy/` against the repository. No image is built: there is no Docker
//! here.

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

/// A stage of the Dockerfile: its name, what it starts from, and its other instructions.
struct Stage {
    name: String,
    from: String,
    rest: Vec<String>,
}

fn stages() -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in instructions() {
        match (line.strip_prefix("FROM "), stages.last_mut()) {
            (Some(from), _) => {
                let (from, name) = from.split_once(" AS ").unwrap_or((from, ""));
                stages.push(Stage { name: name.to_owned(), from: from.to_owned(), rest: Vec::new() });
            }
            (None, Some(stage)) => stage.rest.push(line),
            (None, None) => panic!("{line} is before the first FROM"),
        }
    }
    stages
}

#[test]
fn images_hold_one_static_binary_and_no_root() {
    let stages = stages();
    let channel = read("rust-toolchain.toml");
    let rust =
        channel.split("channel = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a channel");
    assert_eq!(stages[0].from, format!("rust:{rust}-alpine"), "the repository's own Rust, on musl");
    for (package, target) in [("understudy-cli", ""), ("understudy-controller", "controller")] {
        let program = if package == "understudy-cli" { "understudy" } else { package };
        let build = stages
            .iter()
            .find(|stage| stage.rest.contains(&format!("RUN cargo build --locked --release -p {package}")))
            .unwrap_or_else(|| panic!("no stage builds {package}"));
        assert_eq!(build.from, stages[0].name);
        let image = stages.iter().find(|stage| stage.from == "scratch" && stage.name == target);
        let image = &image.unwrap_or_else(|| panic!("no image {target:?}")).rest;
        let copied: Vec<_> = image.iter().filter(|line| line.starts_with("COPY")).collect();
        assert_eq!(copied.len(), 2, "the certificates and the binary: {copied:?}");
        assert!(copied.iter().all(|line| line.starts_with("COPY --from=")), "{copied:?}");
        let binary = format!("COPY --from={} /src/target/release/{program} /{program}", build.name);
        assert!(copied.contains(&&binary), "{copied:?}");
        let user = image.iter().find_map(|line| line.strip_prefix("USER ")).expect("a user");
        let numbers: Vec<u32> = user.split(':').map(|id| id.parse().expect("a number")).collect();
        assert!(numbers.len() == 2 && numbers.iter().all(|&id| id > 0), "{user}");
        assert!(image.contains(&format!("ENTRYPOINT [\"/{program}\"]")), "{image:?}");
    }
    // The image that is built without a target is that of the command.
    assert_eq!(stages.last().expect("a stage").name, "");
    let all = instructions();
    assert!(!all.iter().any(|line| line.starts_with("ADD ") || line.contains(":latest")), "{all:?}");
}

#[test]
fn controller_manifests_name_its_image_and_no_subcommand() {
    let deployment = read("envoy/istio/controller/base/deployment.yaml");
    assert!(deployment.contains("\n          image: understudy-controller\n"));
    let (_, args) = deployment.split_once("          args:\n").expect("arguments");
    let args: Vec<_> = args
        .lines()
        .take_while(|line| line.starts_with("            "))
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(args.iter().all(|arg| arg.starts_with("- --")), "{args:?}");
    assert!(args.iter().any(|arg| arg.starts_with("- --job-image=")), "{args:?}");
    let images = read("envoy/istio/controller/base/kustomization.yaml");
    assert!(images.contains("\n  - name: understudy-controller\n"));
}

#[test]
fn build_context_has_all_files_of_the_sources() {
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
