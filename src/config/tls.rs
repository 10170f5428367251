//! `tls` of listeners and of upstreams

use std::time::Duration;

use super::place::Located;
use super::problem::Problem;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::path::FilePath;

settings! {
    /// TLS of a listener, with HTTP/2 and HTTP/1.1 by ALPN. Its files are read again when they change.
    pub struct ListenerTls {
        /// The certificate in PEM form, followed by those of the authorities between it and a root. Clients that ask
        /// for a name of no certificate get this one.
        certificate: Located<FilePath>,
        /// The private key of the certificate in PEM form, not encrypted.
        key: Located<FilePath>,
        /// Further certificates. Each is shown to clients that ask for one of its names, an exact name before a
        /// wildcard.
        certificates: Vec<CertificatePair> = Vec::new(),
        /// The authorities that sign certificates of clients, in PEM form.
        client_ca: Option<Located<FilePath>> = None,
        /// Whether clients show certificates. `required` where there is a `client_ca`, else `none`.
        client_auth: Option<Located<ClientAuth>> = None,
        /// The lowest version of TLS that is spoken.
        min_version: Located<TlsVersion> = TlsVersion::Tls12.into(),
        /// How long a handshake may take.
        handshake_timeout: Located<Duration> = Duration::from_secs(10).into()
            => Duration::from_millis(100)..=Duration::from_secs(300),
    }
    check check(client_ca, client_auth)
    example "Write `tls: {certificate: FILE, key: FILE}`, both in PEM form."
}

settings! {
    /// A certificate and its key.
    pub struct CertificatePair {
        /// The certificate in PEM form, followed by those of the authorities between it and a root.
        certificate: Located<FilePath>,
        /// Its private key in PEM form, not encrypted.
        key: Located<FilePath>,
    }
    example "Write `- {certificate: FILE, key: FILE}`, both in PEM form."
}

settings! {
    /// Whether clients show certificates.
    pub enum ClientAuth {
        /// They are not asked for one.
        "none" => None,
        /// They may, and one that is shown must be good.
        "optional" => Optional,
        /// Without a good one they are refused.
        "required" => Required,
    }
}

settings! {
    /// A version of TLS.
    pub enum TlsVersion {
        /// TLS 1.2.
        "1.2" => Tls12,
        /// TLS 1.3.
        "1.3" => Tls13,
    }
}

settings! {
    /// How `https` targets are trusted and what they are shown. The files are read again when they change.
    pub struct UpstreamTls {
        /// The authorities that sign certificates of the backends, in PEM form. Without, those that the system trusts.
        ca: Option<Located<FilePath>> = None,
        /// The certificate that is shown to backends that ask for one, in PEM form.
        certificate: Option<Located<FilePath>> = None,
        /// The private key of the certificate in PEM form, not encrypted.
        key: Option<Located<FilePath>> = None,
        /// The name that certificates of the backends must have, where it is not the host of the target.
        server_name: Option<Located<String>> = None,
    }
    check check(certificate, key)
    example "Write `tls: {ca: FILE}` with the authority that signs certificates of the backends."
}

impl ListenerTls {
    fn check(
        reader: &mut Reader<'_>,
        client_ca: Option<&Option<Located<FilePath>>>,
        client_auth: Option<&Option<Located<ClientAuth>>>,
    ) {
        let (Some(client_ca), Some(Some(client_auth))) = (client_ca, client_auth) else { return };
        let problem = match (client_ca, client_auth.value) {
            (None, ClientAuth::Optional | ClientAuth::Required) => {
                let message =
                    format!("{} asks for certificates, but names nobody who signs them.", reader.path());
                let hint =
                    "Add `client_ca:` with a file of the authorities that sign certificates of clients.";
                Problem::error(message).at(client_auth.place).hint(hint)
            }
            (Some(client_ca), ClientAuth::None) => {
                let message = format!("{} names a `client_ca`, but asks for no certificates.", reader.path());
                let hint = "Write `client_auth: required` or `optional`, or remove `client_ca`.";
                Problem::warning(message).at(client_ca.place).hint(hint)
            }
            _ => return,
        };
        let _: Option<()> = reader.error(problem);
    }

    /// Whether clients show certificates.
    pub fn client_auth(&self) -> ClientAuth {
        match &self.client_auth {
            Some(client_auth) => client_auth.value,
            None if self.client_ca.is_some() => ClientAuth::Required,
            None => ClientAuth::None,
        }
    }
}

impl UpstreamTls {
    fn check(
        reader: &mut Reader<'_>,
        certificate: Option<&Option<Located<FilePath>>>,
        key: Option<&Option<Located<FilePath>>>,
    ) {
        let (alone, lacking) = match (certificate, key) {
            (Some(Some(certificate)), Some(None)) => (certificate.place, "key"),
            (Some(None), Some(Some(key))) => (key.place, "certificate"),
            _ => return,
        };
        let problem = Problem::error(format!("{} lacks the key `{lacking}`.", reader.path())).at(alone);
        let hint = "A certificate and its key are named together, or neither of them.";
        let _: Option<()> = reader.error(problem.hint(hint));
    }
}
