//! `rate_limits.store`: where rates and quotas are counted

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::node::{Node, Value};
use super::place::{Located, Place};
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
            redis.check(&mut Wrong { reader, section: node.place });
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
    fn check(&self, wrong: &mut Wrong<'_, '_>) {
        if !is_prefix(&self.prefix) {
            let text = "has a prefix that is no plain name";
            wrong.report(
                &self.prefix,
                text,
                "Use letters, digits, `-`, `_`, `.` and `:`, 64 characters at most.",
            );
        }
        let ways = [self.url.is_some(), !self.sentinels.is_empty(), !self.cluster.is_empty()];
        match ways.into_iter().filter(|is_written| *is_written).count() {
            1 => {}
            count => {
                let text =
                    if count == 0 { "does not say where Redis is" } else { "says twice where Redis is" };
                let hint = "Write one of `url`, `sentinels` with `master`, and `cluster`.";
                return wrong.report_section(text, hint);
            }
        }
        match &self.master {
            None if !self.sentinels.is_empty() => {
                wrong
                    .report_section("does not say what the sentinels call the server", "Add `master: NAME`.");
            }
            Some(master) if self.sentinels.is_empty() => {
                wrong.report(
                    master,
                    "names a `master`, but no sentinels",
                    "List them: `sentinels: [HOST:26379]`.",
                );
            }
            _ => {}
        }
        self.check_login(wrong);
        match (&self.database, &self.url) {
            (Some(database), _) if !self.cluster.is_empty() && database.value != 0 => {
                wrong.report(database, "names a database, but a cluster has only 0", "Remove `database`.");
            }
            (Some(database), Some(url)) if url.database.is_some() => {
                wrong.report(database, "names a database twice", "Remove it here, or from the URL.");
            }
            _ => {}
        }
        if let (Some(url), Some(_)) = (&self.url, &self.tls)
            && !url.is_secure
        {
            let hint = "Write the URL with rediss://, or remove `tls`.";
            wrong.report(url, "has settings of TLS, but a URL without it", hint);
        }
    }

    fn check_login(&self, wrong: &mut Wrong<'_, '_>) {
        let url = self.url.as_ref();
        let (user, password) =
            (url.and_then(|url| url.user.as_ref()), url.and_then(|url| url.password.as_ref()));
        match &self.password {
            Some(written) if password.is_some() => {
                wrong.report(
                    written,
                    "has a password twice",
                    "Remove it from the URL, where others may read it.",
                );
            }
            None if password.is_none() && (user.is_some() || self.user.is_some()) => {
                wrong.report_section(
                    "names a user without a password",
                    "Add `password: file:PATH` or `env:NAME`.",
                );
            }
            _ => {}
        }
        if let Some(written) = self.user.as_ref().filter(|_| user.is_some()) {
            wrong.report(written, "names a user twice", "Remove it here, or from the URL.");
        }
        let has_sentinels = !self.sentinels.is_empty() || url.is_some_and(|url| url.master.is_some());
        if let Some(password) = self.sentinel_password.as_ref().filter(|_| !has_sentinels) {
            wrong.report(
                password,
                "has a password of sentinels, but no sentinels",
                "Remove `sentinel_password`.",
            );
        }
    }
}

/// Reports what is wrong with a section.
struct Wrong<'r, 'a> {
    reader: &'r mut Reader<'a>,
    section: Place,
}

impl Wrong<'_, '_> {
    fn report<T>(&mut self, at: &Located<T>, what: &str, hint: &str) {
        self.report_at(at.place.unwrap_or(self.section), what, hint);
    }

    fn report_section(&mut self, what: &str, hint: &str) {
        self.report_at(self.section, what, hint);
    }

    fn report_at(&mut self, place: Place, what: &str, hint: &str) {
        let text = format!("{} {what}.", self.reader.path());
        let _: Option<()> = self.reader.error(Problem::error(text).at(place).hint(hint));
    }
}

fn is_prefix(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    text.len() <= 64 && text.bytes().all(legal)
}
