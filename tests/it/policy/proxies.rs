//! Callers behind proxies, which say whose request or connection it is in a header or by the PROXY protocol.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Counting, Place};
use crate::support::client::{Version, send};
use crate::support::gateway::Gateway;

/// What is answered on a connection that begins with these bytes; nothing if it is closed.
async fn answer(address: SocketAddr, first: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /v1/echo/a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(&[first, request].concat()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_proxy_says_whose_connection_it_passes_on() {
    let place = Place::new();
    let backend = Counting::start();
    let with = |proxies: &str| {
        let rest = format!(
            "trusted_proxies: [{proxies}]\npolicies: {{away: {{allow: {{ips: [203.0.113.0/24]}}}}}}\n\
             services: [{{service: '**', policy: [away]}}]\ntelemetry: {{access_log: json}}\n"
        );
        let config = place.config(&backend.address, &rest);
        let listener = format!("{}    proxy_protocol: true\n", Gateway::ANY_PORT);
        Gateway::with_config(&config.replace(Gateway::ANY_PORT, &listener))
    };
    let gateway = with("127.0.0.1");
    let second = |address: [u8; 4]| {
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &address, &[127, 0, 0, 1, 0, 1, 0, 80]].concat()
    };
    for (first, expected) in [
        (b"PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n".to_vec(), "200 OK"),
        (b"PROXY TCP4 198.51.100.9 127.0.0.1 1 80\r\n".to_vec(), "403 Forbidden"),
        // An address of IPv6 that stands for one of IPv4 is that.
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 80\r\n".to_vec(), "200 OK"),
        (second([203, 0, 113, 9]), "200 OK"),
        (second([198, 51, 100, 9]), "403 Forbidden"),
        // The proxy speaks for itself.
        (b"PROXY UNKNOWN\r\n".to_vec(), "403 Forbidden"),
    ] {
        let answer = answer(gateway.address(), &first).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{first:?}: {answer}");
    }
    gateway.wait_for_log("\"peer\":\"203.0.113.9:1\"");
    assert_eq!(answer(gateway.address(), b"").await, "", "without a word of the proxy");
    let stranger = with("10.0.0.0/8");
    assert_eq!(answer(stranger.address(), b"PROXY TCP4 203.0.113.9 127.0.0.1 1 80\r\n").await, "");
}

/// nginx, Envoy and the balancers of clouds write `X-Forwarded-For`, and pass on a `Forwarded` that a caller has made up.
#[tokio::test]
async fn one_header_of_proxies_is_believed_whatever_else_arrives() {
    let place = Place::new();
    let backend = Counting::start();
    let with = |header: &str| {
        let rest = format!(
            "trusted_proxies: [127.0.0.1]\n{header}policies: {{away: {{allow: {{ips: [203.0.113.0/24]}}}}}}\n\
             services: [{{service: '**', policy: [away]}}]\n"
        );
        Gateway::with_config(&place.config(&backend.address, &rest))
    };
    let (nginx, standard) = (with(""), with("proxy_header: forwarded\n"));
    for (gateway, x_forwarded_for, forwarded, expected) in [
        (&nginx, "203.0.113.9", "for=198.51.100.9", 200),
        (&nginx, "198.51.100.9", "for=203.0.113.9", 403),
        (&nginx, "203.0.113.9", "for=unknown", 200),
        (&nginx, "unknown", "for=203.0.113.9", 403),
        (&standard, "203.0.113.9", "for=198.51.100.9", 403),
        (&standard, "198.51.100.9", "for=203.0.113.9", 200),
        (&standard, "203.0.113.9", "for=unknown", 403),
    ] {
        let headers = [("x-forwarded-for", x_forwarded_for), ("forwarded", forwarded)];
        let answer = send(gateway.address(), Version::Http1, "GET", "/v1/echo/a", &headers, "").await;
        assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
    }
}
