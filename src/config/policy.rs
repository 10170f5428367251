//! `policies`, and where they hold

use super::place::{Located, Place};
use super::plan::PolicyRate;
use super::problem::Problem;
use super::service::Dialect;
use super::settings::collection::{Named, NonEmpty};
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::stream::{Messages, Streams};
use super::value::name::RequestKey;
use super::value::network::Network;

settings! {
    /// Who may call. Services name the policies that hold for them; a service that names none is open to everybody who
    /// can connect.
    pub struct Policy {
        /// What callers have to show. Who shows nothing good gets UNAUTHENTICATED, which is 401 in HTTP.
        require: Option<Require> = None,
        /// Who of them may call. Who may not gets PERMISSION_DENIED, which is 403 in HTTP.
        allow: Option<Allow> = None,
        /// Who of them may not call, whatever else allows them.
        deny: Option<Deny> = None,
        /// How much callers may call: `by_plan`, or `{key: ip, rates: [10/s burst 20]}`. Who calls more gets
        /// RESOURCE_EXHAUSTED, which is 429 in HTTP.
        rate: Option<PolicyRate> = None,
        /// How much may pass in all streams of a caller together, such as `{rates: [100/s], bytes: [1MiB/s]}`. A stream in
        /// which more passes ends with RESOURCE_EXHAUSTED.
        messages: Option<Messages> = None,
        /// How many calls with streams and on WebSockets a caller may have at a time, and for how long, such as
        /// `{max: 10, duration: 1h}`.
        streams: Option<Streams> = None,
        /// What is known of the caller and goes upstream as metadata: `sub`, `owner`, `plan`, `roles`, `scope` or a claim
        /// of the caller's key or user, and the name of the metadata. What a caller sends under that name is removed, from
        /// calls of every service.
        claims_to_metadata: Option<Named<Located<RequestKey>>> = None,
        /// The name of the metadata in which the address of the caller goes upstream. What a caller sends under that name
        /// is removed, from calls of every service.
        address_to_metadata: Option<Located<RequestKey>> = None,
    }
    check check(require, allow, deny, rate, messages, streams, claims_to_metadata, address_to_metadata)
    example "Write `NAME: {require: {any: [api_key: {}]}}`."
}

settings! {
    /// What callers have to show.
    pub enum Require {
        /// One of these.
        any: Any(NonEmpty<Proof>),
        /// All of these.
        all: All(NonEmpty<Proof>),
    }
}

settings! {
    /// Something that shows who a caller is.
    pub enum Proof {
        /// An API key of `identity.api_keys`.
        api_key: ApiKey(KeyProof),
        /// A name and a password of `identity.basic`.
        basic: Basic(UserProof),
        /// A certificate that the caller has shown in TLS, signed by the `client_ca` of the listener.
        certificate: Certificate(CertificateProof),
        /// A token of an issuer of `identity.jwt`, by its name.
        jwt: Jwt(Located<String>),
        /// A token that one of `identity.introspection` knows, by its name.
        introspection: Introspection(Located<String>),
    }
    check check
}

settings! {
    /// An API key.
    pub struct KeyProof default {
        /// Whose keys are accepted. Those of every owner if this is left out.
        owners: Vec<Located<String>> = Vec::new(),
    }
}

settings! {
    /// A name and a password.
    pub struct UserProof default {
        /// Whose passwords are accepted. Those of every owner if this is left out.
        owners: Vec<Located<String>> = Vec::new(),
    }
}

settings! {
    /// A certificate of a caller. Of each list that is written one pattern must fit; without any, every certificate does
    /// that an authority of the listener has signed. In a pattern `*` stands for any text within a part of the name.
    pub struct CertificateProof default {
        /// Subjects as RFC 4514 writes them, such as `CN=*,O=Partner`. `*` stands for no comma and no plus sign.
        subjects: Vec<Located<String>> = Vec::new(),
        /// DNS names among the subject's alternative names, such as `*.partner.example`. `*` stands for no dot.
        dns: Vec<Located<String>> = Vec::new(),
        /// URIs among them, such as `spiffe://partner.example/*`. `*` stands for no slash.
        uris: Vec<Located<String>> = Vec::new(),
        /// Addresses of e-mail among them, such as `*@partner.example`. `*` stands for no at sign.
        emails: Vec<Located<String>> = Vec::new(),
        /// Who the caller is then, for `owner`.
        owner: Option<Located<String>> = None,
        /// The plan under which it calls.
        plan: Option<Located<String>> = None,
        /// The roles that it has.
        roles: Vec<Located<String>> = Vec::new(),
        /// What it is granted.
        scopes: Vec<Located<String>> = Vec::new(),
    }
}

settings! {
    /// Who may call. All keys must hold, each by one of its values.
    pub struct Allow {
        /// Roles of the caller.
        roles: Vec<Located<String>> = Vec::new(),
        /// What the caller was granted.
        scopes: Vec<Located<String>> = Vec::new(),
        /// Claims of the caller: a name and its values.
        claims: Option<Named<NonEmpty<Located<String>>>> = None,
        /// Addresses of the caller.
        ips: Vec<Located<Network>> = Vec::new(),
    }
    check check(roles, scopes, claims, ips)
}

settings! {
    /// Who may not call. One value is enough.
    pub struct Deny {
        /// Roles of the caller.
        roles: Vec<Located<String>> = Vec::new(),
        /// Owners of keys, users and certificates.
        owners: Vec<Located<String>> = Vec::new(),
        /// Addresses of the caller.
        ips: Vec<Located<Network>> = Vec::new(),
    }
    check check(roles, owners, ips)
}

settings! {
    /// A policy that holds for a service: its name, or a mapping that says for which part of the service.
    pub struct Use, short for name {
        /// The name of the policy.
        name: Located<String>,
        /// The methods that it holds for, such as `GetOrder` or `Delete*`. All of them if this is left out.
        methods: Vec<Located<String>> = Vec::new(),
        /// The routes that it holds for, by their path templates, such as `/v1/orders/{id}`; the method's own path is one
        /// too. All of them if this is left out.
        routes: Vec<Located<String>> = Vec::new(),
        /// The dialects that it holds for. All of them if this is left out.
        dialects: Vec<Located<Dialect>> = Vec::new(),
        /// How many calls each of these counts as, for the rates and quotas of the policy. Where the policy is named for a
        /// call more than once, the largest number holds.
        weight: Located<u32> = 1.into() => 1..=1_000_000,
    }
    check check(name)
    example "Write the name of a policy, or `- {name: POLICY, methods: [GetOrder]}`."
}

impl Policy {
    #[expect(clippy::too_many_arguments, reason = "one for each key")]
    fn check(
        reader: &mut Reader<'_>,
        require: Option<&Option<Require>>,
        allow: Option<&Option<Allow>>,
        deny: Option<&Option<Deny>>,
        rate: Option<&Option<PolicyRate>>,
        messages: Option<&Option<Messages>>,
        streams: Option<&Option<Streams>>,
        claims: Option<&Option<Named<Located<RequestKey>>>>,
        address: Option<&Option<Located<RequestKey>>>,
    ) {
        let (Some(require), Some(allow), Some(deny), Some(rate)) = (require, allow, deny, rate) else {
            return;
        };
        let (Some(messages), Some(streams), Some(claims), Some(address)) =
            (messages, streams, claims, address)
        else {
            return;
        };
        let mut names: Vec<&Located<RequestKey>> = Vec::new();
        let claimed = claims.iter().flat_map(|claims| claims.iter().map(|(_, name)| name));
        for name in claimed.chain(address) {
            if let Some(first) = names.iter().find(|first| first.value == name.value) {
                let text = format!("The metadata `{}` is to hold two things.", &***name);
                let problem = Problem::error(text).at(name.place).related(first.place, "first here");
                let _: Option<()> = reader.error(problem.hint("Choose another name for one of the two."));
            }
            names.push(name);
        }
        let bounds = rate.is_some() || messages.is_some() || streams.is_some();
        if require.is_none() && allow.is_none() && deny.is_none() && !bounds && names.is_empty() {
            let text = format!("{} says nothing, so that everybody may call.", reader.path());
            let hint = "Write what it requires: `require: {any: [api_key: {}]}`.";
            let _: Option<()> = reader.error(Problem::error(text).hint(hint));
        }
    }

    /// Where the policy asks for something that only a caller has who is known, without that it is asked who that is.
    pub fn needs_identity(&self) -> Option<Option<Place>> {
        if self.require.is_some() {
            return None;
        }
        let allow = self.allow.iter().flat_map(|allow| {
            let claims = allow.claims.iter().flat_map(|claims| claims.iter().map(|(name, _)| name.place));
            allow.roles.iter().chain(&allow.scopes).map(|value| value.place).chain(claims)
        });
        let claims =
            self.claims_to_metadata.iter().flat_map(|claims| claims.iter().map(|(name, _)| name.place));
        let rate = self.rate.iter().filter_map(|rate| rate.0.needs_identity());
        let messages = self.messages.iter().filter_map(Messages::needs_identity);
        let streams = self.streams.iter().filter_map(Streams::needs_identity);
        allow.chain(claims).chain(rate).chain(messages).chain(streams).next()
    }
}

impl Allow {
    fn check(
        reader: &mut Reader<'_>,
        roles: Option<&Vec<Located<String>>>,
        scopes: Option<&Vec<Located<String>>>,
        claims: Option<&Option<Named<NonEmpty<Located<String>>>>>,
        ips: Option<&Vec<Located<Network>>>,
    ) {
        if let (Some([]), Some([]), Some(None), Some([])) =
            (roles.map(Vec::as_slice), scopes.map(Vec::as_slice), claims, ips.map(Vec::as_slice))
        {
            nobody(reader, "roles: [ROLE]");
        }
    }
}

impl Deny {
    fn check(
        reader: &mut Reader<'_>,
        roles: Option<&Vec<Located<String>>>,
        owners: Option<&Vec<Located<String>>>,
        ips: Option<&Vec<Located<Network>>>,
    ) {
        if let (Some([]), Some([]), Some([])) =
            (roles.map(Vec::as_slice), owners.map(Vec::as_slice), ips.map(Vec::as_slice))
        {
            nobody(reader, "ips: [192.0.2.7]");
        }
    }
}

/// An empty list could mean everybody or nobody.
fn nobody(reader: &mut Reader<'_>, example: &str) {
    let text = format!("{} names nobody.", reader.path());
    let hint = format!("Write whom it means, such as `{example}`, or remove it.");
    let _: Option<()> = reader.error(Problem::error(text).hint(hint));
}

impl Proof {
    fn check(&self, reader: &mut Reader<'_>) {
        match self {
            Self::Jwt(name) => reader.refers_to_issuer(name),
            Self::Introspection(name) => reader.refers_to_introspection(name),
            Self::ApiKey(_) | Self::Basic(_) | Self::Certificate(_) => {}
        }
    }
}

impl Use {
    fn check(reader: &mut Reader<'_>, name: Option<&Located<String>>) {
        if let Some(name) = name {
            reader.refers_to_policy(name);
        }
    }
}
