//! Compiles `filter/` for Envoy with a cargo process of its own, and writes the module to the path
//! that `lib.rs` includes.
//!
//! The same sources give the same bytes wherever the checkout, the cargo home and the target folder
//! are, and whichever build calls this script: the caller's flags, wrappers and profiles never
//! reach the inner cargo, and paths are removed from the compiler's output. With
//! `$UNDERSTUDY_FILTER_MODULE` set, the script uses that file and compiles nothing.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const READY_MADE: &str = "UNDERSTUDY_FILTER_MODULE";
const TARGET: &str = "wasm32-wasip1";
/// Paths, from the workspace's root, whose content determines the module.
const SOURCES: [&str; 5] = ["filter", "crates/core", "Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cargo::error={problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed={READY_MADE}");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let module = match env::var_os(READY_MADE).filter(|path| !path.is_empty()) {
        Some(path) => {
            let path = PathBuf::from(path);
            println!("cargo::rerun-if-changed={}", path.display());
            path
        }
        None => compile(&out)?,
    };
    fs::copy(&module, out.join("filter.wasm"))
        .map_err(|error| format!("{}: {error}", module.display()))
        .map(drop)
}

/// Runs the inner cargo and gives the module's path.
fn compile(out: &Path) -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest.ancestors().nth(2).ok_or("crates/module isn't in the workspace")?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    has_target(root)?;
    // One folder for all of the outer cargo's profiles. It isn't one that the outer cargo locks.
    let folder = outer_target(out).join("filter-module");
    // The folders of the dependencies' sources must exist to be cut. If this can't be done, the
    // build says why, or it wasn't needed.
    let _ = cargo(root)?.args(["fetch", "--quiet", "--locked", "--target", TARGET]).output();
    let mut build = cargo(root)?;
    build.args(["build", "-p", "understudy-filter", "--target", TARGET, "--profile", "filter", "--locked"]);
    build.arg("--target-dir").arg(&folder).env("CARGO_ENCODED_RUSTFLAGS", rust_flags(root, &folder)?);
    let status = build.status().map_err(|error| format!("cargo doesn't start: {error}"))?;
    if !status.success() {
        return Err(
            "the filter doesn't compile for Envoy; the compiler's messages are among these".to_owned()
        );
    }
    Ok(folder.join(TARGET).join("filter").join("understudy_filter.wasm"))
}

/// A cargo that knows nothing of the outer one.
fn cargo(root: &Path) -> Result<Command, String> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.current_dir(root);
    for (name, _) in env::vars_os().filter(|(name, _)| !passes(name)) {
        cargo.env_remove(name);
    }
    Ok(cargo)
}

/// Returns whether the inner cargo gets a variable of the outer one. It gets variables about paths
/// and downloads, and none about flags or the crate that is being compiled.
fn passes(name: &OsStr) -> bool {
    // A name that isn't UTF-8 isn't one of cargo's.
    let Some(name) = name.to_str() else { return true };
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if name.starts_with("CARGO") {
        return starts(&[
            "CARGO_HOME",
            "CARGO_MAKEFLAGS",
            "CARGO_NET_",
            "CARGO_HTTP_",
            "CARGO_REGISTR",
            "CARGO_TERM_",
        ]);
    }
    let exactly = ["TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS", "OUT_DIR", "CLIPPY_ARGS"];
    !exactly.contains(&name) && !starts(&["RUSTC_", "RUSTFLAGS", "RUSTDOC", "__CARGO"])
}

/// Cuts the paths of this machine from the module.
fn rust_flags(root: &Path, folder: &Path) -> Result<OsString, String> {
    let sysroot = rustc(root, &["--print", "sysroot"])?;
    let version = rustc(root, &["--version", "--verbose"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
    let home = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir().ok_or("there is no home folder, and $CARGO_HOME isn't set")?.join(".cargo"),
    };
    // One folder for each registry, named after its host, which may be a mirror.
    let registries = fs::read_dir(home.join("registry").join("src")).into_iter().flatten();
    let mut registries: Vec<_> = registries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    registries.sort();
    // If several apply, rustc uses the last one.
    let mut pairs = vec![(home, "/cargo".to_owned())];
    pairs.extend(registries.into_iter().map(|folder| (folder, "/crates".to_owned())));
    pairs.push((root.to_owned(), "/understudy".to_owned()));
    pairs.push((folder.to_owned(), "/target".to_owned()));
    // Paths in std's prebuilt code, which it contains even if the rust-src component is installed.
    pairs.push((Path::new(&sysroot).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")));
    let mut flags = OsString::new();
    for (from, to) in pairs {
        flags.push(if flags.is_empty() { "" } else { "\x1f" });
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}

fn has_target(root: &Path) -> Result<(), String> {
    let libraries = rustc(root, &["--print", "target-libdir", "--target", TARGET])?;
    if Path::new(&libraries).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the filter needs Rust's {TARGET} target: run `make setup`, or `rustup target add {TARGET}`; \
         or set ${READY_MADE} to a compiled filter"
    ))
}

fn rustc(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let run = Command::new(variable("RUSTC")?).args(arguments).current_dir(root).output();
    let output = run.map_err(|error| format!("rustc doesn't start: {error}"))?;
    if !output.status.success() {
        return Err(format!("rustc {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The outer cargo's target folder: the one around `OUT_DIR` that cargo has tagged.
fn outer_target(out: &Path) -> &Path {
    out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap_or(out)
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo doesn't set ${name}"))
}
