//! The certificate authority of one user on one machine: created once, stored in the configuration
//! folder, replaced on demand.

use crate::error::Error;
use crate::folder::{AuthorityFolder, FolderLock};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Ten years, with their leap days.
const LIFETIME: Duration = Duration::from_secs(3652 * DAY.as_secs());
/// A warning is given this long before the authority expires.
const WARN_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// RFC 5280, A.1: ub-common-name, in characters. Ours are ASCII.
pub(crate) const COMMON_NAME_MAX: usize = 64;

/// The authority, ready to sign. A clone shares the same authority.
#[derive(Clone)]
pub struct Authority {
    inner: Arc<AuthorityInner>,
}

struct AuthorityInner {
    folder: AuthorityFolder,
    der: Vec<u8>,
    pem: String,
    name: String,
    not_before: SystemTime,
    not_after: SystemTime,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The folder of the user's authority: `$UNDERSTUDY_CONFIG`, or `understudy` in
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    ///
    /// # Errors
    /// [`Error::NoFolder`] if none of the variables is set.
    pub fn folder() -> Result<PathBuf, Error> {
        // An empty variable counts as unset. The specification requires an absolute
        // `XDG_CONFIG_HOME`.
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = || path("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        path("UNDERSTUDY_CONFIG")
            .or_else(|| {
                config()
                    .or_else(|| path("HOME").map(|home| home.join(".config")))
                    .map(|c| c.join("understudy"))
            })
            .ok_or(Error::NoFolder)
    }

    /// Opens the authority in a folder, or creates it. If several processes call this at once, one
    /// creates it.
    ///
    /// # Errors
    /// The authority isn't usable (readable by others, expired, damaged), or the folder isn't
    /// writable.
    pub fn open_or_create(folder: &Path) -> Result<Self, Error> {
        let folder = AuthorityFolder::at(folder);
        // An intact authority needs no write, so the folder may be read-only.
        if let Some(text) = folder.read()? {
            let authority = Self::read(&folder, &text)?;
            if !folder.has(&authority.inner.pem) {
                folder.restore(&folder.lock()?, &authority.inner.pem)?;
            }
            return Ok(authority);
        }
        let lock = folder.lock()?;
        match folder.read()? {
            Some(text) => Self::read(&folder, &text),
            None => Self::create(&folder, &lock),
        }
    }

    /// Replaces the authority by a new one, whatever the state of the old one. Processes that have
    /// opened the old one keep it.
    ///
    /// # Errors
    /// The folder isn't writable, or others can write in it.
    pub fn rotate(folder: &Path) -> Result<Self, Error> {
        let folder = AuthorityFolder::at(folder);
        let lock = folder.lock()?;
        Self::create(&folder, &lock)
    }

    fn create(folder: &AuthorityFolder, lock: &FolderLock) -> Result<Self, Error> {
        let now = SystemTime::now();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let text = make(&common_name(&host, now), now - DAY, now + LIFETIME)?;
        let authority = Self::read(folder, &text)?;
        folder.write(lock, &text, &authority.inner.pem)?;
        Ok(authority)
    }

    fn read(folder: &AuthorityFolder, text: &str) -> Result<Self, Error> {
        let path = folder.authority();
        let damaged = |reason| Error::Damaged { path: path.clone(), reason };
        let der = certificate(text).ok_or_else(|| damaged("it holds no certificate"))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|_| damaged("its certificate can't be read"))?;
        let key = KeyPair::from_pem(text).map_err(|_| damaged("it holds no private key"))?;
        if key.public_key_raw() != parsed.public_key().subject_public_key.data.as_ref() {
            return Err(damaged("its key isn't that of its certificate"));
        }
        if !parsed.is_ca() {
            return Err(damaged("its certificate isn't that of an authority"));
        }
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let now = OffsetDateTime::now_utc();
        if not_after <= now {
            return Err(Error::Expired { path, on: not_after.date().to_string() });
        }
        if not_before > now {
            return Err(Error::NotYetValid { path, from: not_before.date().to_string() });
        }
        let name = parsed
            .subject()
            .iter_common_name()
            .next()
            .and_then(|name| name.as_str().ok())
            .unwrap_or_default();
        let inner = AuthorityInner {
            folder: folder.clone(),
            name: name.to_owned(),
            not_before: not_before.into(),
            not_after: not_after.into(),
            issuer: Issuer::from_ca_cert_der(&der.as_slice().into(), key)?,
            pem: to_pem(&der),
            der,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The certificate in PEM, for clients.
    pub fn pem(&self) -> &str {
        &self.inner.pem
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.inner.der
    }

    /// The file that holds only the certificate.
    pub fn path(&self) -> PathBuf {
        self.inner.folder.certificate()
    }

    /// The certificate's common name, by which a person recognises it.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The SHA-256 digest of the certificate, as `openssl x509 -fingerprint` and browsers write it.
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.inner.der);
        let mut text = String::new();
        for (place, byte) in digest.as_ref().iter().enumerate() {
            let _ = write!(text, "{}{byte:02X}", if place == 0 { "" } else { ":" });
        }
        text
    }

    /// The first and the last day on which it is valid, as `2026-11-21`.
    pub fn days(&self) -> (String, String) {
        let day = |time: SystemTime| OffsetDateTime::from(time).date().to_string();
        (day(self.inner.not_before), day(self.inner.not_after))
    }

    /// The beginning of its validity.
    pub fn not_before(&self) -> SystemTime {
        self.inner.not_before
    }

    /// The end of its validity.
    pub fn not_after(&self) -> SystemTime {
        self.inner.not_after
    }

    /// A warning with what to do, if the authority expires soon.
    pub fn warning(&self) -> Option<String> {
        let near = self.inner.not_after < SystemTime::now() + WARN_BEFORE;
        let on = OffsetDateTime::from(self.inner.not_after).date();
        near.then(|| {
            format!("the certificate authority expires on {on}; `understudy ca rotate` makes a new one")
        })
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.inner.issuer
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("name", &self.inner.name)
            .field("folder", &self.inner.folder)
            .finish_non_exhaustive()
    }
}

/// A new key and its certificate, in the format of the private file.
fn make(name: &str, not_before: SystemTime, not_after: SystemTime) -> Result<String, Error> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Understudy");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (not_before.into(), not_after.into());
    params.serial_number = Some(serial()?);
    let certificate = params.self_signed(&key)?;
    Ok(key.serialize_pem() + &to_pem(certificate.der()))
}

/// A random, positive number of 16 bytes. RFC 5280, 4.1.2.2, allows 20.
pub(crate) fn serial() -> Result<SerialNumber, Error> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn common_name(host: &str, now: SystemTime) -> String {
    let around = format!("Understudy CA, , {}", OffsetDateTime::from(now).date());
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let host: String = host.chars().filter(is_plain).take(COMMON_NAME_MAX - around.len()).collect();
    around.replacen(", ,", &format!(", {host},"), 1)
}

pub(crate) fn to_pem(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

fn certificate(text: &str) -> Option<Vec<u8>> {
    let blocks = pem::parse_many(text).ok()?;
    blocks.into_iter().find(|block| block.tag() == "CERTIFICATE").map(pem::Pem::into_contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Opens an authority that is valid between these days, counted from now.
    fn open(from: i32, to: i32) -> Result<Authority, Error> {
        let folder = tempfile::tempdir().expect("a folder");
        let day = |days: i32| {
            let length = DAY * days.unsigned_abs();
            if days < 0 { SystemTime::now() - length } else { SystemTime::now() + length }
        };
        let path = folder.path().join("authority.pem");
        std::fs::write(&path, make("CA", day(from), day(to)).expect("made")).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("a mode");
        Authority::open_or_create(folder.path())
    }

    #[test]
    fn authority_outside_its_validity_is_refused() {
        #[track_caller]
        fn check(from: i32, to: i32, expect: &str) {
            let error = open(from, to).expect_err(expect);
            assert!(error.to_string().contains(expect), "{error}");
        }
        check(-9, -1, "has expired on ");
        check(-9, -1, "`understudy ca rotate`");
        check(1, 9, "is this machine's clock right?");
        assert!(open(-9, 60).expect("valid").warning().is_none());
        assert!(open(-9, 20).expect("valid").warning().expect("soon").contains("`understudy ca rotate`"));
    }

    #[test]
    fn leaf_expires_with_its_authority_at_the_latest() {
        let authority = open(0, 3).expect("valid");
        let minter = crate::Minter::new(authority.clone(), DAY * 7).expect("a minter");
        let leaf = minter
            .mint(&[crate::ServerName::parse("a.test").expect("a name")], SystemTime::now())
            .expect("minted");
        assert_eq!(leaf.not_after, authority.not_after());
    }

    #[test]
    fn common_name_of_any_host_is_short_and_plain() {
        #[track_caller]
        fn check(host: &str, expect: &str) {
            let name = common_name(host, SystemTime::UNIX_EPOCH);
            assert_eq!(name, format!("Understudy CA, {expect}, 1970-01-01"));
            assert!(name.len() <= COMMON_NAME_MAX);
        }
        check("laptop.local", "laptop.local");
        check("", "");
        check("büro\n, ,", "bro");
        check(&"h".repeat(300), &"h".repeat(COMMON_NAME_MAX - 27));
    }
}
