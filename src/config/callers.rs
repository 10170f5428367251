//! The files of API keys and of users, which `identity` names.
//!
//! ```text
//! keys:
//!   - id: acme-1
//!     hash: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//!     owner: acme
//!     plan: pro
//!     roles: [buyer]
//!     expires: 2027-01-31
//! users:
//!   - name: legacy
//!     password: $argon2id$v=19$m=19456,t=2,p=1$...
//! ```
//!
//! `${` is plain text here. One file may hold both lists, but is named for each of them.

use std::path::Path;

use super::files::read_named_text;
use super::node::{self, Value};
use super::place::{Located, Place};
use super::problem::{Problem, Problems};
use super::settings::Setting;
use super::settings::collection::{Named, NonEmpty};
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::moment::Moment;
use super::value::path::FilePath;

/// The largest file of keys or users, in bytes.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

settings! {
    /// The file of API keys and users.
    pub struct Callers default {
        /// API keys.
        keys: Vec<Key> = Vec::new(),
        /// Users with passwords.
        users: Vec<User> = Vec::new(),
    }
    example "Write `keys:` with a list of keys. `transom keys new` does."
}

settings! {
    /// An API key.
    pub struct Key {
        /// What it is called in logs and by `transom keys revoke`. It is no secret.
        id: Located<String>,
        /// `sha256:` and the SHA-256 hash of the key in hexadecimal digits.
        hash: Located<String>,
        /// Whose key it is. An owner may have several.
        owner: Option<Located<String>> = None,
        /// The plan under which it calls.
        plan: Option<Located<String>> = None,
        /// The roles that it has.
        roles: Vec<Located<String>> = Vec::new(),
        /// What it is granted.
        scopes: Vec<Located<String>> = Vec::new(),
        /// What else is said about the caller: a name and its values.
        claims: Option<Named<NonEmpty<Located<String>>>> = None,
        /// When it was made.
        created: Option<Located<Moment>> = None,
        /// From when on it does not hold any more.
        expires: Option<Located<Moment>> = None,
        /// When it was revoked. It does not hold any more, even if that is still to come.
        revoked: Option<Located<Moment>> = None,
    }
    check check_id(id)
}

settings! {
    /// A user with a password.
    pub struct User {
        /// The name, without colons.
        name: Located<String>,
        /// The password as argon2 makes of it, in PHC form: `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
        password: Located<String>,
        /// Whose user it is. An owner may have several.
        owner: Option<Located<String>> = None,
        /// The plan under which it calls.
        plan: Option<Located<String>> = None,
        /// The roles that it has.
        roles: Vec<Located<String>> = Vec::new(),
        /// What it is granted.
        scopes: Vec<Located<String>> = Vec::new(),
        /// What else is said about the caller: a name and its values.
        claims: Option<Named<NonEmpty<Located<String>>>> = None,
        /// From when on the password does not hold any more.
        expires: Option<Located<Moment>> = None,
        /// When the user was locked out, even if that is still to come.
        revoked: Option<Located<Moment>> = None,
    }
    check check_name(name)
}

impl Key {
    fn check_id(reader: &mut Reader<'_>, id: Option<&Located<String>>) {
        if let Some(id) = id {
            reader.once("key", id);
        }
    }
}

impl User {
    fn check_name(reader: &mut Reader<'_>, name: Option<&Located<String>>) {
        let Some(name) = name else { return };
        reader.once("user", name);
        if name.contains(':') || name.chars().any(char::is_control) {
            let text = format!("{} has a name that HTTP Basic cannot carry.", reader.path());
            let hint = "Remove colons and control characters from it.";
            let _: Option<()> = reader.error(Problem::error(text).at(name.place).hint(hint));
        }
    }
}

/// Reads a file of at most [`MAX_FILE`] bytes. When there is nothing, at least one error was added to `problems`.
pub fn load(path: &Located<FilePath>, problems: &mut Problems) -> Option<Callers> {
    let text = read_named_text(path, MAX_FILE, problems)?;
    parse(&path.display().to_string(), &text, problems)
}

/// Reads a text, which problems call `name`.
pub fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Callers> {
    let source = problems.sources.add(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let before = problems.errors();
    let root = node::parse(source, problems)?;
    if root.value == Value::Null {
        return Some(Callers::default());
    }
    let callers = Callers::read(&root, &mut Reader::verbatim(problems))?;
    (problems.errors() == before).then_some(callers)
}

/// The same from a file that no configuration names.
///
/// # Errors
/// All that is wrong with it. A file that is not there holds nothing.
pub fn read(path: &Path) -> Result<Callers, Problems> {
    let mut problems = Problems::default();
    if !path.exists() {
        return Ok(Callers::default());
    }
    let shown = path.display().to_string();
    let place = Place::new(problems.sources.add("the command line", shown.clone()), 0, shown.len());
    let named = FilePath::at(path);
    load(&Located::new(named, place), &mut problems).ok_or(problems)
}
