//! `rate_limits.store`: where rates and quotas are counted

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::node::{Node, Value};
use super::place::Located;
use super::problem::Problem;
use super::schema::Schemas;
use super::settings::Setting;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::settings::word::wrong_word;
use super::tls::UpstreamTls;
use super::value::redis_url::{RedisUrl, Server};
use super::value::secret::Secret;

/// Where rates and quotas are counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Store {
    /// In the memory of this process.
    Memory,
    /// In Redis or Valkey.
    Redis(Box<Redis>),
}

settings! {
    /// A store that several gateways share.
    pub enum Shared {
        /// Redis 5 or later, or Valkey.
        redis: Redis(Redis),
    }
}

settings! {
    /// Redis or Valkey: the URL of a server, or a mapping.
    pub struct Redis, short for url {
        /// The server: `redis://HOST:6379`, with a database as in `redis://HOST:6379/1` and with `rediss://` for TLS. Or
        /// the sentinels that know it: `redis+sentinel://HOST:26379,HOST:26379/NAME`.
        url: Option<Located<RedisUrl>> = None,
        /// The sentinels that know the server, in place of a URL: `HOST:26379` each.
        sentinels: Vec<Located<Server>> = Vec::new(),
        /// What the sentinels call the server.
        master: Option<Located<String>> = None,
        /// Some servers of a cluster, in place of a URL: `HOST:6379` each.
        cluster: Vec<Located<Server>> = Vec::new(),
        /// The user, where it is not the default one.
        user: Option<Located<String>> = None,
        /// The password.
        password: Option<Located<Secret>> = None,
        /// The password of the sentinels, if they have one.
        sentinel_password: Option<Located<Secret>> = None,
        /// The number of the database. It is 0 unless it is written.
        database: Option<Located<u32>> = None => 0..=65_535,
        /// How TLS is trusted. It is for `rediss://`; with `sentinels` and `cluster` there is TLS if this is written,
        /// `tls: {}` at least.
        tls: Option<UpstreamTls> = None,
        /// How long a decision may take. Then it is made as `on_store_error` says.
        timeout: Located<Duration> = Duration::from_millis(50).into()
            => Duration::from_millis(1)..=Duration::from_secs(5),
        /// How long making a connection may take. No call waits for one for longer than for a decision.
        connect_timeout: Located<Duration> = Duration::from_secs(1).into()
            => Duration::from_millis(10)..=Duration::from_secs(60),
        /// What keys begin with. Gateways that are to count apart have different ones.
        prefix: Located<String> = "transom".to_owned().into(),
    }
    check check(url, sentinels, master, cluster, user, password, sentinel_password, database, tls, prefix)
    example EXAMPLE
}

settings! {
    /// What happens while a store does not answer.
    pub enum OnStoreError {
        /// Calls are counted in this process alone.
        "local" => Local,
        /// Calls are refused with UNAVAILABLE.
        "deny" => Deny,
    }
}

const EXAMPLE: &str = "Write `store: {redis: redis://HOST:6379}`, or `store: memory`.";

impl Setting for Store {
    const WHAT: &'static str = "`memory` or a mapping with the key `redis`";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(node.value, Value::Text(_)) {
            let Shared::Redis(redis) = Shared::read(node, reader)?;
            return Some(Self::Redis(Box::new(redis)));
        }
        let text = reader.text(node, Self::WHAT)?;
        if text == "memory" {
            return Some(Self::Memory);
        }
        let mut flaw = wrong_word(&text, &["memory"]);
        if text.contains("redis") {
            EXAMPLE.clone_into(&mut flaw.hint);
            // It may hold a password.
            "This is not how a store is written.".clone_into(&mut flaw.message);
        }
        reader.flaw(flaw, node.place)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "const": "memory" }, Shared::schema(schemas)] })
    }

    fn written(&self) -> Option<Json> {
        match self {
            Self::Memory => Some("memory".into()),
            Self::Redis(redis) => Some(json!({ "redis": redis.written()? })),
        }
    }
}

impl Redis {
    #[allow(clippy::too_many_arguments, reason = "they are the keys that say something about one another")]
    fn check(
        reader: &mut Reader<'_>,
        url: Option<&Option<Located<RedisUrl>>>,
        sentinels: Option<&Vec<Located<Server>>>,
        master: Option<&Option<Located<String>>>,
        cluster: Option<&Vec<Located<Server>>>,
        user: Option<&Option<Located<String>>>,
        password: Option<&Option<Located<Secret>>>,
        sentinel_password: Option<&Option<Located<Secret>>>,
        database: Option<&Option<Located<u32>>>,
        tls: Option<&Option<UpstreamTls>>,
        prefix: Option<&Located<String>>,
    ) {
        let mut wrong = Wrong { reader };
        if let Some(prefix) = prefix.filter(|prefix| !is_prefix(prefix)) {
            let text = "is no plain text, which could be told from what comes after it";
            wrong.report(prefix, text, "Use letters, digits, `-`, `_`, `.` and `:`, 64 characters at most.");
        }
        let (Some(url), Some(sentinels), Some(master), Some(cluster)) = (url, sentinels, master, cluster) else {
            return;
        };
        let ways = usize::from(url.is_some()) + usize::from(!sentinels.is_empty()) + usize::from(!cluster.is_empty());
        if ways != 1 {
            let text = if ways == 0 { "does not say where Redis is" } else { "says more than once where Redis is" };
            return wrong.report_section(text, "Write one of `url`, `sentinels` with `master`, and `cluster`.");
        }
        match (master, sentinels.is_empty()) {
            (None, false) => {
                wrong.report_section("lacks the name of what the sentinels watch", "Add `master: NAME`.");
            }
            (Some(master), true) => {
                wrong.report(master, "names a `master`, but no sentinels", "List them: `sentinels: [HOST:26379]`.");
            }
            _ => {}
        }
        let url = url.as_ref();
        if let Some(Some(database)) = database {
            if !cluster.is_empty() && database.value != 0 {
                wrong.report(database, "names a database, but a cluster has only 0", "Remove `database`.");
            } else if url.is_some_and(|url| url.database.is_some()) {
                wrong.report(database, "names a database twice", "Remove it here, or from the URL.");
            }
        }
        if let (Some(Some(password)), Some(url)) = (password, url)
            && url.password.is_some()
        {
            wrong.report(password, "has a password twice", "Remove it from the URL, where others may read it.");
        }
        if let (Some(Some(user)), Some(password)) = (user, password) {
            if url.is_some_and(|url| url.user.is_some()) {
                wrong.report(user, "names a user twice", "Remove it here, or from the URL.");
            } else if password.is_none() && url.is_none_or(|url| url.password.is_none()) {
                wrong.report(user, "names a user without a password", "Add `password: file:PATH` or `env:NAME`.");
            }
        } else if let (Some(None), Some(url)) = (password, url)
            && url.user.is_some()
            && url.password.is_none()
        {
            wrong.report(url, "names a user without a password", "Add `password: file:PATH` or `env:NAME`.");
        }
        let has_sentinels = !sentinels.is_empty() || url.is_some_and(|url| url.master.is_some());
        if let Some(Some(password)) = sentinel_password.filter(|_| !has_sentinels) {
            wrong.report(password, "has a password of sentinels, but no sentinels", "Remove `sentinel_password`.");
        }
        if let (Some(Some(_)), Some(url)) = (tls, url)
            && !url.is_secure
        {
            let hint = "Write the URL with rediss://, or remove `tls`.";
            wrong.report(url, "has settings of TLS, but a URL without it", hint);
        }
    }
}

/// Reports what is wrong with a section.
struct Wrong<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl Wrong<'_, '_> {
    fn report<T>(&mut self, at: &Located<T>, what: &str, hint: &str) {
        let text = format!("{} {what}.", self.reader.path());
        let _: Option<()> = self.reader.error(Problem::error(text).at(at.place).hint(hint));
    }

    fn report_section(&mut self, what: &str, hint: &str) {
        let text = format!("{} {what}.", self.reader.path());
        let _: Option<()> = self.reader.error(Problem::error(text).hint(hint));
    }
}

fn is_prefix(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    text.len() <= 64 && text.bytes().all(legal)
}
