//! Credentials for a registry, as `docker login` stored them in `config.json` or with a helper.
//! Never prompts, and never stores anything.

use anyhow::{Context, bail};
use docker_credential::{CredentialRetrievalError as Why, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;
use std::env;
use std::path::PathBuf;

/// The credentials for a registry; anonymous without any.
pub(super) fn of(registry: &str) -> anyhow::Result<RegistryAuth> {
    let Some(path) = config() else { return Ok(RegistryAuth::Anonymous) };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
    };
    match get_credential_from_reader(&bytes[..], key(registry)) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => bail!(
            "{} has an identity token for {registry}, which understudy can't use; `docker login {registry}` with a user's name and a token",
            path.display()
        ),
        Err(Why::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // Message of all helpers about an unknown registry.
        Err(Why::HelperFailure { stdout, .. }) if stdout.contains("credentials not found") => {
            Ok(RegistryAuth::Anonymous)
        }
        Err(Why::HelperFailure { helper, stdout, stderr }) => {
            bail!("{helper}, which {} names, fails: {}{}", path.display(), stdout.trim(), stderr.trim())
        }
        Err(Why::HelperCommunicationError) => bail!(
            "the credential helper that {} names can't be run; install it, or name another folder with DOCKER_CONFIG",
            path.display()
        ),
        Err(error) => bail!("{}: {error}; `docker login {registry}` writes it again", path.display()),
    }
}

/// Docker's configuration file.
fn config() -> Option<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = of("DOCKER_CONFIG").or_else(|| Some(of("HOME")?.join(".docker")))?;
    Some(folder.join("config.json"))
}

/// Docker's key for a registry. For Docker's own registry it is a historical address.
fn key(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" => "https://index.docker.io/v1/",
        other => other,
    }
}
