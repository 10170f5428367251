use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::duplex;

use super::client::{self, Connector};
use super::live::Reload;
use super::server::{Acceptor, ClientAuth, MinVersion, Settings};
use super::*;

fn settings(files: Files) -> Settings {
    Settings {
        certificates: vec![files],
        client_ca: None,
        client_auth: ClientAuth::None,
        min_version: MinVersion::Tls12,
        handshake_timeout: Duration::from_secs(10),
    }
}

/// The certificate that an acceptor shows.
async fn shown(acceptor: &Acceptor, connector: &Connector) -> Vec<u8> {
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from("a.example").unwrap();
    let (_accepted, stream) = tokio::join!(acceptor.accept(far), connector.connect(near, name));
    let stream = stream.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn files_are_read_again_and_what_is_wrong_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Authority");
    let (one, two) = (authority.issue(&["a.example"]), authority.issue(&["a.example"]));
    let files = written(&one, folder.path(), "a");
    let ca = authority.write(folder.path(), "ca");
    let acceptor = Acceptor::load(settings(files.clone()), &mut Vec::new()).unwrap();
    let connector = Connector::load(
        client::Settings { ca: Some(ca.clone()), ..client::Settings::default() },
        &mut Vec::new(),
    )
    .unwrap();
    assert_eq!(acceptor.files(), [files.certificate.clone(), files.key.clone()]);
    assert_eq!(connector.files(), [ca]);
    assert_eq!(acceptor.reload(), Ok(vec![]));
    assert_eq!(shown(&acceptor, &connector).await, **one.certificate.der());

    // The certificate alone does not fit the key.
    fs::write(&files.certificate, two.certificate.pem()).unwrap();
    let defects = acceptor.reload().unwrap_err();
    assert!(defects[0].message.contains("does not belong to"), "{defects:?}");
    assert_eq!(shown(&acceptor, &connector).await, **one.certificate.der());

    fs::write(&files.key, two.key.serialize_pem()).unwrap();
    assert_eq!(acceptor.reload(), Ok(vec![]));
    assert_eq!(shown(&acceptor, &connector).await, **two.certificate.der());

    // A file that is gone, and one that comes back as it was.
    fs::rename(&files.key, folder.path().join("away")).unwrap();
    let defects = acceptor.reload().unwrap_err();
    assert!(defects[0].message.ends_with("cannot be read: it does not exist."), "{defects:?}");
    fs::rename(folder.path().join("away"), &files.key).unwrap();
    assert_eq!(acceptor.reload(), Ok(vec![]));
    assert_eq!(shown(&acceptor, &connector).await, **two.certificate.der());
}

#[tokio::test]
async fn another_takes_over_with_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Authority");
    let ca = authority.write(folder.path(), "ca");
    let connector =
        Connector::load(client::Settings { ca: Some(ca), ..client::Settings::default() }, &mut Vec::new())
            .unwrap();
    let (one, two) = (authority.issue(&["a.example"]), authority.issue(&["a.example"]));
    let load = |leaf: &Leaf, name: &str| {
        Acceptor::load(settings(written(leaf, folder.path(), name)), &mut Vec::new()).unwrap()
    };
    let (old, new) = (load(&one, "one"), load(&two, "two"));
    old.replace(&new);
    assert_eq!(old.files(), new.files());
    assert_eq!(old.reload(), Ok(vec![]));
    assert_eq!(shown(&old, &connector).await, **two.certificate.der());
}
