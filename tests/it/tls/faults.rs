//! What clients and files do wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Place, text};
use crate::support::authority::Authority;
use crate::support::gateway::{Gateway, transom};
use crate::support::process::run;
use crate::support::{backend, client};

const PLAINTEXT: &str =
    "The request came without TLS, which this port speaks. Write https:// in place of http://.";

#[test]
fn plaintext_on_a_port_with_tls_is_told_so() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let gateway = place.gateway(&place.pair("a"));
    for arguments in
        [&["--http1.1"][..], &["--http2-prior-knowledge"], &["--http1.1", "--json", "{\"title\": \"x\"}"]]
    {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--write-out", "\n%{http_code}"]).args(arguments);
        let output = run(curl.arg(gateway.url("/v1/shelves")));
        let answer = text(&output.stdout);
        let (body, status) = answer.rsplit_once('\n').unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (status, body),
            ("400", json!({"code": 3, "message": PLAINTEXT, "details": []})),
            "{arguments:?}"
        );
    }
    let mut stream = TcpStream::connect(gateway.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\r\nconnection: close\r\n") && answer.ends_with('}'), "{answer}");
}

#[test]
fn tls_on_a_port_without_it_is_closed() {
    let place = Place::new();
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        // 35: the handshake failed.
        let output = place.curl(&gateway, "a.example", &[version]);
        assert_eq!(output.status.code(), Some(35), "{}", text(&output.stderr));
    }
}

/// The beginning of a handshake that announces more than it sends.
const HALF: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// Those who do not go on are cut at the bound; others are served meanwhile, and what a handshake may keep is small.
#[test]
fn handshakes_that_stall_hold_up_nobody() {
    const COUNT: usize = 400;
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let mut gateway = place.gateway(&format!("{}, handshake_timeout: 3s", place.pair("a")));
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
    let before = gateway.server().memory();
    let start = Instant::now();
    let mut stalled: Vec<_> = (0..COUNT)
        .map(|index| {
            let mut stream = TcpStream::connect(gateway.address()).unwrap();
            stream.write_all(&HALF[..index % (HALF.len() + 1)]).unwrap();
            stream
        })
        .collect();
    for _ in 0..5 {
        assert!(place.curl(&gateway, "a.example", &[]).status.success());
    }
    let memory = gateway.server().memory().saturating_sub(before);
    assert!(memory < COUNT * 32 * 1024, "{memory} bytes for {COUNT} handshakes");
    for stream in &mut stalled {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    }
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
}

/// Handshakes that are broken in every way: none of them is the end of others.
#[test]
fn broken_handshakes_end_only_themselves() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let gateway = place.gateway(&place.pair("a"));
    let endless = [b"\x16\x03\x01\x40\x00".as_slice(), &[1; 1 << 14]].concat().repeat(64);
    for bytes in [
        &b"\x16"[..],
        b"\x16\x03\x01\xff\xff",
        b"\x16\x03\x01\x00\x00",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x80\x2e\x01\x00\x02",
        b"\x00\x00\x00\x00",
        b"SSH-2.0-x\r\n",
        &endless,
    ] {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(place.curl(&gateway, "a.example", &[]).status.success(), "{}", bytes[..4].escape_ascii());
    }
}

/// TLS 1.2 lets a client ask for another handshake at any time, which costs a server much more than the client. None is
/// done: the connection rests, and ends like any that is idle.
#[test]
fn renegotiation_is_not_done() {
    const COUNT: usize = 20;
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let gateway = Gateway::with_config(&format!(
        "listeners: [{{address: '127.0.0.1:0', tls: {{{}}}}}]\nupstreams: {{shop: 'http://{}'}}\nservices: ['**']\n\
         http: {{idle_timeout: 3s}}\n",
        place.pair("a"),
        backend::bookstore()
    ));
    let start = || {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-tls1_2", "-servername", "a.example", "-CAfile", &place.shown("ca.crt")]);
        client.args(["-connect", &gateway.address().to_string()]);
        let client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = client.spawn().unwrap();
        // A line with this letter asks for it.
        client.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
        client
    };
    let clients: Vec<_> = (0..COUNT).map(|_| start()).collect();
    for client in clients {
        assert!(place.curl(&gateway, "a.example", &[]).status.success());
        let output = client.wait_with_output().unwrap();
        let told = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(told.contains("RENEGOTIATING"), "{told}");
        // Each handshake verifies the authority and the certificate.
        assert_eq!(told.matches("verify return:1").count(), 2, "{told}");
    }
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
}

/// The binary with a command. The superuser may read every file; what is started here may not, whoever runs the tests.
fn as_anybody(arguments: &[&str]) -> Command {
    let binary = transom(arguments);
    if !rustix::process::geteuid().is_root() {
        return binary;
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    command.arg(binary.get_program()).args(binary.get_args());
    command
}

/// What `transom check` says about a configuration with these settings of TLS.
fn check(place: &Place, listener: &str, upstream: &str) -> (i32, String) {
    let file = place.file("transom.yaml");
    let config = format!(
        "listeners: [{{address: '127.0.0.1:0'{listener}}}]\nupstreams:\n  shop: {{targets: ['{upstream}}}\n\
         services: ['**']\ndescriptors: [{{set: {}}}]\n",
        crate::support::root().join("examples/bookstore/bookstore.binpb").display()
    );
    fs::write(&file, config).unwrap();
    let output = as_anybody(&["check", "-c", file.to_str().unwrap()]).output().unwrap();
    let told = text(&output.stderr).replace(&format!("{}/", place.path().display()), "");
    (output.status.code().unwrap(), told.replace("| ", " ").split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn check_reports_what_is_wrong_with_files_where_they_are_named() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    place.write("b", &place.authority.issue(&["b.example"]));
    let expired = place.authority.issue_with(&["a.example"], |params| {
        params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    });
    place.write("old", &expired);
    fs::write(place.file("half.crt"), &expired.certificate.pem()[..300]).unwrap();
    fs::write(place.file("secret.key"), "").unwrap();
    fs::set_permissions(place.file("secret.key"), fs::Permissions::from_mode(0o0)).unwrap();
    let plain = "http://127.0.0.1:1']";
    let table = [
        (", tls: {certificate: a.crt, key: a.key}", plain, 0, &[][..]),
        (
            ", tls: {certificate: none.crt, key: none.key}",
            plain,
            1,
            &[
                "The file none.crt cannot be read: it does not exist. ,-[transom.yaml:1:57]",
                "The file none.key cannot be read: it does not exist. ,-[transom.yaml:1:72]",
            ],
        ),
        (
            ", tls: {certificate: a.crt, key: secret.key}",
            plain,
            1,
            &["The file secret.key cannot be read: permission was denied. ,-[transom.yaml:1:69]"],
        ),
        (
            ", tls: {certificate: a.crt, key: b.key}",
            plain,
            1,
            &["The private key in b.key does not belong to the certificate in a.crt. ,-[transom.yaml:1:69]"],
        ),
        (
            ", tls: {certificate: half.crt, key: a.key}",
            plain,
            1,
            &["The file half.crt is cut off: it ends within a section."],
        ),
        (
            ", tls: {certificate: old.crt, key: old.key}",
            plain,
            0,
            &[
                "! The certificate in old.crt has expired: it was valid until 2021-02-03T00:00:00Z. ,-[transom.yaml:1:57]",
            ],
        ),
        (
            ", tls: {certificate: a.crt, key: a.key, certificates: [{certificate: b.crt, key: a.key}]}",
            plain,
            1,
            &["The private key in a.key does not belong to the certificate in b.crt. ,-[transom.yaml:1:117]"],
        ),
        (
            ", tls: {certificate: a.crt, key: a.key, client_auth: required}",
            plain,
            1,
            &[
                "`listeners[0].tls` asks for certificates, but names nobody who signs them. ,-[transom.yaml:1:89]",
            ],
        ),
        (
            ", tls: {certificate: a.crt, key: a.key, client_ca: a.key}",
            plain,
            1,
            &["The file a.key holds no certificate. ,-[transom.yaml:1:87]"],
        ),
        ("", "https://127.0.0.1:1'], tls: {ca: ca.crt}", 0, &[]),
        (
            "",
            "https://127.0.0.1:1'], tls: {ca: gone.crt}",
            1,
            &["The file gone.crt cannot be read: it does not exist. ,-[transom.yaml:3:54]"],
        ),
        (
            "",
            "https://127.0.0.1:1'], tls: {ca: ca.crt, server_name: 'a b'}",
            1,
            &["`a b` is neither a DNS name nor an IP address, so no certificate can be for it;"],
        ),
        (
            "",
            "http://127.0.0.1:1'], tls: {ca: ca.crt}",
            1,
            &["has settings of TLS, but no target that begins"],
        ),
    ];
    for (listener, upstream, code, expected) in table {
        let (found, told) = check(&place, listener, upstream);
        assert_eq!(found, code, "{listener} {upstream}: {told}");
        assert!(expected.iter().all(|expected| told.contains(expected)), "{listener} {upstream}: {told}");
        if expected.is_empty() {
            assert_eq!(told, "", "{listener} {upstream}");
        }
    }
}

/// Files that are being written and files that are wrong are left alone, and it is said why.
#[tokio::test]
async fn bad_files_do_not_replace_good_ones() {
    let place = Place::new();
    let good = place.authority.issue(&["a.example"]);
    place.write("a", &good);
    let gateway = place.gateway(&place.pair("a"));
    let other = Authority::new("Other").issue(&["a.example"]);
    for (name, content, told) in [
        ("a.crt", &good.certificate.pem()[..200], "is cut off: it ends within a section."),
        ("a.crt", "", "holds no certificate."),
        ("a.key", &other.key.serialize_pem(), "does not belong to the certificate in"),
    ] {
        fs::write(place.file(name), content).unwrap();
        gateway.wait_for_log(told);
        assert!(place.curl(&gateway, "a.example", &[]).status.success(), "{told}");
        place.write("a", &good);
    }
    gateway.wait_for_log("certificates were read again and hold for new connections");
    fs::remove_file(place.file("a.key")).unwrap();
    gateway.wait_for_log("a.key cannot be read: it does not exist.");
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
    let answer = client::get(gateway.address(), "/").await;
    assert_eq!(answer.json()["message"], PLAINTEXT);
}

/// The files of what is served are looked at on, and so are those that kept another configuration from being served.
#[test]
fn a_configuration_that_is_refused_for_its_certificates_is_tried_again_with_others() {
    let place = Place::new();
    let (one, two) = (place.authority.issue(&["a.example"]), place.authority.issue(&["a.example"]));
    place.write("a", &one);
    let config = |name: &str| {
        format!(
            "listeners: [{{address: '127.0.0.1:0', tls: {{{}}}}}]\nupstreams: {{shop: 'http://{}'}}\nservices: ['**']\n\
             reload: {{files: 200ms}}\n",
            place.pair(name),
            backend::bookstore()
        )
    };
    let file = place.file("transom.yaml");
    fs::write(&file, config("a")).unwrap();
    let gateway = Gateway::with_file(&file, &[]);
    place.write("b", &two);
    fs::write(place.file("b.crt"), &two.certificate.pem()[..200]).unwrap();
    fs::write(&file, config("b")).unwrap();
    gateway.wait_for_log("the new configuration is refused; the old one goes on");
    place.write("a", &two);
    gateway.wait_for_log("certificates were read again and hold for new connections");
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
    place.write("b", &one);
    gateway.wait_for_log("\"message\":\"reloaded\"");
    assert!(place.curl(&gateway, "a.example", &[]).status.success());
}
