//! Certificates and keys in PEM files (RFC 7468).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::defect::Flaw;

/// The largest file that is read, in bytes. A bundle of all public authorities has a fifth of it.
const MAX_FILE: u64 = 1024 * 1024;

/// The certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| damaged(path, &error))?;
    if !found.is_empty() {
        return Ok(found);
    }
    let hint = match Content::of(&bytes) {
        Content::Key => "It holds a private key. Name the file of the certificate here.".to_owned(),
        Content::Der => {
            format!(
                "It seems to be in DER form. Convert it: `openssl x509 -in {} -out NEW.crt`.",
                path.display()
            )
        }
        Content::Certificate | Content::Other => {
            "Name a file in PEM form, with `-----BEGIN CERTIFICATE-----`.".to_owned()
        }
    };
    Err(Flaw::new(format!("The file {} holds no certificate.", path.display()), hint))
}

/// The first private key of a file.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Flaw> {
    let bytes = read(path)?;
    if contains(&bytes, b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        || contains(&bytes, b"Proc-Type: 4,ENCRYPTED")
    {
        let path = path.display();
        return Err(Flaw::new(
            format!("The private key in {path} is encrypted, and there is nobody to ask for its passphrase."),
            format!(
                "Decrypt it with `openssl pkey -in {path} -out NEW.key`, and let only the user that Transom runs as \
                 read it."
            ),
        ));
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let hint = match Content::of(&bytes) {
                Content::Certificate => "It holds a certificate. Name the file of its key here.".to_owned(),
                Content::Der => format!(
                    "It seems to be in DER form. Convert it: `openssl pkey -in {} -out NEW.key`.",
                    path.display()
                ),
                Content::Key | Content::Other => {
                    "Name a file in PEM form, with `-----BEGIN PRIVATE KEY-----`.".to_owned()
                }
            };
            Flaw::new(format!("The file {} holds no private key.", path.display()), hint)
        }
        error => damaged(path, &error),
    })
}

/// What a file without what was looked for holds instead.
enum Content {
    Certificate,
    Key,
    Der,
    Other,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            _ if contains(bytes, b"-----BEGIN CERTIFICATE-----") => Self::Certificate,
            _ if contains(bytes, b"PRIVATE KEY-----") => Self::Key,
            // A SEQUENCE whose length takes one, two or three bytes.
            [0x30, 0x80..=0x83, ..] => Self::Der,
            _ => Self::Other,
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    memchr::memmem::find(bytes, text).is_some()
}

fn damaged(path: &Path, error: &pem::Error) -> Flaw {
    let path = path.display();
    match error {
        pem::Error::MissingSectionEnd { .. } => Flaw::new(
            format!("The file {path} is cut off: it ends within a section."),
            "Write it anew. Whoever replaces it should write another file and rename that.",
        ),
        error => Flaw::new(
            format!("The file {path} is damaged: {error}."),
            "Write it anew. It must be in PEM form.",
        ),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Flaw> {
    let failed = |why: &str, hint: &str| {
        Flaw::new(format!("The file {} cannot be read: {why}.", path.display()), hint)
    };
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => failed(
            "it does not exist",
            "Check the path. A relative path in the configuration begins at the directory of its file.",
        ),
        ErrorKind::PermissionDenied => {
            failed("permission was denied", "Let the user that Transom runs as read it.")
        }
        _ => failed(&error.to_string(), "Check the path and the disk."),
    };
    // Opening a pipe could wait for ever.
    let is_file = std::fs::metadata(path).map_err(refused)?.is_file();
    if !is_file {
        return Err(failed("it is no regular file", "Name a file in PEM form."));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(failed("it is larger than 1 MiB", "Check that it is the right file."));
    }
    Ok(bytes)
}
