//! `transom health`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{FAILED, INTERNAL, log, output};
use crate::config::load;
use crate::config::value::duration::parse_duration;

/// The longest answer that is shown, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// The arguments of `transom health`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The configuration file of the gateway, which says where its admin listener is [default: transom.yaml].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// In place of a file: the admin listener, such as http://127.0.0.1:9901.
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    url: Option<Uri>,
    /// How long to wait, such as 2s or 500ms.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    timeout: Duration,
    #[command(flatten)]
    log: log::Log,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (host, path) = match target(arguments) {
        Ok(target) => target,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return arguments.log.format.fail(&format!("No runtime could be started: {error}."), INTERNAL);
        }
    };
    let probed = runtime.block_on(async {
        let probed = tokio::time::timeout(arguments.timeout, probe(&host, &path)).await;
        probed.unwrap_or_else(|_| {
            Err(format!("The gateway at {host} did not answer within {} ms.", arguments.timeout.as_millis()))
        })
    });
    // A name that is still being looked up must not hold the process back.
    runtime.shutdown_background();
    match probed {
        Ok((StatusCode::OK, answer)) => {
            output::line(answer.trim_end());
            ExitCode::SUCCESS
        }
        Ok((status, answer)) => {
            output::error(&format!("The gateway at {host} is not ready ({status}):\n{}", answer.trim_end()));
            ExitCode::from(FAILED)
        }
        Err(error) => {
            output::error(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// Host and path of the probe.
fn target(arguments: &Arguments) -> Result<(String, String), ExitCode> {
    let refuse = |text: &str| {
        output::error(text);
        ExitCode::from(FAILED)
    };
    if let Some(url) = &arguments.url {
        let is_plain = url.scheme_str() == Some("http");
        let Some(authority) = url.authority().filter(|_| is_plain) else {
            return Err(refuse("The URL is not one of an admin listener. Write http://HOST:PORT."));
        };
        let host = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:80"),
        };
        let path = if url.path() == "/" { "/readyz" } else { url.path() };
        return Ok((host, path.to_owned()));
    }
    let file = arguments.config.clone().unwrap_or_else(|| PathBuf::from("transom.yaml"));
    let (config, _) = load::load(&file).map_err(|problems| {
        arguments.log.format.report(&problems);
        ExitCode::from(FAILED)
    })?;
    match &config.admin {
        Some(admin) => Ok((reachable(admin.address.value).to_string(), "/readyz".to_owned())),
        None => Err(refuse(
            "The configuration has no `admin`, so that nobody can be asked. Add `admin: 127.0.0.1:9901`.",
        )),
    }
}

/// An address to connect to, for one that may mean all interfaces.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Asks, and reads the answer.
async fn probe(host: &str, path: &str) -> Result<(StatusCode, String), String> {
    let unreachable = |error: &dyn std::fmt::Display| {
        format!(
            "The gateway at {host} cannot be reached: {error}. Check that it runs with this `admin` address."
        )
    };
    let stream = TcpStream::connect(host).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| format!("This cannot be asked for: {error}."))?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    connection.abort();
    let body =
        body.map_err(|error| format!("The answer of the gateway at {host} cannot be read: {error}."))?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
