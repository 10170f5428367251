//! Who may call: policies on every path, by clients of every dialect.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tempfile::TempDir;
use transom::policy::new_key;

use crate::support::gateway::Gateway;
use crate::support::raw_backend::{self, status};
use crate::support::root;

mod calls;
mod files;
mod grid;
mod hostile;
mod identity;
mod introspection;
mod issuer;
mod jwt;
mod limits;
mod proxies;
mod settings;
mod streams;

/// Keys of these tests.
const BUYER: &str = "buyer-key";
const VISITOR: &str = "visitor-key";
const EXPIRED: &str = "expired-key";
const REVOKED: &str = "revoked-key";
/// Of plans that are made to be used up.
const SPENT: &str = "spent-key";
const DRAINED: &str = "drained-key";
/// `legacy:password` and `legacy:wrong`.
const PASSWORD: &str = "Basic bGVnYWN5OnBhc3N3b3Jk";
const WRONG_PASSWORD: &str = "Basic bGVnYWN5Ondyb25n";

/// A file of these keys, whose ids are without `-key`, and of a user.
fn callers() -> String {
    let key = |key: &str, rest: &str| {
        let id = key.trim_end_matches("-key");
        format!("  - {{id: {id}, hash: '{}', owner: acme, {rest}}}\n", new_key::hash(key))
    };
    // The password is that of a vector of the reference implementation of argon2.
    let password = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    [
        "keys:\n".to_owned(),
        key(BUYER, "plan: pro, roles: [buyer], scopes: [read, write], claims: {region: [eu, 'ü%']}"),
        key(VISITOR, "roles: [visitor]"),
        key(EXPIRED, "roles: [buyer], expires: 2020-01-01"),
        key(REVOKED, "roles: [buyer], revoked: 2999-01-01"),
        key(SPENT, "roles: [buyer], plan: spent"),
        key(DRAINED, "roles: [buyer], plan: drained"),
        format!("users:\n  - {{name: legacy, password: '{password}', owner: initech, roles: [buyer]}}\n"),
    ]
    .concat()
}

/// A folder with `callers.yaml`.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("callers.yaml", &callers());
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file in one step.
    fn write(&self, name: &str, text: &str) {
        let new = self.file("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file(name)).unwrap();
    }

    /// What `identity` says for `callers.yaml`.
    fn identity(&self) -> String {
        let file = self.file("callers.yaml").display().to_string();
        format!("identity: {{api_keys: {{file: {file}, query: api_key}}, basic: {file}}}\n")
    }

    /// A gateway in front of a backend for `echo.proto` at this address, with policies.
    fn gateway(&self, backend: &str, rest: &str) -> Gateway {
        Gateway::with_config(&self.config(backend, rest))
    }

    fn config(&self, backend: &str, rest: &str) -> String {
        let protos = root().join("tests/python");
        format!(
            "{}descriptors:\n  - protos: {{include: [{}], files: [echo.proto]}}\n\
             upstreams: {{echo: 'http://{backend}'}}\n{}{rest}",
            Gateway::ANY_PORT,
            protos.display(),
            self.identity()
        )
    }
}

/// A backend that counts its calls and answers each as its method should.
struct Counting {
    address: String,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    fn start() -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&calls);
        let address = raw_backend::start(1000, move |mut call| {
            counted.fetch_add(1, Relaxed);
            async move {
                let answer: &[u8] = match call.path.as_str() {
                    "/echo.v1.Streams/Watch" => &raw_backend::item(1),
                    "/echo.v1.Streams/Gather" => &[0, 0, 0, 0, 2, 8, 1],
                    _ => return call.echo(),
                };
                let answer = bytes::Bytes::copy_from_slice(answer);
                if let Some(mut stream) = call.begin() {
                    let _ = stream.send_data(answer, false);
                    let _ = stream.send_trailers(status("0"));
                }
            }
        });
        Self { address: address.to_string(), calls }
    }

    fn count(&self) -> usize {
        self.calls.load(Relaxed)
    }
}
