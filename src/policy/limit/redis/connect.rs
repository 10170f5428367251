//! Opening a connection to a server, until it takes commands.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::resp::{self, Malformed, Reply};
use super::{Settings, script};
use crate::tls::client::Connector;
use crate::tls::dial::{Socket, dial};

/// How long a connection may be silent until the kernel asks whether the other side is still there.
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an IP address; IPv6 without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Address {
    /// Reads `HOST:PORT` as servers write it, with an IPv6 address in brackets or not. Without a host it is that of
    /// `other`.
    pub(super) fn parse(text: &str, other: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() || host == "?" { &*other.host } else { host };
        Some(Self { host: host.into(), port: port.parse().ok().filter(|port| *port != 0)? })
    }
}

/// How TLS is opened.
#[derive(Clone, Debug)]
pub struct Tls {
    /// What opens it.
    pub connector: Arc<Connector>,
    /// What certificates must be for, where it is not the host.
    pub name: Option<ServerName<'static>>,
}

/// By the same connector, whatever its files hold.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connector, &other.connector) && self.name == other.name
    }
}

/// Why a server cannot be used, in words for whoever runs the gateway.
#[derive(Debug)]
pub(super) enum Fault {
    /// It cannot be reached, or the connection ended.
    Io(io::Error),
    /// It does not speak the protocol.
    Malformed,
    /// It refuses what is asked at the beginning; it says why.
    Refused(&'static str, Box<str>),
    /// It is a replica, which cannot count.
    Replica,
    /// No sentinel knows the server.
    Unknown(Box<str>),
    /// It takes too long.
    Late,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed => Malformed.fmt(f),
            Self::Refused(what, why) => write!(f, "it refuses {what}: {why}"),
            Self::Replica => f.write_str("it is a replica, which only its primary may write to"),
            Self::Unknown(why) => write!(f, "no sentinel says where the server is: {why}"),
            Self::Late => f.write_str("it does not answer in time"),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut { Self::Late } else { Self::Io(error) }
    }
}

impl From<Malformed> for Fault {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Connects to a server, shows who asks, chooses the database and loads the script: two round trips, and two more for
/// TLS. It must be a primary if it is asked for one.
pub(super) async fn open(
    settings: &Settings,
    server: &Address,
    must_be_primary: bool,
    deadline: Instant,
) -> Result<Socket, Fault> {
    let opened = async {
        let mut socket = reach(settings, server, deadline).await?;
        let mut asked = Vec::new();
        let mut commands = Vec::new();
        if let Some(password) = &settings.password {
            asked.push("the user or the password");
            commands.extend(auth(settings.user.as_deref(), &password.0));
        }
        if settings.database != 0 {
            asked.push("the database");
            commands.extend(resp::command(&[b"SELECT", settings.database.to_string().as_bytes()]));
        }
        asked.push("the script that counts");
        commands.extend(script::load());
        if must_be_primary {
            asked.push("to tell its role");
            commands.extend(resp::command(&[b"ROLE"]));
        }
        let replies = ask(&mut socket, &commands, asked.len()).await?;
        for (what, reply) in asked.into_iter().zip(&replies) {
            if let Reply::Error(why) = reply {
                return Err(Fault::Refused(what, shortened(why)));
            }
        }
        let role = replies.last().and_then(Reply::list).and_then(<[Reply]>::first).and_then(Reply::text);
        if must_be_primary && role != Some("master") {
            return Err(Fault::Replica);
        }
        Ok(socket)
    };
    timeout_at(deadline, opened).await.unwrap_or(Err(Fault::Late))
}

/// Asks the sentinels in turn where the primary of this name is.
pub(super) async fn ask_sentinels(
    settings: &Settings,
    sentinels: &[Address],
    name: &str,
    deadline: Instant,
) -> Result<Address, Fault> {
    let mut fault = Fault::Unknown("none was asked".into());
    for (tried, sentinel) in sentinels.iter().enumerate() {
        // One that does not answer uses up only its share of the time.
        let left = u32::try_from(sentinels.len() - tried).unwrap_or(1);
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        let asked = ask_sentinel(settings, sentinel, name, deadline);
        match timeout_at(Instant::now() + share, asked).await.unwrap_or(Err(Fault::Late)) {
            Ok(address) => return Ok(address),
            Err(error) => fault = Fault::Unknown(format!("{sentinel}: {error}").into()),
        }
    }
    Err(fault)
}

async fn ask_sentinel(
    settings: &Settings,
    sentinel: &Address,
    name: &str,
    deadline: Instant,
) -> Result<Address, Fault> {
    let mut socket = reach(settings, sentinel, deadline).await?;
    let mut commands = Vec::new();
    if let Some(password) = &settings.sentinel_password {
        commands.extend(auth(None, &password.0));
    }
    commands.extend(resp::command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", name.as_bytes()]));
    let count = 1 + usize::from(settings.sentinel_password.is_some());
    let replies = ask(&mut socket, &commands, count).await?;
    let texts = match replies.last() {
        Some(Reply::List(list)) => list.iter().filter_map(Reply::text).collect(),
        Some(Reply::Error(why)) => return Err(Fault::Refused("the question", shortened(why))),
        _ => Vec::new(),
    };
    match &*texts {
        [host, port] => Address::parse(&format!("{host}:{port}"), sentinel).ok_or(Fault::Malformed),
        _ => Err(Fault::Unknown(format!("it knows no `{name}`").into())),
    }
}

/// What a cluster tells of its slots, when it is asked at one of its servers.
pub(super) async fn ask_slots(
    settings: &Settings,
    server: &Address,
    deadline: Instant,
) -> Result<Reply, Fault> {
    let asked = async {
        let mut socket = reach(settings, server, deadline).await?;
        let mut commands = Vec::new();
        if let Some(password) = &settings.password {
            commands.extend(auth(settings.user.as_deref(), &password.0));
        }
        commands.extend(resp::command(&[b"CLUSTER", b"SLOTS"]));
        let count = 1 + usize::from(settings.password.is_some());
        match ask(&mut socket, &commands, count).await?.pop() {
            Some(Reply::Error(why)) => {
                Err(Fault::Refused("to tell the slots of its cluster", shortened(&why)))
            }
            Some(reply) => Ok(reply),
            None => Err(Fault::Malformed),
        }
    };
    timeout_at(deadline, asked).await.unwrap_or(Err(Fault::Late))
}

fn auth(user: Option<&str>, password: &str) -> Vec<u8> {
    match user {
        Some(user) => resp::command(&[b"AUTH", user.as_bytes(), password.as_bytes()]),
        None => resp::command(&[b"AUTH", password.as_bytes()]),
    }
}

/// What a server says of an error, for a log. It is not trusted to be short.
pub(super) fn shortened(why: &str) -> Box<str> {
    why.chars().filter(|c| !c.is_control()).take(200).collect::<String>().into()
}

/// Writes commands and reads so many replies.
async fn ask(socket: &mut Socket, commands: &[u8], replies: usize) -> Result<Vec<Reply>, Fault> {
    socket.write_all(commands).await?;
    socket.flush().await?;
    let (mut input, mut read) = (Vec::with_capacity(4096), Vec::with_capacity(replies));
    while read.len() < replies {
        if let Some((reply, length)) = resp::read(&input)? {
            input.drain(..length);
            read.push(reply);
        } else if socket.read_buf(&mut input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(read)
}

/// Connects and does the handshake of TLS.
async fn reach(settings: &Settings, server: &Address, deadline: Instant) -> Result<Socket, Fault> {
    let stream = dial(&server.host, server.port, MAX_ADDRESSES, deadline).await?;
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER);
    if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&probes) {
        // Some sandboxes lack it; the connection is good all the same.
        tracing::debug!(%error, "the kernel does not watch over a connection to the store of limits");
    }
    let Some(tls) = &settings.tls else { return Ok(Socket::Plain(stream)) };
    let name = match &tls.name {
        Some(name) => name.clone(),
        None => ServerName::try_from(server.host.to_string()).map_err(io::Error::other)?,
    };
    Ok(Socket::secured(stream, &tls.connector, name).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_servers_write_them() {
        let address = |host: &str, port| Some(Address { host: host.into(), port });
        let other = Address { host: "seed".into(), port: 1 };
        for (text, expected) in [
            ("10.0.0.1:6379", address("10.0.0.1", 6379)),
            (":6380", address("seed", 6380)),
            ("?:6380", address("seed", 6380)),
            ("[::1]:6379", address("::1", 6379)),
            ("fe80::1:6379", address("fe80::1", 6379)),
            ("host:0", None),
            ("host:65536", None),
            ("host", None),
        ] {
            assert_eq!(Address::parse(text, &other), expected, "{text}");
        }
        assert_eq!(address("::1", 2).unwrap().to_string(), "[::1]:2");
    }
}
