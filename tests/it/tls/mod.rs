//! TLS of listeners and of upstreams, with certificates made for each test, and with clients and backends that others
//! wrote.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::authority::{Authority, Leaf};
use crate::support::backend;
use crate::support::gateway::Gateway;

mod clients;
mod faults;
mod rotation;
mod upstreams;

/// A folder with an authority.
struct Place {
    folder: TempDir,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let place =
            Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new("Test authority") };
        place.authority.write(place.path(), "ca");
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Writes a certificate for these names to NAME.crt, and its key to NAME.key.
    fn write(&self, name: &str, leaf: &Leaf) {
        leaf.write(self.path(), name);
    }

    /// `certificate: ..., key: ...` with the files of this name.
    fn pair(&self, name: &str) -> String {
        format!("certificate: {0}.crt, key: {0}.key", self.shown(name))
    }

    /// A gateway whose only listener has these settings of TLS, in front of the bookstore.
    fn gateway(&self, tls: &str) -> Gateway {
        Gateway::with_config(&format!(
            "listeners: [{{address: '127.0.0.1:0', tls: {{{tls}}}}}]\nupstreams: {{shop: 'http://{}'}}\n\
             services: ['**']\n",
            backend::bookstore()
        ))
    }

    /// curl that trusts the authority and finds every host at the gateway.
    fn curl(&self, gateway: &Gateway, host: &str, arguments: &[&str]) -> Output {
        let port = gateway.address().port();
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--verbose", "--cacert", &self.shown("ca.crt")]);
        curl.args(["--connect-to", &format!("::127.0.0.1:{port}")]).args(arguments);
        let url = format!("https://{host}:{port}/v1/shelves/fiction");
        let output = curl.arg(url).output();
        output.unwrap_or_else(|error| panic!("curl does not start: {error}. `./test` installs it."))
    }
}

/// What a command wrote.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
