//! Where Transom listens, and where upstreams are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const ADDRESS_HINT: &str = "Write an IP address and a port: 0.0.0.0:8080 for all interfaces (IPv4), [::]:8080 \
                            for all (IPv6), localhost:8080 for this machine alone.";

/// An address to listen on: `IPv4:port`, `[IPv6]:port` or `localhost:port`, which is 127.0.0.1. Port 0
/// lets the system choose.
impl Scalar for SocketAddr {
    const WHAT: &'static str = "an address such as 0.0.0.0:8080";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
            None => text.to_owned(),
        };
        numeric.parse().map_err(|_| {
            let hint = with_interface(text).unwrap_or_else(|| ADDRESS_HINT.to_owned());
            let text = quote(text);
            let message = match numeric.rsplit_once(':') {
                None => format!("{text} is not an address with a port."),
                Some(("" | "*", _)) => format!("{text} does not say on which interface."),
                Some((host, _)) if host.parse::<Ipv6Addr>().is_ok() => {
                    format!("The IPv6 address in {text} needs brackets.")
                }
                Some((host, _)) if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
                    format!("{text} does not end in a port from 0 to 65535.")
                }
                Some(_) => format!("{text} does not begin with an IP address or `localhost`."),
            };
            Flaw::new(message, hint)
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9.]+|\\[[0-9A-Fa-f:.%]+\\]|localhost):[0-9]+$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// A hint that puts an interface before what is only a port: `8080`, `:8080`, `*:8080`.
fn with_interface(text: &str) -> Option<String> {
    let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    let port: u16 = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
    Some(format!(
        "Did you mean `0.0.0.0:{port}` (all interfaces) or `localhost:{port}` (this machine alone)?"
    ))
}

/// Parses an address to listen on as `listeners[].address` does, for the command line.
///
/// # Errors
/// What is wrong and what to write instead, in sentences.
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    <SocketAddr as Scalar>::parse(text, Path::new(""))
        .map_err(|flaw| format!("{} {}", flaw.message, flaw.hint))
}

const TARGET_HINT: &str =
    "Write http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:50051, or unix:/PATH.";
const SERVICE_HINT: &str = "Write it like srv://_grpc._tcp.shop.internal.";

/// The longest path of a socket that systems can connect to, in bytes (`sun_path` of `sockaddr_un`).
const MAX_SOCKET_PATH: usize = 103;

/// Where an upstream is reached: `http://host:port` (gRPC over cleartext HTTP/2, port 80 when none is
/// written), `https://host:port` (over TLS, port 443) or `unix:/path`; or where it is said where it is reached:
/// `dns://name:port`, `dns+https://name:port`, `srv://_service._proto.name`, `srv+https://...` or `file:/path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A host and a TCP port.
    Tcp {
        /// A name or an IP address; IPv6 without brackets.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// The same with TLS.
    Tls {
        /// A name or an IP address; IPv6 without brackets.
        host: String,
        /// The port, never 0.
        port: u16,
    },
    /// A Unix domain socket.
    Unix(PathBuf),
    /// All addresses of a name, each a target.
    Dns {
        /// The name.
        name: String,
        /// The port, never 0.
        port: u16,
        /// Whether the targets have TLS.
        secure: bool,
    },
    /// What the SRV records of a name say.
    Srv {
        /// The name, which begins with `_service._proto.`.
        name: String,
        /// Whether the targets have TLS.
        secure: bool,
    },
    /// What a file lists.
    File(PathBuf),
}

impl Target {
    /// Whether it is no target but says where there are some.
    pub const fn is_found(&self) -> bool {
        matches!(self, Self::Dns { .. } | Self::Srv { .. } | Self::File(_))
    }

    /// Whether it is looked up by name servers.
    pub const fn is_looked_up(&self) -> bool {
        matches!(self, Self::Dns { .. } | Self::Srv { .. })
    }

    /// Whether there is TLS for certain.
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Dns { secure: true, .. } | Self::Srv { secure: true, .. })
    }

    /// The `:authority` of requests to this target.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port } | Self::Tls { host, port } if host.contains(':') => {
                format!("[{host}]:{port}")
            }
            Self::Tcp { host, port } | Self::Tls { host, port } => format!("{host}:{port}"),
            Self::Dns { name, port, .. } => format!("{name}:{port}"),
            Self::Srv { name, .. } => name.clone(),
            Self::Unix(_) | Self::File(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { .. } => write!(f, "http://{}", self.authority()),
            Self::Tls { .. } => write!(f, "https://{}", self.authority()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Dns { secure: false, .. } => write!(f, "dns://{}", self.authority()),
            Self::Dns { secure: true, .. } => write!(f, "dns+https://{}", self.authority()),
            Self::Srv { name, secure: false } => write!(f, "srv://{name}"),
            Self::Srv { name, secure: true } => write!(f, "srv+https://{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Scalar for Target {
    const WHAT: &'static str = "a URL such as http://127.0.0.1:50051";

    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(Flaw::new(format!("{} is not a URL.", quote(text)), with_scheme(text)));
        };
        match (scheme.to_ascii_lowercase().as_str(), rest.strip_prefix("//")) {
            ("http", Some(rest)) => tcp(rest, 80).map(|(host, port)| Self::Tcp { host, port }),
            ("https", Some(rest)) => tcp(rest, 443).map(|(host, port)| Self::Tls { host, port }),
            ("unix", absolute) => unix(absolute.unwrap_or(rest), base),
            ("dns", Some(rest)) => name(rest, false),
            ("dns+https", Some(rest)) => name(rest, true),
            ("srv", Some(rest)) => service(rest, false),
            ("srv+https", Some(rest)) => service(rest, true),
            ("file", absolute) => list(absolute.unwrap_or(rest), base),
            (scheme, Some(_)) => Err(Flaw::new(
                format!("{} is not a scheme that Transom knows.", quote(&format!("{scheme}://"))),
                TARGET_HINT,
            )),
            (_, None) => Err(Flaw::new(format!("{} has no scheme.", quote(text)), with_scheme(text))),
        }
    }

    fn schema() -> Json {
        // What is read in any case is written in both.
        let url = "([Hh][Tt][Tt][Pp][Ss]?|([Dd][Nn][Ss]|[Ss][Rr][Vv])(\\+[Hh][Tt][Tt][Pp][Ss])?)";
        let path = "([Uu][Nn][Ii][Xx]|[Ff][Ii][Ll][Ee])";
        json!({ "type": "string", "pattern": format!("^({url}://[^@/?#\\s]+/?|{path}:.+)$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// A hint that puts a scheme before what looks like host and port.
fn with_scheme(text: &str) -> String {
    let looks_right = |text: &str| tcp(text, 80).is_ok();
    if looks_right(text) { format!("Did you mean `http://{text}`?") } else { TARGET_HINT.to_owned() }
}

/// What follows `dns://`.
fn name(text: &str, secure: bool) -> Result<Target, Flaw> {
    let (name, port) = tcp(text, if secure { 443 } else { 80 })?;
    if name.parse::<IpAddr>().is_ok() {
        let scheme = if secure { "https" } else { "http" };
        let target = match name.contains(':') {
            true => format!("{scheme}://[{name}]:{port}"),
            false => format!("{scheme}://{name}:{port}"),
        };
        let message = format!("{} is an address, for which there is nothing to look up.", quote(&name));
        return Err(Flaw::new(message, format!("Write `{target}`.")));
    }
    Ok(Target::Dns { name, port, secure })
}

/// What follows `srv://`.
fn service(text: &str, secure: bool) -> Result<Target, Flaw> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (name, port) = tcp(text, 0).map_err(|flaw| Flaw::new(flaw.message, SERVICE_HINT))?;
    if port != 0 {
        let message = format!("{} has a port, which the records of a service say themselves.", quote(text));
        return Err(Flaw::new(message, "Remove the port, or write `dns://` for the addresses of a name."));
    }
    let mut labels = name.splitn(3, '.');
    let is_service = labels.next().is_some_and(|label| label.starts_with('_'))
        && labels.next().is_some_and(|label| label.starts_with('_'))
        && labels.next().is_some_and(|domain| !domain.is_empty());
    if !is_service {
        let message = format!("{} is not the name of a service.", quote(&name));
        return Err(Flaw::new(message, SERVICE_HINT));
    }
    Ok(Target::Srv { name, secure })
}

/// What follows `file:`.
fn list(text: &str, base: &Path) -> Result<Target, Flaw> {
    if text.is_empty() || text.contains('\0') {
        let message = "The path of the file with targets is missing or holds a zero byte.";
        return Err(Flaw::new(message, "Write it like file:/etc/transom/targets.yaml."));
    }
    Ok(Target::File(base.join(text)))
}

/// The host and the port in what follows `http://` or `https://`.
fn tcp(text: &str, default_port: u16) -> Result<(String, u16), Flaw> {
    let authority = text.strip_suffix('/').unwrap_or(text);
    if authority.contains('@') {
        // The text is not shown: it may hold a password.
        let hint = "Remove the part before the `@`; send credentials as metadata.";
        return Err(Flaw::new("A target cannot carry a user name or password.", hint));
    }
    if let Some(at) = authority.find(['/', '?', '#']) {
        let message = format!("A target is a host and a port, without {}.", quote(&authority[at..]));
        return Err(Flaw::new(
            message,
            "Remove everything from there on; the method makes the path of a call.",
        ));
    }
    let (host, port) = host_and_port(authority)?;
    Ok((host, port.unwrap_or(default_port)))
}

/// A host, in lower case, and the port behind it if there is one.
pub(super) fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Flaw> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            if host.parse::<Ipv6Addr>().is_err() {
                let message = format!("{} is not an IPv6 address.", quote(host));
                return Err(Flaw::new(message, "Write it like http://[::1]:50051."));
            }
            (host, (!port.is_empty()).then_some(port))
        }
        None => match authority.split_once(':') {
            Some((host, _)) if authority.parse::<Ipv6Addr>().is_ok() || host.is_empty() => {
                let message = format!("{} does not name a host.", quote(authority));
                return Err(Flaw::new(
                    message,
                    "Write it like http://127.0.0.1:50051 or http://[::1]:50051.",
                ));
            }
            Some((host, _)) => (host, Some(&authority[host.len()..])),
            None => (authority, None),
        },
    };
    if !host.contains(':') && !is_host(host) {
        let message = format!("{} is not the name of a host.", quote(host));
        return Err(Flaw::new(message, TARGET_HINT));
    }
    let number = |port: &str| {
        number(port).ok_or_else(|| {
            let message = format!("{} is not a port.", quote(port.trim_start_matches(':')));
            Flaw::new(message, "Write a port from 1 to 65535 after the host.")
        })
    };
    let port = port.map(number).transpose()?;
    Ok((host.to_ascii_lowercase(), port))
}

/// `:digits`
fn number(port: &str) -> Option<u16> {
    let digits = port.strip_prefix(':')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|port| *port != 0)
}

/// A name of letters, digits, `-`, `_` and `.`, with labels of 1 to 63 bytes and 253 in all.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

fn unix(text: &str, base: &Path) -> Result<Target, Flaw> {
    if text.is_empty() || text.contains('\0') {
        let message = "The path of the socket is missing or holds a zero byte.";
        return Err(Flaw::new(message, "Write it like unix:/run/shop.sock."));
    }
    let path = base.join(text);
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        let message = format!("The path of the socket is longer than {MAX_SOCKET_PATH} bytes.");
        return Err(Flaw::new(message, "Move the socket to a shorter path, such as unix:/run/shop.sock."));
    }
    Ok(Target::Unix(path))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::{ADDRESS_HINT, SERVICE_HINT, TARGET_HINT, Target, parse_listen};
    use crate::config::value::check;

    #[test]
    fn addresses() {
        let interface =
            "Did you mean `0.0.0.0:8080` (all interfaces) or `localhost:8080` (this machine alone)?";
        check::<SocketAddr>(&[
            ("0.0.0.0:8080", Ok("0.0.0.0:8080")),
            ("[::1]:8080", Ok("[::1]:8080")),
            ("localhost:0", Ok("127.0.0.1:0")),
            ("8080", Err(("`8080` is not an address with a port.", interface))),
            ("0.0.0.0", Err(("`0.0.0.0` is not an address with a port.", ADDRESS_HINT))),
            (":8080", Err(("`:8080` does not say on which interface.", interface))),
            ("*:8080", Err(("`*:8080` does not say on which interface.", interface))),
            (":http", Err(("`:http` does not say on which interface.", ADDRESS_HINT))),
            ("65536", Err(("`65536` is not an address with a port.", ADDRESS_HINT))),
            ("::1:8080", Err(("The IPv6 address in `::1:8080` needs brackets.", ADDRESS_HINT))),
            ("::1", Err(("`::1` does not begin with an IP address or `localhost`.", ADDRESS_HINT))),
            ("0.0.0.0:65536", Err(("`0.0.0.0:65536` does not end in a port from 0 to 65535.", ADDRESS_HINT))),
            ("[::1]:", Err(("`[::1]:` does not end in a port from 0 to 65535.", ADDRESS_HINT))),
            (
                "example.org:80",
                Err(("`example.org:80` does not begin with an IP address or `localhost`.", ADDRESS_HINT)),
            ),
            (
                "http://0.0.0.0:80",
                Err(("`http://0.0.0.0:80` does not begin with an IP address or `localhost`.", ADDRESS_HINT)),
            ),
        ]);
    }

    #[test]
    fn addresses_on_the_command_line() {
        assert_eq!(parse_listen("localhost:8090"), Ok(SocketAddr::from(([127, 0, 0, 1], 8090))));
        assert_eq!(
            parse_listen("8090").unwrap_err(),
            "`8090` is not an address with a port. Did you mean `0.0.0.0:8090` (all interfaces) or \
             `localhost:8090` (this machine alone)?"
        );
        assert_eq!(
            parse_listen("example.org:80").unwrap_err(),
            "`example.org:80` does not begin with an IP address or `localhost`. Write an IP address and a port: \
             0.0.0.0:8080 for all interfaces (IPv4), [::]:8080 for all (IPv6), localhost:8080 for this machine \
             alone."
        );
    }

    #[test]
    fn targets() {
        let path = "Remove everything from there on; the method makes the path of a call.";
        let port = "Write a port from 1 to 65535 after the host.";
        let user = "Remove the part before the `@`; send credentials as metadata.";
        let host = "Write it like http://127.0.0.1:50051 or http://[::1]:50051.";
        check::<Target>(&[
            ("http://127.0.0.1:50051", Ok("http://127.0.0.1:50051")),
            ("HTTP://Shop.Internal:50051/", Ok("http://shop.internal:50051")),
            ("http://shop", Ok("http://shop:80")),
            ("http://[::1]:50051", Ok("http://[::1]:50051")),
            ("http://[::1]", Ok("http://[::1]:80")),
            ("http://my_service.ns.svc.:1", Ok("http://my_service.ns.svc.:1")),
            ("unix:/run/shop.sock", Ok("unix:/run/shop.sock")),
            ("unix:///run/shop.sock", Ok("unix:/run/shop.sock")),
            ("unix:shop.sock", Ok("unix:/etc/transom/shop.sock")),
            ("https://shop:8443", Ok("https://shop:8443")),
            ("HTTPS://Shop", Ok("https://shop:443")),
            ("https://[::1]/", Ok("https://[::1]:443")),
            ("https://shop:1/api", Err(("A target is a host and a port, without `/api`.", path))),
            ("dns://Shop.Internal:443", Ok("dns://shop.internal:443")),
            ("DNS://shop.", Ok("dns://shop.:80")),
            ("dns+https://shop/", Ok("dns+https://shop:443")),
            ("srv://_grpc._tcp.Shop.internal", Ok("srv://_grpc._tcp.shop.internal")),
            ("srv+https://_grpc._tcp.shop", Ok("srv+https://_grpc._tcp.shop")),
            ("file:///run/targets.yaml", Ok("file:/run/targets.yaml")),
            ("file:targets.yaml", Ok("file:/etc/transom/targets.yaml")),
            (
                "dns://10.0.0.5:1",
                Err((
                    "`10.0.0.5` is an address, for which there is nothing to look up.",
                    "Write `http://10.0.0.5:1`.",
                )),
            ),
            (
                "dns+https://[::1]",
                Err((
                    "`::1` is an address, for which there is nothing to look up.",
                    "Write `https://[::1]:443`.",
                )),
            ),
            ("dns://u:secret@shop", Err(("A target cannot carry a user name or password.", user))),
            ("dns://shop/x", Err(("A target is a host and a port, without `/x`.", path))),
            ("srv://shop", Err(("`shop` is not the name of a service.", SERVICE_HINT))),
            ("srv://_grpc._tcp", Err(("`_grpc._tcp` is not the name of a service.", SERVICE_HINT))),
            ("srv://", Err(("`` is not the name of a host.", SERVICE_HINT))),
            (
                "srv://_grpc._tcp.shop:1",
                Err((
                    "`_grpc._tcp.shop:1` has a port, which the records of a service say themselves.",
                    "Remove the port, or write `dns://` for the addresses of a name.",
                )),
            ),
            (
                "file:",
                Err((
                    "The path of the file with targets is missing or holds a zero byte.",
                    "Write it like file:/etc/transom/targets.yaml.",
                )),
            ),
            ("grpc://shop:1", Err(("`grpc://` is not a scheme that Transom knows.", TARGET_HINT))),
            ("shop:50051", Err(("`shop:50051` has no scheme.", "Did you mean `http://shop:50051`?"))),
            ("shop", Err(("`shop` is not a URL.", "Did you mean `http://shop`?"))),
            ("", Err(("`` is not a URL.", TARGET_HINT))),
            ("http:shop", Err(("`http:shop` has no scheme.", TARGET_HINT))),
            ("http://", Err(("`` is not the name of a host.", TARGET_HINT))),
            ("http://a..b", Err(("`a..b` is not the name of a host.", TARGET_HINT))),
            ("http://sh op:1", Err(("`sh op` is not the name of a host.", TARGET_HINT))),
            ("http://:1", Err(("`:1` does not name a host.", host))),
            ("http://::1", Err(("`::1` does not name a host.", host))),
            ("http://[x]:1", Err(("`x` is not an IPv6 address.", "Write it like http://[::1]:50051."))),
            ("http://shop:", Err(("`` is not a port.", port))),
            ("http://shop:0", Err(("`0` is not a port.", port))),
            ("http://shop:+1", Err(("`+1` is not a port.", port))),
            ("http://shop:65536", Err(("`65536` is not a port.", port))),
            ("http://[::1]1", Err(("`1` is not a port.", port))),
            ("http://u:secret@shop:1", Err(("A target cannot carry a user name or password.", user))),
            ("http://shop:1/api", Err(("A target is a host and a port, without `/api`.", path))),
            ("http://shop?x=1", Err(("A target is a host and a port, without `?x=1`.", path))),
            ("http://shop#x", Err(("A target is a host and a port, without `#x`.", path))),
            (
                "unix:",
                Err((
                    "The path of the socket is missing or holds a zero byte.",
                    "Write it like unix:/run/shop.sock.",
                )),
            ),
            (
                &format!("unix:/{}", "x".repeat(103)),
                Err((
                    "The path of the socket is longer than 103 bytes.",
                    "Move the socket to a shorter path, such as unix:/run/shop.sock.",
                )),
            ),
        ]);
    }

    #[test]
    fn authorities() {
        let tcp = |host: &str| Target::Tcp { host: host.to_owned(), port: 1 }.authority();
        assert_eq!(tcp("shop"), "shop:1");
        assert_eq!(tcp("::1"), "[::1]:1");
        assert_eq!(Target::Unix("/x".into()).authority(), "localhost");
    }
}
