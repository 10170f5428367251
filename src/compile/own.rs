//! The services that the gateway answers itself, and what they know of what is exposed.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use super::descriptors::Catalogue;
use super::policies::Policies;
use super::services::{Exposed, Subject, endpoint};
use crate::call::service::CallService;
use crate::config::Config;
use crate::config::grpc::OwnService;
use crate::config::place::Located;
use crate::config::problem::Problems;
use crate::config::service::{Dialect, Service as Settings};
use crate::config::settings::collection::NonEmpty;
use crate::own::health::{self, Board, By, Health, Served};
use crate::own::reflection::{Reflection, Shelf, Source};
use crate::schema::Schema;
use crate::schema::files::Files;
use crate::schema::load::OWN;
use crate::snapshot::Snapshot;

/// The schema of the own services. It is the same in every generation.
pub(super) static SCHEMA: LazyLock<Arc<Schema>> =
    LazyLock::new(|| Arc::new(Schema::load(&[OWN]).expect("what is built in is valid")));

/// The files of the own services.
pub(super) static FILES: LazyLock<Files> = LazyLock::new(|| Files::new([bytes::Bytes::from_static(OWN)]));

/// Settings for the own services: they have no routes of REST, and Connect has JSON.
pub(super) struct Own {
    health: Settings,
    reflection: Settings,
}

impl Own {
    pub(super) fn new(config: &Config) -> Self {
        let settings = |own: &OwnService| {
            let others = [Dialect::GrpcWeb, Dialect::Connect].map(Located::from);
            let dialects = NonEmpty::new(Dialect::Grpc.into(), others);
            Settings { dialects, policy: own.policy.clone(), ..Settings::everything() }
        };
        Self { health: settings(&config.grpc.health), reflection: settings(&config.grpc.reflection) }
    }

    /// The settings, each with the key of the configuration that says them.
    pub(super) const fn all(&self) -> [(&'static str, &Settings); 2] {
        [("grpc.health", &self.health), ("grpc.reflection", &self.reflection)]
    }

    /// Adds the own services that are switched on, unless the configuration exposes an upstream's in their place.
    pub(super) fn expose<'c>(
        &'c self,
        config: &Config,
        catalogue: &Catalogue,
        policies: &Policies,
        board: &Board,
        exposed: &mut Vec<Exposed<'c>>,
        problems: &mut Problems,
    ) {
        let taken: HashSet<String> = exposed.iter().map(|method| method.service().to_owned()).collect();
        let is_on = |name: &str| match name {
            health::SERVICE => config.grpc.health.enabled.value,
            _ => config.grpc.reflection.enabled.value,
        };
        let own = SCHEMA.services().iter().enumerate().filter(|(_, service)| {
            let name = SCHEMA.text(service.name());
            is_on(name) && !taken.contains(name)
        });
        let own: Vec<_> = own.collect();
        let names: HashSet<_> =
            own.iter().map(|(_, service)| SCHEMA.text(service.name()).to_owned()).collect();
        let shelf = Arc::new(Shelf::new(sources(exposed, catalogue), own_source(names)));
        for (place, service) in own {
            let is_health = SCHEMA.text(service.name()) == health::SERVICE;
            let settings = if is_health { &self.health } else { &self.reflection };
            for (position, method) in service.methods().iter().enumerate() {
                let answers: Option<Arc<dyn CallService>> = match is_health {
                    true => {
                        Health::new(board, SCHEMA.text(method.name())).map(|health| Arc::new(health) as _)
                    }
                    false => Some(Arc::new(Reflection::new(Arc::clone(&shelf)))),
                };
                let Some(answers) = answers else { continue };
                let subject = Subject { schema: &SCHEMA, service, method };
                let endpoint = endpoint(config, settings, None, answers, &subject, problems);
                let name = SCHEMA.text(method.name());
                exposed.extend(endpoint.map(|endpoint| Exposed {
                    endpoint: Arc::new(policies.around(settings, name, endpoint)),
                    settings,
                    upstream: usize::MAX,
                    place: (place, position),
                }));
            }
        }
    }
}

/// The own services with all that is built in: details of errors, say, are of types that no file needs to import.
fn own_source(services: HashSet<String>) -> Source {
    Source { files: FILES.and(&Files::built_in()), services }
}

/// What is exposed of each set of files, in the order of the upstreams.
fn sources(exposed: &[Exposed<'_>], catalogue: &Catalogue) -> Vec<Source> {
    let mut sources: BTreeMap<usize, (Source, *const Schema)> = BTreeMap::new();
    for method in exposed {
        let schema = Arc::as_ptr(&method.endpoint.schema);
        let known = sources.values_mut().find(|(_, other)| *other == schema);
        if let Some((source, _)) = known {
            if !source.services.contains(method.service()) {
                source.services.insert(method.service().to_owned());
            }
            continue;
        }
        let is_own = Arc::ptr_eq(&method.endpoint.schema, &SCHEMA);
        let files = if is_own { FILES.clone() } else { catalogue.files_of(method.upstream) };
        let mut services = HashSet::from([method.service().to_owned()]);
        if !method.endpoint.parts.is_empty() {
            // The files of its parts are to be the same as those of their upstreams, for clients that know both.
            let names = exposed.iter().map(Exposed::service);
            services.extend(
                names.filter(|name| method.endpoint.schema.service(name).is_some()).map(str::to_owned),
            );
        }
        let position = if is_own { usize::MAX } else { method.upstream };
        sources.insert(position, (Source { files, services }, schema));
    }
    sources.into_values().map(|(source, _)| source).collect()
}

/// What health tells of a generation.
pub(super) fn served(config: &Config, snapshot: &Snapshot) -> Served {
    let mut services = BTreeMap::new();
    let mut names: HashSet<&str> = HashSet::new();
    for own in snapshot.surface.methods.values() {
        let name = own.endpoint.service();
        if names.insert(name) {
            let by = own.endpoint.upstream().map_or(By::Gateway, |upstream| By::Upstream(upstream.into()));
            services.insert(name.to_owned(), by);
        }
    }
    // What is to be exposed by its name and is not defined may be what the upstream defines that could not be asked.
    if !snapshot.missing.is_empty() {
        for name in config.services.iter().filter_map(|settings| settings.service.exact()) {
            services.entry(name.to_owned()).or_insert(By::Nobody);
        }
    }
    Served { is_ready: snapshot.is_ready(), services, may_be_listed: may_be_listed(config) }
}

/// Whether whoever asks for health may see the names of services: not where reflection is more careful with them.
fn may_be_listed(config: &Config) -> bool {
    let reflection = &config.grpc.reflection;
    reflection.enabled.value && reflection.policy.is_empty()
}
