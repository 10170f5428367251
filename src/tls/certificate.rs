//! What a certificate says (RFC 5280). rustls verifies certificates and tells neither their names nor their times.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

/// An alternative name of a certificate's subject (RFC 5280 section 4.2.1.6). Other kinds are left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A DNS name in lower case, perhaps with `*` as its first label.
    Dns(String),
    /// An IP address.
    Ip(IpAddr),
    /// A URI, such as `spiffe://example/service`.
    Uri(String),
    /// An e-mail address.
    Email(String),
}

/// The names and times of a certificate.
#[derive(Debug)]
pub(super) struct Facts {
    /// The subject in the form of RFC 4514; empty if there is none.
    pub(super) subject: String,
    /// The subject's alternative names, as far as [`Name`] knows them.
    pub(super) names: Vec<Name>,
    not_before: Time,
    not_after: Time,
}

/// Whether a certificate holds at a moment.
pub(super) enum Validity {
    Good,
    /// Since when it is over, in UTC.
    Expired(String),
    /// From when it holds, in UTC.
    NotYet(String),
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It does not keep to RFC 5280.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Result<Self, x509_cert::der::Error> {
        let certificate = Certificate::from_der(certificate)?;
        let inner = certificate.tbs_certificate();
        let names = inner.get_extension::<SubjectAltName>()?.map(|(_, names)| names.0);
        let validity = inner.validity();
        Ok(Self {
            subject: inner.subject().to_string(),
            names: names.unwrap_or_default().iter().filter_map(name).collect(),
            not_before: validity.not_before,
            not_after: validity.not_after,
        })
    }

    /// Whether the certificate holds now.
    pub(super) fn validity(&self, now: SystemTime) -> Validity {
        if self.not_after.to_system_time() < now {
            Validity::Expired(self.not_after.to_string())
        } else if self.not_before.to_system_time() > now {
            Validity::NotYet(self.not_before.to_string())
        } else {
            Validity::Good
        }
    }
}

fn name(name: &GeneralName) -> Option<Name> {
    Some(match name {
        GeneralName::DnsName(name) => Name::Dns(name.as_str().to_ascii_lowercase()),
        GeneralName::UniformResourceIdentifier(uri) => Name::Uri(uri.to_string()),
        GeneralName::Rfc822Name(address) => Name::Email(address.to_string()),
        GeneralName::IpAddress(bytes) => Name::Ip(address(bytes.as_bytes())?),
        _ => return None,
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|bytes| Ipv6Addr::from(bytes).into())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}
