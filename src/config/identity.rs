//! `identity`

use super::place::Located;
use super::problem::Problem;
use super::settings::collection::Named;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::tokens::{Introspection, Jwt};
use super::value::name::RequestKey;
use super::value::path::FilePath;

/// Names in queries that mean something else: on WebSockets, in Connect by GET, and for the documents of SOAP. A key under
/// one of them would be taken from where it is looked for.
const TAKEN: [&str; 10] = [
    "access_token",
    "trailers",
    "connect",
    "message",
    "encoding",
    "base64",
    "compression",
    "wsdl",
    "singlewsdl",
    "xsd",
];

settings! {
    /// How callers show who they are. What a method asks for is said under `policies`.
    pub struct Identity default {
        /// API keys of partners.
        api_keys: Option<ApiKeys> = None,
        /// Names and passwords, by HTTP Basic or as a UsernameToken of WS-Security.
        basic: Option<Basic> = None,
        /// Issuers of signed tokens (JWT), by names of your choice: OpenID Connect providers and others.
        jwt: Option<Named<Jwt>> = None,
        /// Who is asked what tokens mean (RFC 7662), by names of your choice.
        introspection: Option<Named<Introspection>> = None,
    }
}

settings! {
    /// API keys of partners.
    pub struct ApiKeys, short for file {
        /// The file of keys, which `transom keys` writes. It holds their hashes, and is read again when it changes.
        file: Located<FilePath>,
        /// The header in which callers send a key. It never goes upstream.
        header: Located<RequestKey> = RequestKey::fixed("x-api-key").into(),
        /// The name under which a key may stand in the query too. Logs show no queries, but those of others may. No
        /// request has it as a field then.
        query: Option<Located<String>> = None,
    }
    check check(header, query)
    example "Write `api_keys: {file: keys.yaml}`. `transom keys new` makes the file."
}

settings! {
    /// Names and passwords of users.
    pub struct Basic, short for file {
        /// The file of users, with their passwords as argon2 makes of them. It is read again when it changes.
        file: Located<FilePath>,
        /// What a browser shows when it asks for the password.
        realm: Located<String> = "Transom".to_owned().into(),
    }
    check check(realm)
    example "Write `basic: {file: users.yaml}`."
}

impl ApiKeys {
    fn check(
        reader: &mut Reader<'_>,
        header: Option<&Located<RequestKey>>,
        query: Option<&Option<Located<String>>>,
    ) {
        if let Some(header) = header.filter(|header| &****header == "authorization") {
            let text = format!(
                "{} cannot be the header of API keys: passwords and tokens are sent in it.",
                reader.path()
            );
            let hint = "Choose another name, such as x-api-key.";
            let _: Option<()> = reader.error(Problem::error(text).at(header.place).hint(hint));
        }
        let Some(Some(query)) = query else { return };
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if query.is_empty() || !query.bytes().all(legal) || query.len() > 64 {
            let text = format!("{} names a parameter of the query that is no plain name.", reader.path());
            let hint = "Use letters, digits, `-`, `_` and `.`, 64 characters at most, such as api_key.";
            let _: Option<()> = reader.error(Problem::error(text).at(query.place).hint(hint));
        } else if TAKEN.iter().any(|name| query.eq_ignore_ascii_case(name)) {
            let text = format!(
                "{} names the parameter {:?} of the query, which has another meaning already.",
                reader.path(),
                query.value
            );
            let hint =
                format!("Choose another name, such as api_key. These are taken: {}.", TAKEN.join(", "));
            let _: Option<()> = reader.error(Problem::error(text).at(query.place).hint(hint));
        }
    }
}

impl Basic {
    fn check(reader: &mut Reader<'_>, realm: Option<&Located<String>>) {
        let legal = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
        if let Some(realm) = realm.filter(|realm| !realm.bytes().all(legal)) {
            let text = format!("{} has a realm that a header cannot carry.", reader.path());
            let hint = "Use visible ASCII characters and spaces, without quotes and backslashes.";
            let _: Option<()> = reader.error(Problem::error(text).at(realm.place).hint(hint));
        }
    }
}
