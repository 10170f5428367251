//! Which other upstreams have some of the calls of a service, and who gets copies.

use std::sync::Arc;

use super::common::Commons;
use super::condition::Written;
use super::identity::{claims, texts};
use super::policies::header;
use super::services::{Exposed, Offer, Offered, Subject, defined_by};
use super::upstreams::Upstream;
use crate::call;
use crate::call::meters::CLIENT;
use crate::call::service::CallService;
use crate::call::sticky::Cookie;
use crate::compose::shadow::{self, Shadow};
use crate::compose::split::{Choice, Part, Share, Split, Sticky, When};
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::service::Service as Settings;
use crate::config::split::{self as settings, StickyBy};
use crate::config::value::percent::Percent;
use crate::config::{Config, policy};
use crate::policy::pattern::Pattern;
use crate::route::condition::Condition;
use crate::schema::diff::diff;
use crate::snapshot::{self, Endpoint};

/// The upstreams beside its own that a service is split among.
pub(super) struct Splitting<'s, 'c> {
    config: &'c Config,
    /// The upstream of the service, and its position.
    upstream: &'s Upstream,
    position: usize,
    choices: Vec<(&'c settings::Split, Other<'s>)>,
    shadow: Option<(&'c settings::Shadow, Other<'s>)>,
    /// The parameters of the query that anything is decided by, also where an upstream is missing.
    query: Vec<Box<str>>,
}

/// Another upstream that defines the service.
#[derive(Clone, Copy)]
struct Other<'s> {
    upstream: &'s Upstream,
    offer: &'s Offer,
}

impl<'s, 'c> Splitting<'s, 'c> {
    /// Finds the upstreams that the settings of a service name, and holds what they define against what is served: that of
    /// `own`. One whose descriptors cannot be had has no calls until they can.
    pub(super) fn new(
        config: &'c Config,
        (service, settings): (&str, &'c Settings),
        own: &Offer,
        offers: &'s [Offer],
        offered: &Offered<'s, 'c>,
        problems: &mut Problems,
    ) -> Self {
        let mut finding = Finding { service, own, offers, offered, problems, compared: Vec::new() };
        let choices = settings.split.iter();
        let query = choices.clone().flat_map(|choice| &choice.query).flat_map(|query| query.iter());
        Self {
            config,
            upstream: &offered.upstreams[own.upstream],
            position: own.upstream,
            choices: choices.filter_map(|choice| Some((choice, finding.find(&choice.upstream)?))).collect(),
            shadow: settings
                .shadow
                .as_ref()
                .and_then(|shadow| Some((shadow, finding.find(&shadow.upstream)?))),
            query: query.map(|(name, _)| name.as_str().into()).collect(),
        }
    }

    /// What answers a method: its upstream alone where nothing else is said.
    pub(super) fn around(
        &self,
        subject: &Subject<'_>,
        commons: &mut Commons<'_>,
        problems: &mut Problems,
    ) -> Answering {
        let shadow = self.shadow.as_ref().and_then(|(settings, other)| {
            let shadow = shadow(settings, *other, subject, problems)?;
            Some((
                shadow,
                snapshot::split::Shadow {
                    upstream: other.upstream.name.clone(),
                    share: shown(&settings.share),
                },
            ))
        });
        let service = commons.answers(self.position, self.upstream, subject);
        if self.choices.is_empty() && shadow.is_none() {
            let told = snapshot::split::Split { query: self.query.clone(), ..Default::default() };
            return Answering { service, told };
        }
        let (shadow, told_shadow) = shadow.unzip();
        let (choices, told) = self
            .choices
            .iter()
            .filter_map(|(settings, other)| self.choice(settings, *other, subject, commons))
            .unzip();
        let split = Split { choices, upstream: self.upstream.name.as_str().into(), service, shadow };
        Answering {
            service: Arc::new(split),
            told: snapshot::split::Split {
                needs_head: !self.choices.is_empty(),
                query: self.query.clone(),
                choices: told,
                shadow: told_shadow,
            },
        }
    }

    fn choice(
        &self,
        settings: &settings::Split,
        other: Other<'_>,
        subject: &Subject<'_>,
        commons: &mut Commons<'_>,
    ) -> Option<(Choice, snapshot::split::Choice)> {
        let name = &*other.upstream.name;
        let share = settings.share.as_ref().map(|share| {
            let sticky = sticky(settings.sticky.as_ref(), self.config);
            Share::new(Part(share.billionths()), sticky, name)
        });
        let choice = Choice {
            upstream: name.into(),
            method: Arc::new(other.method(subject)?),
            service: commons.answers(other.offer.upstream, other.upstream, &other.subject(subject)?),
            when: when(settings),
            share,
        };
        let told = snapshot::split::Choice {
            upstream: name.to_owned(),
            when: settings.conditions(),
            share: settings.share.as_ref().map(shown),
            sticky: settings.sticky.as_ref().and_then(StickyBy::shown),
        };
        Some((choice, told))
    }
}

/// What answers a method, and what is told of it.
pub(super) struct Answering {
    pub(super) service: Arc<dyn CallService>,
    pub(super) told: snapshot::split::Split,
}

impl<'s> Other<'s> {
    /// The method in the words of this upstream.
    fn subject(&self, subject: &Subject<'_>) -> Option<Subject<'s>> {
        let schema = &self.offer.schema;
        let (_, method) = schema.method(&subject.full_name())?;
        Some(Subject { schema, service: &schema.services()[self.offer.service], method })
    }

    /// The method as this upstream defines it, which has been found to be the same.
    fn method(&self, subject: &Subject<'_>) -> Option<call::Method> {
        let full_name = subject.full_name();
        let (_, method) = self.offer.schema.method(&full_name)?;
        Some(call::Method {
            path: format!("/{full_name}").try_into().ok()?,
            client_streaming: method.client_streaming(),
            server_streaming: method.server_streaming(),
            idempotent: method.is_idempotent(),
            safe: method.is_safe(),
            meter: CLIENT.series(&[&self.upstream.name, &full_name]),
        })
    }
}

/// What it takes to find another upstream.
struct Finding<'f, 's, 'c> {
    service: &'f str,
    /// What is served.
    own: &'f Offer,
    offers: &'s [Offer],
    offered: &'f Offered<'s, 'c>,
    problems: &'f mut Problems,
    /// The upstreams that were looked at, so that each is reported once.
    compared: Vec<usize>,
}

impl<'s> Finding<'_, 's, '_> {
    fn find(&mut self, wanted: &Located<String>) -> Option<Other<'s>> {
        let upstreams = self.offered.upstreams;
        let position = upstreams.iter().position(|upstream| upstream.name == wanted.value)?;
        let upstream = &upstreams[position];
        let offer = self.offers.iter().find(|offer| offer.upstream == position);
        let is_new = !self.compared.contains(&position);
        self.compared.push(position);
        let Some(offer) = offer else {
            // About one that could not be asked there is a word already.
            if is_new && self.offered.catalogue.schema_of(position).is_some() {
                let text = format!(
                    "The upstream {:?} is to answer calls of the service {}, which it does not define.",
                    wanted.value, self.service
                );
                let hint = defined_by(self.offers, upstreams);
                self.problems.push(Problem::error(text).at(wanted.place).hint(hint));
            }
            return None;
        };
        if is_new {
            self.compare(wanted, offer);
        }
        Some(Other { upstream, offer })
    }

    /// Reports the first thing that would break callers when this upstream answers them.
    fn compare(&mut self, wanted: &Located<String>, offer: &Offer) {
        let (own, other) = (&self.own.schema, &offer.schema);
        if Arc::ptr_eq(own, other) {
            return;
        }
        let methods = own.services()[self.own.service].methods().iter();
        let methods: Vec<_> =
            methods.map(|method| format!("{}/{}", self.service, own.text(method.name()))).collect();
        let changes = diff(own, other, methods.iter().map(String::as_str));
        let Some(first) = changes.first() else { return };
        let upstream = &self.offered.upstreams[self.own.upstream].name;
        let other = &wanted.value;
        let mut text = format!(
            "The upstream {other:?} cannot answer for {upstream:?} in the service {}: {}.{} is {} in {upstream:?} and {} in \
             {other:?}, so that {}.",
            self.service, first.element, first.member, first.old, first.new, first.effect
        );
        match changes.len() - 1 {
            0 => {}
            1 => text.push_str(" There is one more such difference."),
            more => text.push_str(&format!(" There are {more} more such differences.")),
        }
        let hint = "What both answer has to be the same for callers. Something new breaks nobody, such as fields with new \
                    numbers; `transom diff` with the descriptors of both lists what does.";
        self.problems.push(Problem::error(text).at(wanted.place).hint(hint));
    }
}

/// Reports what is wrong with conditions, once for whichever services they are.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    for choice in config.services.iter().flat_map(|settings| &settings.split) {
        condition(choice, problems);
    }
}

fn condition(settings: &settings::Split, problems: &mut Problems) -> Condition {
    let settings::Split { host, headers, query, cookies, .. } = settings;
    Written::of(host, headers, query, cookies).condition(problems)
}

fn when(settings: &settings::Split) -> When {
    When {
        roles: texts(&settings.roles),
        claims: claims(&settings.claims).collect(),
        // What is wrong with it was reported.
        head: condition(settings, &mut Problems::default()),
    }
}

fn sticky(settings: Option<&StickyBy>, config: &Config) -> Sticky {
    match settings {
        None => Sticky::No,
        Some(StickyBy::Plain(word)) => match word.value {
            settings::StickyWord::None => Sticky::No,
            settings::StickyWord::Principal => Sticky::Principal,
            settings::StickyWord::Address => Sticky::Address,
        },
        Some(StickyBy::Key(key)) => match (&key.cookie, &key.header) {
            (Some(name), _) => Sticky::Cookie(Arc::new(Cookie {
                name: Box::from(&*name.value),
                max_age: key.r#for.value,
                // There is a proxy in front that speaks TLS.
                secure: config.public_url.as_ref().is_some_and(|url| url.as_str().starts_with("https:")),
            })),
            // The configuration has checked that it is the name of a header.
            (None, Some(name)) => header(name).map_or(Sticky::No, Sticky::Header),
            (None, None) => Sticky::No,
        },
    }
}

/// The shadow of a method; none where it is not meant, or takes a stream.
fn shadow(
    settings: &settings::Shadow,
    other: Other<'_>,
    subject: &Subject<'_>,
    problems: &mut Problems,
) -> Option<Arc<Shadow>> {
    let name = subject.schema.text(subject.method.name());
    if !is_copied(settings, name) {
        return None;
    }
    if subject.method.client_streaming() {
        let text =
            format!("The method {} takes a stream of messages, which is not copied.", subject.full_name());
        let hint = "Name the methods that are copied: `shadow: {upstream: NAME, methods: [Get*]}`.";
        problems.push(Problem::warning(text).at(settings.upstream.place).hint(hint));
        return None;
    }
    let terms = shadow::Terms {
        part: Part(settings.share.billionths()),
        max_in_flight: settings.max_in_flight.value,
        timeout: settings.timeout.value,
    };
    let method = other.method(subject)?;
    Some(Arc::new(Shadow::new(&other.upstream.name, method, other.upstream.once(), terms)))
}

/// Whether a method of a service is one that is copied, by its name.
fn is_copied(settings: &settings::Shadow, method: &str) -> bool {
    settings.methods.is_empty()
        || settings.methods.iter().any(|pattern| Pattern::new(pattern, &[]).fits(method))
}

fn shown(share: &Located<Percent>) -> String {
    share.to_string()
}

/// Holds what services say of splits against who is known and which methods there are.
pub(super) fn review(config: &Config, exposed: &[Exposed<'_>], is_complete: bool, problems: &mut Problems) {
    let find = |name: &str| config.policies.as_ref().and_then(|policies| policies.find(name));
    for settings in config.services.iter() {
        let knows = settings
            .policy
            .iter()
            .any(|used: &policy::Use| find(&used.name).is_some_and(|policy| policy.require.is_some()));
        for choice in settings.split.iter().filter(|_| !knows) {
            if let Some(place) = choice.needs_identity() {
                let text = format!(
                    "The upstream {:?} is chosen by who calls, but nothing asks who that is.",
                    choice.upstream.value
                );
                let hint =
                    format!("Give the service of {} a policy that has `require`.", settings.service.value);
                problems.push(Problem::error(text).at(place).hint(hint));
            }
        }
        let Some(shadow) = settings.shadow.as_ref().filter(|_| is_complete) else { continue };
        let methods = || exposed.iter().filter(|method| std::ptr::eq(method.settings, settings));
        for pattern in &shadow.methods {
            let fits = |method: &Exposed<'_>| Pattern::new(pattern, &[]).fits(name_of(&method.endpoint));
            if !methods().any(fits) {
                let text = format!("No method of these services has the name {}.", quote(pattern));
                let hint = "Write the name alone, such as GetOrder, or with `*`: Get*.";
                problems.push(Problem::error(text).at(pattern.place).hint(hint));
            }
        }
    }
}

fn name_of(endpoint: &Endpoint) -> &str {
    endpoint.full_name.rsplit('/').next().unwrap_or_default()
}
