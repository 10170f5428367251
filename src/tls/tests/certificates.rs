use rcgen::string::Ia5String;
use rcgen::{DnType, SanType};

use super::certificate::{Facts, Name};
use super::pair::Certificates;
use super::*;

#[test]
fn names_and_subject_are_read() {
    let leaf = Authority::new("Authority").issue_with(
        &["API.example", "*.b.example", "10.0.0.1", "::1"],
        |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
            params.distinguished_name.push(DnType::CommonName, "partner");
            let text = |text: &str| Ia5String::try_from(text).unwrap();
            params.subject_alt_names.push(SanType::URI(text("spiffe://example/ns/shop")));
            params.subject_alt_names.push(SanType::Rfc822Name(text("me@example")));
            params.subject_alt_names.push(SanType::OtherName((vec![1, 2, 3], "x".to_owned().into())));
        },
    );
    let facts = Facts::of(leaf.certificate.der()).unwrap();
    // RFC 4514 section 2.1: the last comes first; section 2.4: a comma is escaped.
    assert_eq!(facts.subject, "CN=partner,O=Example\\, Inc.");
    assert_eq!(
        facts.names,
        [
            Name::Dns("api.example".into()),
            Name::Dns("*.b.example".into()),
            Name::Ip("10.0.0.1".parse().unwrap()),
            Name::Ip("::1".parse().unwrap()),
            Name::Uri("spiffe://example/ns/shop".into()),
            Name::Email("me@example".into()),
        ]
    );
}

#[test]
fn nonsense_is_no_certificate() {
    let leaf = Authority::new("Authority").issue(&["a.example"]);
    let der = leaf.certificate.der();
    for length in 0..der.len() {
        assert!(Facts::of(&der[..length].to_vec().into()).is_err(), "{length}");
    }
    for at in 0..der.len() {
        let mut bytes = der.to_vec();
        bytes[at] ^= 0xff;
        // Some of them are certificates still; none is the end of the process.
        let _ = Facts::of(&bytes.into());
    }
}

/// RFC 9525 section 6.3: a wildcard stands for exactly one label, the first.
#[test]
fn exact_names_beat_wildcards() {
    let authority = Authority::new("Authority");
    let folder = tempfile::tempdir().unwrap();
    let names: [&[&str]; 4] = [
        &["first.example"],
        &["*.b.example", "b.example"],
        &["c.b.example"],
        &["*.c.example", "Upper.Example"],
    ];
    let files: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, names)| written(&authority.issue(names), folder.path(), &index.to_string()))
        .collect();
    let mut defects = Vec::new();
    let certificates = Certificates::load(&files, &mut defects).unwrap();
    assert_eq!(defects, []);
    let der = |index: usize| file::certificates(&files[index].certificate).unwrap();
    for (name, expected) in [
        ("first.example", Some(0)),
        ("b.example", Some(1)),
        ("a.b.example", Some(1)),
        ("c.b.example", Some(2)),
        ("a.c.b.example", None),
        ("x.c.example", Some(3)),
        ("c.example", None),
        ("upper.example", Some(3)),
        ("other.example", None),
        ("example", None),
        ("", None),
    ] {
        let found = certificates.find(name).first().map(|pair| pair.cert.clone());
        assert_eq!(found, expected.map(der), "{name}");
    }
}
