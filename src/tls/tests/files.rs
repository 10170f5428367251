use rcgen::{KeyPair, PublicKeyData, date_time_ymd};

use super::server::{Acceptor, ClientAuth, MinVersion, Settings};
use super::*;

fn settings(certificates: Vec<Files>) -> Settings {
    Settings {
        certificates,
        client_ca: None,
        client_auth: ClientAuth::None,
        min_version: MinVersion::Tls12,
        handshake_timeout: std::time::Duration::from_secs(10),
    }
}

/// What is said about a pair of files with these contents; a file without content does not exist.
fn said(certificate: Option<&[u8]>, key: Option<&[u8]>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { certificate: folder.path().join("a.crt"), key: folder.path().join("a.key") };
    for (file, content) in [(&files.certificate, certificate), (&files.key, key)] {
        if let Some(content) = content {
            fs::write(file, content).unwrap();
        }
    }
    let mut defects = Vec::new();
    let loaded = Acceptor::load(settings(vec![files]), &mut defects);
    assert_eq!(loaded.is_some(), defects.iter().all(|defect| defect.is_warning), "{defects:?}");
    texts(&defects, &folder)
}

#[test]
fn what_is_wrong_with_files_is_told() {
    let authority = Authority::new("Authority");
    let leaf = authority.issue(&["a.example"]);
    let (certificate, key) = (leaf.certificate.pem(), leaf.key.serialize_pem());
    let (certificate, key) = (certificate.as_bytes(), key.as_bytes());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let traditional =
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n\
        -----END RSA PRIVATE KEY-----\n";
    let broken = b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
    let nonsense = b"-----BEGIN CERTIFICATE-----\nMAAwADAA\n-----END CERTIFICATE-----\n";
    let strange = b"-----BEGIN PRIVATE KEY-----\nMAAwADAA\n-----END PRIVATE KEY-----\n";
    let (is_cut, is_encrypted) = (
        "is cut off: it ends within a section. Write it anew. Whoever replaces it should write another file and \
         rename that.",
        "error Key(0): The private key in a.key is encrypted, and there is nobody to ask for its passphrase. Decrypt \
         it with `openssl pkey -in a.key -out NEW.key`, and let only the user that Transom runs as read it.",
    );
    type Case<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [&'a str]);
    let table: [Case<'_>; 14] = [
        (Some(certificate), Some(key), &[]),
        (
            None,
            None,
            &[
                "error Certificate(0): The file a.crt cannot be read: it does not exist. Check the path. A relative \
                 path in the configuration begins at the directory of its file.",
                "error Key(0): The file a.key cannot be read: it does not exist. Check the path. A relative path in \
                 the configuration begins at the directory of its file.",
            ],
        ),
        (
            Some(b""),
            Some(b""),
            &[
                "error Certificate(0): The file a.crt holds no certificate. Name a file in PEM form, with \
                 `-----BEGIN CERTIFICATE-----`.",
                "error Key(0): The file a.key holds no private key. Name a file in PEM form, with \
                 `-----BEGIN PRIVATE KEY-----`.",
            ],
        ),
        (
            Some(key),
            Some(certificate),
            &[
                "error Certificate(0): The file a.crt holds no certificate. It holds a private key. Name the file of \
                 the certificate here.",
                "error Key(0): The file a.key holds no private key. It holds a certificate. Name the file of its key \
                 here.",
            ],
        ),
        (
            Some(leaf.certificate.der()),
            Some(leaf.key.serialized_der()),
            &[
                "error Certificate(0): The file a.crt holds no certificate. It seems to be in DER form. Convert it: \
                 `openssl x509 -in a.crt -out NEW.crt`.",
                "error Key(0): The file a.key holds no private key. It seems to be in DER form. Convert it: `openssl \
                 pkey -in a.key -out NEW.key`.",
            ],
        ),
        (
            Some(&certificate[..certificate.len() / 2]),
            Some(key),
            &[&format!("error Certificate(0): The file a.crt {is_cut}")],
        ),
        (
            Some(certificate),
            Some(&key[..key.len() / 2]),
            &[&format!("error Key(0): The file a.key {is_cut}")],
        ),
        (Some(certificate), Some(encrypted), &[is_encrypted]),
        (Some(certificate), Some(traditional), &[is_encrypted]),
        (
            Some(certificate),
            Some(other.as_bytes()),
            &[
                "error Key(0): The private key in a.key does not belong to the certificate in a.crt. Name the key that \
               the certificate was made for. The certificate of a chain comes first in its file.",
            ],
        ),
        (
            Some(broken),
            Some(key),
            &[
                "error Certificate(0): The file a.crt is damaged: base64 decode error: InvalidCharacter(63). Write it \
               anew. It must be in PEM form.",
            ],
        ),
        (
            Some(nonsense),
            Some(key),
            &[
                "error Certificate(0): The certificate in a.crt cannot be read: ASN.1 DER message is incomplete: expected 3, actual 2 at DER byte 2. Ask for a new one that keeps to RFC 5280.",
            ],
        ),
        (
            Some(certificate),
            Some(strange),
            &[
                "error Key(0): The private key in a.key cannot be used: unexpected error: failed to parse private key \
               as RSA, ECDSA, or EdDSA. Use RSA with 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519.",
            ],
        ),
        (
            Some(&vec![b' '; (1 << 20) + 1]),
            Some(key),
            &[
                "error Certificate(0): The file a.crt cannot be read: it is larger than 1 MiB. Check that it is the \
               right file.",
            ],
        ),
    ];
    for (certificate, key, expected) in table {
        assert_eq!(said(certificate, key), expected);
    }
    // Both may be in one file.
    let both = [certificate, key].concat();
    assert_eq!(said(Some(&both), Some(&both)), [""; 0]);
}

#[test]
fn what_is_no_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { certificate: folder.path().into(), key: "/dev/zero".into() };
    let mut defects = Vec::new();
    assert!(Acceptor::load(settings(vec![files]), &mut defects).is_none());
    let all: Vec<_> = defects.iter().map(|defect| defect.message.as_str()).collect();
    assert_eq!(
        all,
        [
            format!("The file {} cannot be read: it is no regular file.", folder.path().display()).as_str(),
            "The file /dev/zero cannot be read: it is no regular file.",
        ]
    );
}

#[test]
fn times_and_names_are_warned_of() {
    let authority = Authority::new("Authority");
    let folder = tempfile::tempdir().unwrap();
    let expired = authority.issue_with(&["a.example"], |params| params.not_after = date_time_ymd(2020, 1, 2));
    let future = authority.issue_with(&["a.example"], |params| params.not_before = date_time_ymd(4000, 1, 2));
    let nameless = authority.issue(&[]);
    let patterns = authority.issue_with(&["*.*.example", "a*.example"], |_| ());
    let load = |leaves: &[&Leaf]| {
        let files = leaves.iter().enumerate();
        let files = files.map(|(index, leaf)| written(leaf, folder.path(), &index.to_string())).collect();
        let mut defects = Vec::new();
        let loaded = Acceptor::load(settings(files), &mut defects).is_some();
        (loaded, texts(&defects, &folder))
    };
    let names = "Ask for one with the DNS names of this server; `*` may only be the first label.";
    assert_eq!(
        load(&[&expired]),
        (
            true,
            vec![
                "warning Certificate(0): The certificate in 0.crt has expired: it was valid until \
                 2020-01-02T00:00:00Z. Others refuse it. Replace it; a running Transom takes a new one by itself."
                    .to_owned()
            ]
        )
    );
    assert_eq!(
        load(&[&future]),
        (
            true,
            vec![
                "warning Certificate(0): The certificate in 0.crt is not yet valid: it will be from \
                 4000-01-02T00:00:00Z. Others refuse it until then. Check the clock of this machine, or use another \
                 certificate."
                    .to_owned()
            ]
        )
    );
    let no_names = |kind: &str, index: usize| {
        format!(
            "{kind} Certificate({index}): The certificate in {index}.crt has no names (subjectAltName). {names}"
        )
    };
    assert_eq!(load(&[&nameless]), (true, vec![no_names("warning", 0)]));
    assert_eq!(load(&[&nameless, &nameless]), (false, vec![no_names("warning", 0), no_names("error", 1)]));
    let useless = format!(
        "error Certificate(1): The certificate in 1.crt has no name that a client could ask for, only *.*.example, \
         a*.example. {names}"
    );
    assert_eq!(load(&[&authority.issue(&["10.0.0.1"]), &patterns]), (false, vec![useless]));
}

#[test]
fn authorities_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let leaf = Authority::new("Authority").issue(&["a.example"]);
    let mut settings = settings(vec![written(&leaf, folder.path(), "a")]);
    settings.client_auth = ClientAuth::Required;
    settings.client_ca = Some(folder.path().join("ca.crt"));
    let load = |content: &str| {
        fs::write(folder.path().join("ca.crt"), content).unwrap();
        let mut defects = Vec::new();
        let loaded = Acceptor::load(settings.clone(), &mut defects).is_some();
        (loaded, texts(&defects, &folder))
    };
    let (one, two) = (Authority::new("One"), Authority::new("Two"));
    assert_eq!(load(&[one.pem(), two.pem()].concat()), (true, vec![]));
    let (loaded, texts) = load("nothing");
    assert!(!loaded);
    assert_eq!(
        texts,
        ["error Authorities: The file ca.crt holds no certificate. Name a file in PEM form, with \
          `-----BEGIN CERTIFICATE-----`."]
    );
    let nonsense = "-----BEGIN CERTIFICATE-----\nMAAwADAA\n-----END CERTIFICATE-----\n";
    let (loaded, texts) = load(&[one.pem().as_str(), nonsense].concat());
    assert!(!loaded);
    assert_eq!(
        texts,
        [
            "error Authorities: The certificate number 2 in ca.crt cannot be used: invalid peer certificate: BadEncoding. \
          Name a file with certificates of authorities in PEM form."
        ]
    );
}

#[test]
fn keys_of_all_usual_kinds_are_taken() {
    let authority = Authority::new("Authority");
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let leaf = authority.issue_for(algorithm, &["a.example"], |_| ());
        assert!(!leaf.key.subject_public_key_info().is_empty());
        let texts = said(Some(leaf.certificate.pem().as_bytes()), Some(leaf.key.serialize_pem().as_bytes()));
        assert_eq!(texts, [""; 0], "{algorithm:?}");
    }
}
