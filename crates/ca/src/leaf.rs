//! Certificates for server names, signed by the authority, with what the strictest clients require.

use crate::authority::{Authority, COMMON_NAME_MAX, DAY, serial, to_pem};
use crate::error::Error;
use crate::name::ServerName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::time::{Duration, SystemTime};

/// The default lifetime of a certificate.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());
/// The maximum lifetime. Some clients refuse more than 398 days, and [`SKEW`] is added.
const LIFETIME_MAX: Duration = Duration::from_secs(397 * DAY.as_secs());
/// Maximum lag of a client's clock.
const SKEW: Duration = DAY;

/// A certificate for one server name, with its key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate in PEM. Clients have the authority's certificate.
    pub chain: String,
    /// The private key in PEM: PKCS #8, ECDSA P-256.
    pub key: String,
    /// The end of its validity.
    pub not_after: SystemTime,
}

/// Issues certificates. They share one key, which lives as long as the minter, so that issuing one
/// takes as long as a signature.
pub struct Minter {
    authority: Authority,
    lifetime: Duration,
    key: KeyPair,
}

impl Minter {
    /// A minter for certificates of this authority, valid for `lifetime` and at most 397 days.
    ///
    /// # Errors
    /// The system has no randomness for a key.
    pub fn new(authority: Authority, lifetime: Duration) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { authority, lifetime: lifetime.min(LIFETIME_MAX), key })
    }

    /// Issues a certificate for these names at the time `now`.
    ///
    /// # Errors
    /// The library refuses a name. It accepts every [`ServerName`].
    pub fn mint(&self, names: &[ServerName], now: SystemTime) -> Result<Leaf, Error> {
        let not_after = (now + self.lifetime).min(self.authority.not_after());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(names);
        for name in names {
            params.subject_alt_names.push(match name {
                ServerName::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                ServerName::Ip(address) => SanType::IpAddress(*address),
            });
        }
        // Strict verifiers refuse a certificate that is valid before its authority.
        params.not_before = (now - SKEW).max(self.authority.not_before()).into();
        params.not_after = not_after.into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // The default is derived from the key, and equal for all certificates.
        params.serial_number = Some(serial()?);
        let certificate = params.signed_by(&self.key, self.authority.issuer())?;
        Ok(Leaf { chain: to_pem(certificate.der()), key: self.key.serialize_pem(), not_after })
    }
}

/// The subject. It is never empty: otherwise the alternative name would have to be critical, which
/// not all clients support. Long names are only in the alternative name.
fn subject(names: &[ServerName]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Understudy");
    let name = names.first().map(ServerName::to_string);
    if let Some(name) = name.filter(|name| name.len() <= COMMON_NAME_MAX) {
        subject.push(DnType::CommonName, name);
    }
    subject
}
