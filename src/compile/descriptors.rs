//! Descriptors: from files, from proto sources, and from the backends' own reflection.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver};

use super::reflections::{Answer, Reflections, Told, is_source};
use crate::config::Config;
use crate::config::descriptors::{Descriptors, Protos};
use crate::config::files::{proto_files, read_named};
use crate::config::http_rules::{self, HttpRule};
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};
use crate::config::upstream;
use crate::schema::Schema;
use crate::schema::files::Files;
use crate::schema::load::{BUILT_IN, LoadError};
use crate::snapshot::Missing;

/// The largest descriptor set, in bytes.
const MAX_SET: u64 = 256 << 20;

/// The descriptors of all upstreams.
pub(super) struct Catalogue {
    /// One for each upstream, in their order; those without descriptors of their own share one. Absent for one
    /// whose descriptors cannot be had now.
    described: Vec<Option<Described>>,
    rules: Vec<Arc<Rules>>,
    /// For each translation the position of what describes the service that callers know, if anything does.
    translated: Vec<Option<usize>>,
}

/// What describes an upstream.
#[derive(Clone)]
struct Described {
    schema: Arc<Schema>,
    /// Empty where nobody may ask for them.
    files: Files,
}

/// HTTP rules by the method's name, `package.Service.Method`.
pub(super) type Rules = HashMap<String, HttpRule>;

impl Catalogue {
    pub(super) fn schema_of(&self, upstream: usize) -> Option<&Arc<Schema>> {
        self.described.get(upstream)?.as_ref().map(|described| &described.schema)
    }

    /// The files of an upstream that has a schema, if they may be asked for.
    pub(super) fn files_of(&self, upstream: usize) -> Files {
        let described = self.described.get(upstream).and_then(Option::as_ref);
        described.map_or_else(Files::default, |described| described.files.clone())
    }

    /// The rules from files for a method of an upstream, in place of its annotation.
    pub(super) fn rule_of(&self, upstream: usize, selector: &str) -> Option<&HttpRule> {
        self.rules.get(upstream)?.get(selector)
    }

    /// All rules from files, each file once.
    pub(super) fn rules(&self) -> impl Iterator<Item = &HttpRule> {
        let is_first =
            |index: &usize| !self.rules[..*index].iter().any(|rules| Arc::ptr_eq(rules, &self.rules[*index]));
        (0..self.rules.len()).filter(is_first).flat_map(|index| self.rules[index].values())
    }

    /// Adds what is described by nobody else, and returns its position, which is behind those of all upstreams.
    pub(super) fn add(&mut self, schema: &Arc<Schema>, files: Files) -> usize {
        self.push(Some(Described { schema: Arc::clone(schema), files }), Arc::default())
    }

    fn push(&mut self, described: Option<Described>, rules: Arc<Rules>) -> usize {
        self.described.push(described);
        self.rules.push(rules);
        self.described.len() - 1
    }

    /// What describes the service that the callers of a translation know.
    pub(super) fn translated(&self, translation: usize) -> Option<usize> {
        self.translated.get(translation).copied().flatten()
    }

    /// Whether there is a service of this name.
    pub(super) fn defines(&self, service: &str) -> bool {
        self.described.iter().flatten().any(|described| described.schema.service(service).is_some())
    }

    pub(super) fn first_schema(&self) -> Option<&Arc<Schema>> {
        self.described.iter().flatten().next().map(|described| &described.schema)
    }
}

/// What loading needs beside the configuration.
pub(super) struct Loading<'a> {
    /// What upstreams told about themselves.
    pub(super) reflections: &'a Reflections,
    /// Whether an upstream that cannot be asked is left out, with a warning.
    pub(super) lenient: bool,
    /// Whether files are kept for those who ask by reflection.
    pub(super) keeps_files: bool,
    pub(super) problems: &'a mut Problems,
    /// Every file that was read beside those that the configuration names, such as imports.
    pub(super) files: Vec<PathBuf>,
    /// The upstreams that were reported as missing.
    pub(super) missing: Vec<Missing>,
}

/// Loads the descriptors of every upstream. After an error the catalogue is not complete.
pub(super) fn load(config: &Config, loading: &mut Loading<'_>) -> Catalogue {
    let rules = load_rules(config, loading.problems);
    let has_own = |settings: &upstream::Upstream| settings.descriptors.iter().any(is_source);
    let has_common = config.descriptors.iter().any(is_source);
    let is_common_used = config.upstreams.iter().any(|(_, settings)| !has_own(settings))
        || config.translations.iter().any(|translation| !translation.descriptors.iter().any(is_source));
    let common = if has_common && is_common_used { loading.sources(&config.descriptors) } else { None };
    let described = config.upstreams.iter().map(|(name, settings)| {
        if has_own(settings) {
            loading.sources(&settings.descriptors)
        } else if has_common {
            common.clone()
        } else {
            let told = loading.reflected(name, None);
            told.map(|told| Described {
                schema: Arc::clone(&told.schema),
                files: loading.kept(vec![told.set.clone()]),
            })
        }
    });
    let described: Vec<_> = described.collect();
    let mut catalogue = Catalogue { described, rules, translated: Vec::new() };
    loading.translated(config, common.as_ref(), &mut catalogue);
    catalogue
}

/// The rules of each upstream: its own files, or else those at the top of the configuration.
fn load_rules(config: &Config, problems: &mut Problems) -> Vec<Arc<Rules>> {
    let common = Arc::new(read_rules(&config.descriptors, problems));
    let upstreams = config.upstreams.iter();
    upstreams
        .map(|(_, settings)| match settings.descriptors.is_empty() {
            true => Arc::clone(&common),
            false => Arc::new(read_rules(&settings.descriptors, problems)),
        })
        .collect()
}

/// Of several rules for one method the last one counts, as google/api/http.proto says.
fn read_rules(sources: &[Descriptors], problems: &mut Problems) -> Rules {
    let mut rules = Rules::new();
    for source in sources {
        let Descriptors::HttpRules(path) = source else { continue };
        for rule in http_rules::load(path, problems).unwrap_or_default() {
            rules.insert(rule.selector.value.clone(), rule);
        }
    }
    rules
}

impl<'a> Loading<'a> {
    /// The files of sets, where they may be asked for.
    fn kept(&self, sets: Vec<Bytes>) -> Files {
        if self.keeps_files { Files::new(sets) } else { Files::default() }
    }

    /// Finds out what describes the services that callers of translations know: descriptors of their own, those at the top
    /// of the configuration, or those of an upstream.
    fn translated(&mut self, config: &Config, common: Option<&Described>, catalogue: &mut Catalogue) {
        let upstreams = catalogue.described.len();
        for translation in &config.translations {
            let service = &translation.service.value;
            let defines = |described: &Described| described.schema.service(service).is_some();
            let (described, rules) = if translation.descriptors.iter().any(is_source) {
                (self.sources(&translation.descriptors), None)
            } else if let Some(common) = common.filter(|common| defines(common)) {
                (Some(common.clone()), Some(Arc::new(read_rules(&config.descriptors, self.problems))))
            } else {
                let known = &catalogue.described[..upstreams];
                let at = known.iter().position(|described| described.as_ref().is_some_and(defines));
                (at.and_then(|at| known[at].clone()), at.map(|at| Arc::clone(&catalogue.rules[at])))
            };
            let rules = match (&*translation.descriptors, rules) {
                ([], Some(rules)) => rules,
                (own, _) => Arc::new(read_rules(own, self.problems)),
            };
            let position = described.is_some().then(|| catalogue.push(described, rules));
            catalogue.translated.push(position);
        }
    }

    fn sources(&mut self, sources: &[Descriptors]) -> Option<Described> {
        let (errors, missing) = (self.problems.errors(), self.missing.len());
        let mut sets = Vec::new();
        let mut places = Vec::new();
        for source in sources {
            let (set, place) = match source {
                Descriptors::Set(path) => {
                    (read_named(path, MAX_SET, self.problems).map(Bytes::from), path.place)
                }
                Descriptors::Protos(protos) => {
                    let set = compile(protos, self.problems, &mut self.files);
                    (set.map(Bytes::from), protos.files.first().and_then(|file| file.place))
                }
                Descriptors::Reflection(name) => {
                    let told = self.reflected(name, name.place);
                    (told.map(|told| told.set.clone()), name.place)
                }
                Descriptors::HttpRules(_) => continue,
            };
            sets.extend(set);
            places.push(place);
        }
        if self.problems.errors() > errors {
            return None;
        }
        let wires: Vec<&[u8]> = sets.iter().map(AsRef::as_ref).collect();
        let loaded = Schema::load(&wires);
        if loaded.is_err() && self.missing.len() > missing {
            // What is not there may be what the upstream that cannot be asked would have told.
            return None;
        }
        let place = if loaded.is_err() { faulty(&wires, &places) } else { None };
        let schema = built(loaded, place, self.problems)?;
        Some(Described { schema, files: self.kept(sets) })
    }

    /// What an upstream told about itself, or a word about why there is nothing.
    fn reflected(&mut self, upstream: &str, place: Option<Place>) -> Option<&'a Told> {
        let nothing = [];
        let reasons = match self.reflections.answer(upstream) {
            Some(Answer::Told(told)) => return Some(told),
            Some(Answer::Failed(reasons)) => reasons.as_slice(),
            None => &nothing,
        };
        if self.missing.iter().any(|missing| missing.upstream == upstream) {
            return None;
        }
        for reason in reasons {
            let text = format!("The descriptors of upstream {upstream:?} cannot be had: {reason}");
            self.problems.push(
                match self.lenient {
                    true => Problem::warning(text)
                        .hint("It is asked again. What the other upstreams define is served meanwhile."),
                    false => Problem::error(text),
                }
                .at(place),
            );
        }
        self.missing.push(Missing { upstream: upstream.to_owned(), reason: reasons.join(" ") });
        None
    }
}

/// The place of the first set that cannot be used even alone, or else of the first one.
fn faulty(sets: &[&[u8]], places: &[Option<Place>]) -> Option<Place> {
    let alone = sets.iter().position(|set| Schema::load(&[set]).is_err());
    places.get(alone.unwrap_or(0)).copied().flatten()
}

fn built(
    schema: Result<Schema, LoadError>,
    place: Option<Place>,
    problems: &mut Problems,
) -> Option<Arc<Schema>> {
    match schema {
        Ok(schema) => Some(Arc::new(schema)),
        Err(error) => {
            for problem in error.problems {
                let text = format!("The descriptors cannot be used: {problem}.");
                let hint = "Make the set anew, with all that it imports: `protoc --include_imports -o` or `buf build -o`.";
                let problem = Problem::error(text).at(place);
                problems.push(if place.is_some() { problem.hint(hint) } else { problem });
            }
            None
        }
    }
}

/// Compiles proto sources to a descriptor set.
fn compile(protos: &Protos, problems: &mut Problems, read: &mut Vec<PathBuf>) -> Option<Vec<u8>> {
    let before = problems.errors();
    let files = proto_files(protos, problems);
    if problems.errors() > before {
        return None;
    }
    let mut resolver = ChainFileResolver::new();
    for include in protos.include.iter() {
        resolver.add(IncludeFileResolver::new(PathBuf::from(&***include)));
    }
    resolver.add(GoogleFileResolver::new());
    if let Ok(built_in) = DescriptorSetFileResolver::decode(BUILT_IN) {
        resolver.add(built_in);
    }
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.include_source_info(true);
    let mut failures = HashSet::new();
    for file in files {
        if let Err(error) = compiler.open_file(&file.name) {
            // An import can be what is wrong, and then it is wrong for all that import it.
            let own = file.path.display().to_string();
            let name = error.file().filter(|name| *name != file.name).unwrap_or(&own);
            let text = format!("{name} does not compile: {}.", explain(&error));
            if !failures.insert(text.clone()) {
                continue;
            }
            let place = protos.files.first().and_then(|file| file.place);
            let hint = "Mend the file. Files of protobuf editions cannot be compiled here: give a set that \
                        `protoc --include_imports -o` or `buf build -o` made.";
            problems.push(Problem::error(text).at(place).hint(hint));
        }
    }
    read.extend(compiler.files().filter_map(|file| file.path().map(Path::to_owned)));
    if !failures.is_empty() {
        return None;
    }
    Some(compiler.encode_file_descriptor_set())
}

/// The error with the line that it is about.
fn explain(error: &protox::Error) -> String {
    use miette::Diagnostic;

    let label = error.labels().into_iter().flatten().next();
    let line = label.zip(error.source_code()).and_then(|(label, code)| {
        let contents = code.read_span(label.inner(), 0, 0).ok()?;
        Some((contents.line() + 1, contents.column() + 1))
    });
    match line {
        Some((line, column)) => format!("{error} (line {line}, column {column})"),
        None => error.to_string(),
    }
}
