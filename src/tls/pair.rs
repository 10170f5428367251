//! Certificates with their keys.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::certificate::{Facts, Name, Validity};
use super::defect::{Defect, Flaw, Part, noted};
use super::{file, provider};

/// The files of a certificate and its key. They may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, followed by those of the authorities between it and a root.
    pub certificate: PathBuf,
    /// The private key of the certificate, not encrypted.
    pub key: PathBuf,
}

/// Loads a certificate and its key. `index` is that of the pair among those of a configuration.
pub(super) fn load(
    files: &Files,
    index: usize,
    defects: &mut Vec<Defect>,
) -> Option<(CertifiedKey, Vec<Name>)> {
    let (at_certificate, at_key) = (Part::Certificate(index), Part::Key(index));
    // Both are read before the first that failed ends it.
    let chain = noted(file::certificates(&files.certificate), at_certificate, defects);
    let key = noted(file::key(&files.key), at_key, defects);
    let (chain, key) = (chain?, key?);
    let shown = files.certificate.display();
    let facts = chain.first().map(Facts::of)?.map_err(|error| {
        Flaw::new(
            format!("The certificate in {shown} cannot be read: {error}."),
            "Ask for a new one that keeps to RFC 5280.",
        )
    });
    let facts = noted(facts, at_certificate, defects)?;
    defects.extend(untimely(&facts, &shown.to_string()).map(|flaw| flaw.warning(at_certificate)));
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(pair) => Some((pair, facts.names)),
        Err(error) => {
            let is_certificate = matches!(error, Error::InvalidCertificate(_));
            let part = if is_certificate { at_certificate } else { at_key };
            defects.push(unfit(files, &error).error(part));
            None
        }
    }
}

/// What is to be said about the times of a certificate.
fn untimely(facts: &Facts, file: &str) -> Option<Flaw> {
    match facts.validity(SystemTime::now()) {
        Validity::Good => None,
        Validity::Expired(end) => Some(Flaw::new(
            format!("The certificate in {file} has expired: it was valid until {end}."),
            "Others refuse it. Replace it; a running Transom takes a new one by itself.",
        )),
        Validity::NotYet(start) => Some(Flaw::new(
            format!("The certificate in {file} is not yet valid: it will be from {start}."),
            "Others refuse it until then. Check the clock of this machine, or use another certificate.",
        )),
    }
}

fn unfit(files: &Files, error: &Error) -> Flaw {
    let Files { certificate, key } = files;
    let (certificate, key) = (certificate.display(), key.display());
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Flaw::new(
            format!("The private key in {key} does not belong to the certificate in {certificate}."),
            "Name the key that the certificate was made for. The certificate of a chain comes first in its file.",
        ),
        Error::InvalidCertificate(error) => Flaw::new(
            format!("The certificate in {certificate} cannot be used: {error}."),
            "Ask for a new one that is of version 3 of X.509.",
        ),
        error => Flaw::new(
            format!("The private key in {key} cannot be used: {error}."),
            "Use RSA with 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.",
        ),
    }
}

/// The certificates of a file as authorities that are trusted.
pub(super) fn authorities(path: &std::path::Path, defects: &mut Vec<Defect>) -> Option<RootCertStore> {
    let certificates = noted(file::certificates(path), Part::Authorities, defects)?;
    let shown = path.display().to_string();
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        if let Err(error) = store.add(certificate.clone()) {
            let message = format!("The certificate number {} in {shown} cannot be used: {error}.", index + 1);
            let hint = "Name a file with certificates of authorities in PEM form.";
            defects.push(Flaw::new(message, hint).error(Part::Authorities));
            return None;
        }
        defects.extend(outdated(certificate, &shown).map(|flaw| flaw.warning(Part::Authorities)));
    }
    Some(store)
}

fn outdated(authority: &CertificateDer<'_>, file: &str) -> Option<Flaw> {
    let facts = Facts::of(authority).ok()?;
    let Validity::Expired(end) = facts.validity(SystemTime::now()) else { return None };
    let message = format!("The authority {} in {file} has expired: it was valid until {end}.", facts.subject);
    Some(Flaw::new(message, "Remove it, or replace it by its successor."))
}

/// The certificates of a listener. One whose names have the name that the client asks for is shown, an exact name
/// before a wildcard; of several, the first whose key can sign as the client wants. Else the first of all is shown.
#[derive(Debug)]
pub(super) struct Certificates {
    first: Arc<CertifiedKey>,
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what comes after `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Loads all pairs. Every one is looked at, also after an error.
    pub(super) fn load(files: &[Files], defects: &mut Vec<Defect>) -> Option<Self> {
        let loaded: Vec<_> =
            files.iter().enumerate().map(|(index, files)| load(files, index, defects)).collect();
        let loaded: Vec<_> = loaded.into_iter().collect::<Option<_>>()?;
        let mut all: Option<Self> = None;
        for (index, (pair, names)) in loaded.into_iter().enumerate() {
            let pair = Arc::new(pair);
            let all = all.get_or_insert_with(|| Self {
                first: Arc::clone(&pair),
                exact: HashMap::new(),
                wildcard: HashMap::new(),
            });
            if !all.add(&pair, &names) {
                defects.push(nameless(&files[index], index, &names));
            }
        }
        all.filter(|_| defects.iter().all(|defect| defect.is_warning))
    }

    /// Files a certificate under its names. False if none of them is of use.
    fn add(&mut self, pair: &Arc<CertifiedKey>, names: &[Name]) -> bool {
        let mut is_of_use = false;
        for name in names {
            let list = match name {
                Name::Dns(name) => match name.strip_prefix("*.") {
                    Some(parent) if !parent.contains('*') => self.wildcard.entry(parent.to_owned()),
                    None if !name.contains('*') => self.exact.entry(name.clone()),
                    _ => continue,
                },
                // Clients verify it but cannot ask for it.
                Name::Ip(_) => {
                    is_of_use = true;
                    continue;
                }
                Name::Uri(_) | Name::Email(_) => continue,
            };
            is_of_use = true;
            list.or_default().push(Arc::clone(pair));
        }
        is_of_use
    }

    /// The certificates for a name in lower case.
    pub(super) fn find(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }
}

/// Clients find the names of a server among the alternative names alone (RFC 9525). Without any, a certificate is
/// never chosen; the first is shown to all others.
fn nameless(files: &Files, index: usize, names: &[Name]) -> Defect {
    let file = files.certificate.display();
    let message = if names.is_empty() {
        format!("The certificate in {file} has no names (subjectAltName).")
    } else {
        let names: Vec<_> = names.iter().take(10).map(ToString::to_string).collect();
        format!(
            "The certificate in {file} has no name that a client could ask for, only {}.",
            names.join(", ")
        )
    };
    let flaw =
        Flaw::new(message, "Ask for one with the DNS names of this server; `*` may only be the first label.");
    if index == 0 { flaw.warning(Part::Certificate(0)) } else { flaw.error(Part::Certificate(index)) }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().map(str::to_ascii_lowercase);
        let named = named.as_deref().map_or(&[][..], |name| self.find(name));
        let can_sign =
            |pair: &&Arc<CertifiedKey>| pair.key.choose_scheme(hello.signature_schemes()).is_some();
        let chosen = named.iter().find(can_sign).or(named.first()).unwrap_or(&self.first);
        Some(Arc::clone(chosen))
    }
}
