//! What tokens say about callers: JSON objects whose entries become an [`Identity`].

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use crate::call::identity::Identity;

/// How deep claims lie within one another that are known by their paths, and how many are known.
const MAX_DEPTH: usize = 4;
const MAX_CLAIMS: usize = 256;
/// The longest name of a caller, in bytes.
const MAX_PRINCIPAL: usize = 1024;

/// What is known of a caller by which claim. A name is that of a claim, or a path such as `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where its roles are: a list, or one as a text.
    pub roles: Box<str>,
    /// Where its owner is.
    pub owner: Option<Box<str>>,
    /// Where its plan is.
    pub plan: Option<Box<str>>,
}

/// A JSON object in which no name stands twice. Others may believe the other one.
#[derive(Debug)]
pub(super) struct Object(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = BTreeMap<String, Value>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if entries.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries).map(Self)
    }
}

/// A claim is not of the kind that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strange;

impl Object {
    /// Reads an object. The depth is bounded by the parser, the size by the caller.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The text of this name.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Strange> {
        self.get(name).map(|value| value.as_str().ok_or(Strange)).transpose()
    }

    /// The time of this name: seconds since 1970, whole or not (RFC 7519 section 2, `NumericDate`).
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>, Strange> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(Strange)?;
        // What is before 1970 is over, and what is after the last time that there is never comes.
        let since = Duration::try_from_secs_f64(seconds.clamp(0.0, 1e12)).map_err(|_| Strange)?;
        SystemTime::UNIX_EPOCH.checked_add(since).ok_or(Strange).map(Some)
    }

    /// Whether one of these is among those that the claim `aud` names, in a text or a list of texts (RFC 7519 section
    /// 4.1.3).
    pub(super) fn is_for(&self, audience: &[Box<str>]) -> Result<bool, Strange> {
        let is_one = |text: &str| audience.iter().any(|one| **one == *text);
        match self.get("aud") {
            None => Ok(false),
            Some(Value::String(text)) => Ok(is_one(text)),
            Some(Value::Array(all)) => {
                let texts: Option<Vec<_>> = all.iter().map(Value::as_str).collect();
                Ok(texts.ok_or(Strange)?.into_iter().any(is_one))
            }
            Some(_) => Err(Strange),
        }
    }

    /// Who the caller is that all this is about, and how many bytes that takes. Its name is the first of these claims
    /// that is there.
    pub(super) fn identity(
        &self,
        names: &[&str],
        mapping: &Mapping,
        expires: Option<SystemTime>,
    ) -> Result<(Identity, usize), Strange> {
        let name = names.iter().find_map(|name| self.text(name).transpose()).ok_or(Strange)??;
        if name.is_empty() || name.len() > MAX_PRINCIPAL {
            return Err(Strange);
        }
        let claims = self.flat();
        let all = |name: &str| claims.get(name).cloned().unwrap_or_default();
        let first = |name: &Option<Box<str>>| all(name.as_deref()?).into_iter().next();
        let scope = if claims.contains_key("scope") { "scope" } else { "scp" };
        let identity = Identity {
            principal: name.into(),
            owner: first(&mapping.owner),
            plan: first(&mapping.plan),
            roles: all(&mapping.roles),
            // A list (RFC 6749 section 3.3), which some write as one of JSON.
            scopes: all(scope)
                .iter()
                .flat_map(|text| text.split(' '))
                .filter(|text| !text.is_empty())
                .map(Box::from)
                .collect(),
            expires,
            claims,
        };
        let weight = weight(&identity);
        Ok((identity, weight))
    }

    /// All claims that are texts, numbers or truth values, or lists of such, by their names; those within others by
    /// their paths. A name that is written so goes before a path that reads the same.
    fn flat(&self) -> BTreeMap<Box<str>, Vec<Box<str>>> {
        let mut flat = BTreeMap::new();
        let (objects, plain): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, value)| value.is_object());
        for (name, value) in plain.into_iter().chain(objects) {
            flatten(name, value, MAX_DEPTH, &mut flat);
        }
        flat
    }
}

fn flatten(name: &str, value: &Value, depth: usize, flat: &mut BTreeMap<Box<str>, Vec<Box<str>>>) {
    if let Value::Object(entries) = value {
        if depth > 0 {
            for (inner, value) in entries {
                flatten(&format!("{name}.{inner}"), value, depth - 1, flat);
            }
        }
        return;
    }
    let values: Vec<_> = match value {
        Value::Array(values) => values.iter().filter_map(plain).collect(),
        value => plain(value).into_iter().collect(),
    };
    if !values.is_empty() && flat.len() < MAX_CLAIMS {
        flat.entry(name.into()).or_insert(values);
    }
}

fn plain(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(value) => Some(value.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// How many bytes an identity takes, roughly.
fn weight(identity: &Identity) -> usize {
    let each = size_of::<Box<str>>();
    let texts = |texts: &[Box<str>]| texts.iter().map(|text| text.len() + each).sum::<usize>();
    let claims = identity.claims.iter().map(|(name, values)| name.len() + 3 * each + texts(values));
    size_of::<Identity>()
        + identity.principal.len()
        + texts(&identity.roles)
        + texts(&identity.scopes)
        + claims.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(roles: &str) -> Mapping {
        Mapping { roles: roles.into(), owner: Some("azp".into()), plan: Some("tier.name".into()) }
    }

    #[test]
    fn claims_are_found_by_name_and_path() {
        let text = br#"{"sub": "u1", "scope": "read  write", "scp": ["no"], "azp": "shop", "n": 7, "half": 0.5, "yes": true,
            "none": null, "mixed": ["a", 1, null, {"x": 1}], "realm_access": {"roles": ["buyer", "admin"]},
            "https://example.com/roles": "chief", "tier": {"name": "pro"}, "realm_access.roles": ["literal"],
            "deep": {"1": {"2": {"3": {"4": "in", "5": {"6": "out"}}}}}}"#;
        let object = Object::parse(text).unwrap();
        let (identity, weight) =
            object.identity(&["sub"], &mapping("https://example.com/roles"), None).unwrap();
        assert!(weight > 300, "{weight}");
        for (name, expected) in [
            ("sub", &["u1"][..]),
            ("scope", &["read", "write"]),
            ("roles", &["chief"]),
            ("owner", &["shop"]),
            ("plan", &["pro"]),
            ("n", &["7"]),
            ("half", &["0.5"]),
            ("yes", &["true"]),
            ("none", &[]),
            ("mixed", &["a", "1"]),
            ("realm_access.roles", &["literal"]),
            ("deep.1.2.3.4", &["in"]),
            ("deep.1.2.3.5.6", &[]),
        ] {
            let found: Vec<_> = identity.claim(name).iter().map(|text| &**text).collect();
            assert_eq!(found, expected, "{name}");
        }
        let scopes = |text: &str| {
            let object = Object::parse(text.as_bytes()).unwrap();
            object.identity(&["sub"], &mapping("roles"), None).unwrap().0.scopes.join("|")
        };
        assert_eq!(scopes(r#"{"sub": "a", "scp": ["read", "write"]}"#), "read|write");
        assert_eq!(scopes(r#"{"sub": "a", "scp": "read write"}"#), "read|write");
    }

    #[test]
    fn what_is_no_object_with_single_names_is_refused() {
        let deep = [&b"{\"a\":"[..], &b"[".repeat(4000), b"1", &b"]".repeat(4000), b"}"].concat();
        for text in [&b"[]"[..], b"{", b"{\"a\":1,\"a\":2}", b"{} {}", b"\xff", b"", &deep] {
            assert!(Object::parse(text).is_none());
        }
        let many: Vec<_> = (0..1000).map(|number| format!("\"{number}\": 1")).collect();
        let many = Object::parse(format!("{{\"sub\": \"a\", {}}}", many.join(",")).as_bytes()).unwrap();
        assert_eq!(many.identity(&["sub"], &mapping("roles"), None).unwrap().0.claims.len(), MAX_CLAIMS);
        for text in [r#"{}"#, r#"{"sub": ""}"#, r#"{"sub": 1}"#, r#"{"sub": ["a"]}"#] {
            let object = Object::parse(text.as_bytes()).unwrap();
            assert!(object.identity(&["sub"], &mapping("roles"), None).is_err(), "{text}");
        }
        let other = Object::parse(br#"{"client_id": "c"}"#).unwrap();
        assert_eq!(
            &*other.identity(&["sub", "client_id"], &mapping("roles"), None).unwrap().0.principal,
            "c"
        );
    }

    #[test]
    fn times_and_audiences() {
        let at = |seconds: f64| Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds)));
        for (text, expected) in [
            ("1700000000", at(1_700_000_000.0)),
            ("1700000000.5", at(1_700_000_000.5)),
            ("-5", at(0.0)),
            ("1e300", at(1e12)),
            ("\"1700000000\"", Err(Strange)),
            ("null", Err(Strange)),
            ("[1]", Err(Strange)),
        ] {
            let object = Object::parse(format!("{{\"exp\": {text}}}").as_bytes()).unwrap();
            assert_eq!(object.time("exp"), expected, "{text}");
        }
        assert_eq!(Object::parse(b"{}").unwrap().time("exp"), Ok(None));
        let wanted = ["shop".into(), "api".into()];
        for (text, expected) in [
            (r#"{"aud": "shop"}"#, Ok(true)),
            (r#"{"aud": ["x", "api"]}"#, Ok(true)),
            (r#"{"aud": "shop api"}"#, Ok(false)),
            (r#"{"aud": []}"#, Ok(false)),
            (r#"{}"#, Ok(false)),
            (r#"{"aud": ["api", 1]}"#, Err(Strange)),
            (r#"{"aud": {"api": 1}}"#, Err(Strange)),
        ] {
            assert_eq!(Object::parse(text.as_bytes()).unwrap().is_for(&wanted), expected, "{text}");
        }
    }
}
