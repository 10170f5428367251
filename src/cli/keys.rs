//! `transom keys`

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use serde_json::Value as Json;

use super::{FAILED, INTERNAL, log, output};
use crate::config::callers::{self, Callers, Key};
use crate::config::load::load;
use crate::config::place::Located;
use crate::config::settings::{Scalar, Setting};
use crate::config::value::moment::Moment;
use crate::policy::new_key;

/// What stands above the keys.
const HEAD: &str = "\
# API keys of callers: their hashes, not the keys. Written by `transom keys`, which keeps no other comments.
# A gateway that runs takes up what changes.
";

/// The arguments of `transom keys`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a key, add its hash to the file, and print the key. It cannot be shown again.
    New(New),
    /// List all keys: what they are called, whose they are, and whether they hold.
    List(List),
    /// Revoke a key. A gateway that runs refuses it within seconds.
    Revoke(Revoke),
}

/// Where the keys are.
#[derive(clap::Args, Clone, Debug)]
struct Place {
    /// The file of keys [default: that of `identity.api_keys` in the configuration].
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The configuration that names the file of keys.
    #[arg(short, long, value_name = "FILE", default_value = "transom.yaml", conflicts_with = "file")]
    config: PathBuf,
    #[command(flatten)]
    log: log::Log,
}

#[derive(clap::Args, Debug)]
struct New {
    #[command(flatten)]
    place: Place,
    /// Whose key it is. An owner may have several.
    #[arg(long)]
    owner: Option<String>,
    /// The plan under which it calls.
    #[arg(long)]
    plan: Option<String>,
    /// A role that it has. May be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// What it is granted. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// From when on it does not hold any more, such as 2027-01-31 or 2027-01-31T12:00:00Z [default: never].
    #[arg(long, value_name = "DATE", value_parser = moment)]
    expires: Option<Moment>,
    /// What it is called in logs [default: its owner and some digits].
    #[arg(long)]
    id: Option<String>,
}

#[derive(clap::Args, Debug)]
struct List {
    #[command(flatten)]
    place: Place,
    /// As a JSON list, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct Revoke {
    #[command(flatten)]
    place: Place,
    /// What the key is called, as `transom keys list` shows it. The key itself will do too.
    key: String,
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text, Path::new("")).map_err(|flaw| format!("{} {}", flaw.message, flaw.hint))
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (place, result) = match &arguments.command {
        Command::New(new) => (&new.place, make(new)),
        Command::List(list) => (&list.place, show(list)),
        Command::Revoke(revoke) => (&revoke.place, take_back(revoke)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(FAILED),
        Err(Failure::Text(text)) => place.log.format.fail(&text, FAILED),
        Err(Failure::System(text)) => place.log.format.fail(&text, INTERNAL),
    }
}

/// Why a command could not do what it should.
enum Failure {
    /// The user knows already.
    Told,
    Text(String),
    System(String),
}

impl Place {
    /// The file, and what it holds.
    fn open(&self) -> Result<(PathBuf, Callers), Failure> {
        self.log.start_quiet();
        let told = |problems| {
            self.log.format.report(&problems);
            Failure::Told
        };
        let file = match &self.file {
            Some(file) => file.clone(),
            None => {
                let (config, _) = load(&self.config).map_err(told)?;
                let keys = config.identity.api_keys.ok_or_else(|| {
                    let config = self.config.display();
                    Failure::Text(format!(
                        "The configuration {config} names no file of keys. Add `identity: {{api_keys: {{file: \
                         keys.yaml}}}}`, or name the file with --file."
                    ))
                })?;
                keys.file.to_path_buf()
            }
        };
        let callers = callers::read(&file).map_err(told)?;
        Ok((file, callers))
    }
}

fn make(new: &New) -> Result<(), Failure> {
    let (file, mut callers) = new.place.open()?;
    let random = |_| Failure::System("The operating system gives no random numbers.".into());
    let key = new_key::make().map_err(random)?;
    let id = match &new.id {
        Some(id) => id.clone(),
        None => {
            let digits = &new_key::hash(&key)["sha256:".len()..][..8];
            format!("{}-{digits}", new.owner.as_deref().unwrap_or("key"))
        }
    };
    if callers.keys.iter().any(|key| key.id.value == id) {
        return Err(Failure::Text(format!("There is a key {id} already. Choose another --id.")));
    }
    if id.is_empty() || id.chars().any(char::is_control) {
        return Err(Failure::Text("A key is called by a text without control characters.".into()));
    }
    let located = |texts: &[String]| texts.iter().cloned().map(Located::from).collect();
    callers.keys.push(Key {
        id: id.clone().into(),
        hash: new_key::hash(&key).into(),
        owner: new.owner.clone().map(Into::into),
        plan: new.plan.clone().map(Into::into),
        roles: located(&new.roles),
        scopes: located(&new.scopes),
        claims: None,
        created: Some(Moment::of(SystemTime::now()).into()),
        expires: new.expires.map(Into::into),
        revoked: None,
    });
    write(&file, &callers)?;
    output::error(&format!("The key {id} is in {}. Keep what follows: it is shown once.", file.display()));
    output::line(&key);
    Ok(())
}

fn show(list: &List) -> Result<(), Failure> {
    let (_, callers) = list.place.open()?;
    if list.json {
        let keys = callers.keys.iter().filter_map(|key| {
            let mut shown = key.written()?;
            shown.as_object_mut()?.insert("state".to_owned(), state(key).into());
            Some(shown)
        });
        output::line(&format!("{:#}", Json::Array(keys.collect())));
        return Ok(());
    }
    let shown =
        |value: &Option<Located<String>>| value.as_ref().map_or("-".to_owned(), |value| value.value.clone());
    let when =
        |value: &Option<Located<Moment>>| value.as_ref().map_or("-".to_owned(), |value| value.to_string());
    let rows = callers.keys.iter().map(|key| {
        let roles: Vec<_> = key.roles.iter().map(|role| role.as_str()).collect();
        let roles = if roles.is_empty() { "-".to_owned() } else { roles.join(",") };
        let state = state(key).to_owned();
        [
            key.id.value.clone(),
            shown(&key.owner),
            shown(&key.plan),
            roles,
            when(&key.created),
            when(&key.expires),
            state,
        ]
    });
    let titles = ["ID", "OWNER", "PLAN", "ROLES", "CREATED", "EXPIRES", "STATE"].map(str::to_owned);
    output::table(&std::iter::once(titles).chain(rows).collect::<Vec<_>>());
    Ok(())
}

fn state(key: &Key) -> &'static str {
    let is_over = |expires: &Located<Moment>| expires.time() <= SystemTime::now();
    match (&key.revoked, &key.expires) {
        (Some(_), _) => "revoked",
        (None, Some(expires)) if is_over(expires) => "expired",
        (None, _) => "valid",
    }
}

fn take_back(revoke: &Revoke) -> Result<(), Failure> {
    let (file, mut callers) = revoke.place.open()?;
    let hash = new_key::hash(&revoke.key);
    let is_meant = |key: &&mut Key| key.id.value == revoke.key || key.hash.value == hash;
    let Some(key) = callers.keys.iter_mut().find(is_meant) else {
        // What was typed may be a key, which is not to be repeated.
        let name =
            if new_key::is_one(&revoke.key) { "that was given" } else { &*format!("{:?}", revoke.key) };
        let text =
            format!("There is no key {name} in {}. `transom keys list` lists what there is.", file.display());
        return Err(Failure::Text(text));
    };
    let id = key.id.value.clone();
    if key.revoked.is_some() {
        output::line(&format!("The key {id} was revoked before."));
        return Ok(());
    }
    key.revoked = Some(Moment::of(SystemTime::now()).into());
    write(&file, &callers)?;
    output::line(&format!("The key {id} is revoked."));
    Ok(())
}

/// Puts a new file in the place of the old one, in one step, readable for its owner alone or as the old one was.
fn write(file: &Path, callers: &Callers) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Text(format!("The file {} cannot be written: {error}. Check its folder.", file.display()))
    };
    let mut new = file.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let new = PathBuf::from(new);
    let written = || {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        if let Ok(old) = fs::metadata(file) {
            out.set_permissions(old.permissions())?;
        }
        out.write_all(text(callers).as_bytes())?;
        File::sync_all(&out)?;
        fs::rename(&new, fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()))
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(error)
    })
}

/// The file in YAML: a line for each thing that is said of a key, in the notation of JSON.
fn text(callers: &Callers) -> String {
    let mut text = HEAD.to_owned();
    let lists: [(&str, Vec<Option<Json>>); 2] = [
        ("keys", callers.keys.iter().map(Setting::written).collect()),
        ("users", callers.users.iter().map(Setting::written).collect()),
    ];
    for (name, list) in lists.into_iter().filter(|(name, list)| *name == "keys" || !list.is_empty()) {
        text.push_str(&format!("{name}:{}\n", if list.is_empty() { " []" } else { "" }));
        for entry in list.into_iter().flatten() {
            let entry = entry.as_object().cloned().unwrap_or_default();
            let said =
                entry.into_iter().filter(|(_, value)| value.as_array().is_none_or(|list| !list.is_empty()));
            for (index, (key, value)) in said.enumerate() {
                text.push_str(&format!("  {} {key}: {value}\n", if index == 0 { "-" } else { " " }));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Problems;

    #[test]
    fn what_is_written_is_read_again() {
        let file = "\
keys:
  - {id: \"a: ünï\", hash: 'sha256:00', owner: acme, roles: [buyer, \"x y\"], claims: {region: [eu]}, created: 2026-01-02}
  - {id: b, hash: h, plan: pro, scopes: [s], expires: 2027-01-02T03:04:05Z, revoked: 2026-05-06}
users: [{name: \"null\", password: $argon2id$v=19}]
";
        let read = |text: &str| {
            let mut problems = Problems::default();
            callers::parse("keys.yaml", text, &mut problems).unwrap_or_else(|| panic!("{problems:?}"))
        };
        let callers = read(file);
        assert_eq!(callers.keys.len(), 2);
        let written = text(&callers);
        assert_eq!(read(&written), callers, "{written}");
        assert!(
            written.contains("  - id: \"a: ünï\"\n    hash: \"sha256:00\"\n    owner: \"acme\"\n"),
            "{written}"
        );
        assert_eq!(text(&Callers::default()), format!("{HEAD}keys: []\n"));
    }
}
