//! Certificates for server names, signed by the authority, strict enough for every client.

use crate::authority::{Authority, COMMON_NAME_MAX, DAY, serial, to_pem};
use crate::error::Error;
use crate::name::ServerName;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::time::{Duration, SystemTime};

/// How long a certificate is valid where nobody says something else.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());
/// The longest that [`Minter::new`] gives: some clients refuse more than 398 days, and [`SKEW`] is added.
const LIFETIME_MAX: Duration = Duration::from_secs(397 * DAY.as_secs());
/// So far may a client's clock be behind.
const SKEW: Duration = DAY;

/// A certificate for one server name, with its key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate in PEM. Clients have the authority's own.
    pub chain: String,
    /// The private key in PEM: PKCS #8, ECDSA P-256.
    pub key: String,
    /// When it is no longer valid.
    pub not_after: SystemTime,
}

/// Makes certificates. They share one key, which lives as long as this: making one takes as long as a signature.
pub struct Minter {
    authority: Authority,
    lifetime: Duration,
    key: KeyPair,
}

impl Minter {
    /// Certificates by this authority, valid this long from when they are made, and 397 days at most.
    ///
    /// # Errors
    /// The system has no randomness for a key.
    pub fn new(authority: Authority, lifetime: Duration) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        Ok(Self { authority, lifetime: lifetime.min(LIFETIME_MAX), key })
    }

    /// A certificate for these names, made at this time.
    ///
    /// # Errors
    /// The library refuses. It doesn't for a [`ServerName`].
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
        // Before the authority's own beginning, strict verifiers would refuse it.
        params.not_before = (now - SKEW).max(self.authority.not_before()).into();
        params.not_after = not_after.into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // By default it would come from the key, and be the same for all of them.
        params.serial_number = Some(serial()?);
        let certificate = params.signed_by(&self.key, self.authority.issuer())?;
        Ok(Leaf { chain: to_pem(certificate.der()), key: self.key.serialize_pem(), not_after })
    }
}

/// Never empty: then the alternative name would have to be critical, which not all clients like. Long names are in that one alone.
fn subject(names: &[ServerName]) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "Understudy");
    let name = names.first().map(ServerName::to_string);
    if let Some(name) = name.filter(|name| name.len() <= COMMON_NAME_MAX) {
        subject.push(DnType::CommonName, name);
    }
    subject
}
