//! Certificates and keys of listeners and upstreams, loaded; what is wrong with a file is reported where it is named.

use std::path::PathBuf;
use std::sync::Arc;

use super::store::is_secure;
use crate::config::Config;
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, Problems};
use crate::config::store::{Redis, Store};
use crate::config::tls::{ClientAuth, ListenerTls, TlsVersion, UpstreamTls};
use crate::config::upstream::Upstream;
use crate::config::value::address::Target;
use crate::config::value::path::FilePath;
use crate::tls::client::{self, Connector, Protocol};
use crate::tls::defect::{Defect, Part};
use crate::tls::live::Source;
use crate::tls::server::{self, Acceptor};
use crate::tls::{Files, server::MinVersion};

/// The files of each listener and upstream, and of the store of limits, if it has some, without a look at them.
pub fn watched(config: &Config) -> Vec<Vec<PathBuf>> {
    let listeners = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let listeners = listeners.map(|tls| listener(tls).files());
    let upstreams = config.upstreams.iter().filter(|(_, upstream)| secure(upstream).is_some());
    let upstreams = upstreams.filter_map(|(_, upstream)| Some(settings(upstream.tls.as_ref()?).files()));
    let store = match &config.rate_limits.store {
        Store::Redis(written) if is_secure(written) => written.tls.as_ref(),
        _ => None,
    };
    let store = store.map(|tls| settings(tls).files());
    listeners.chain(upstreams).chain(store).filter(|files| !files.is_empty()).collect()
}

/// One for each listener; absent for those without TLS, and after an error.
pub(super) fn listeners(config: &Config, problems: &mut Problems) -> Vec<Option<Arc<Acceptor>>> {
    let mut load = |tls: &ListenerTls| {
        let mut defects = Vec::new();
        let acceptor = Acceptor::load(listener(tls), &mut defects);
        for defect in defects {
            let place = match defect.part {
                Part::Certificate(0) => tls.certificate.place,
                Part::Key(0) => tls.key.place,
                Part::Certificate(index) => tls.certificates.get(index - 1)?.certificate.place,
                Part::Key(index) => tls.certificates.get(index - 1)?.key.place,
                Part::Authorities => place(&tls.client_ca),
            };
            problems.push(problem(defect, place));
        }
        acceptor.map(Arc::new)
    };
    config.listeners.iter().map(|listener| listener.tls.as_ref().and_then(&mut load)).collect()
}

fn listener(tls: &ListenerTls) -> server::Settings {
    let first = (&tls.certificate, &tls.key);
    let others = tls.certificates.iter().map(|pair| (&pair.certificate, &pair.key));
    server::Settings {
        certificates: std::iter::once(first)
            .chain(others)
            .map(|(certificate, key)| files(certificate, key))
            .collect(),
        client_ca: tls.client_ca.as_ref().map(|path| path.to_path_buf()),
        client_auth: match tls.client_auth() {
            ClientAuth::None => server::ClientAuth::None,
            ClientAuth::Optional => server::ClientAuth::Optional,
            ClientAuth::Required => server::ClientAuth::Required,
        },
        min_version: match tls.min_version.value {
            TlsVersion::Tls12 => MinVersion::Tls12,
            TlsVersion::Tls13 => MinVersion::Tls13,
        },
        handshake_timeout: tls.handshake_timeout.value,
    }
}

/// What opens TLS to the targets of an upstream, if one of them has it; absent after an error.
pub(super) fn connector(upstream: &Upstream, problems: &mut Problems) -> Option<Arc<Connector>> {
    // The authorities of the system are named nowhere.
    load(upstream.tls.as_ref(), Protocol::Http2, secure(upstream)?.place, problems)
}

/// What opens TLS to the store of limits, which is to have it; absent after an error.
pub(super) fn store_connector(written: &Redis, problems: &mut Problems) -> Option<Arc<Connector>> {
    let place = written.url.as_ref().and_then(|url| url.place);
    load(written.tls.as_ref(), Protocol::Other, place, problems)
}

/// What is wrong and named nowhere is reported at `other`.
fn load(
    tls: Option<&UpstreamTls>,
    protocol: Protocol,
    other: Option<Place>,
    problems: &mut Problems,
) -> Option<Arc<Connector>> {
    let mut defects = Vec::new();
    let settings = client::Settings { protocol, ..tls.map(settings).unwrap_or_default() };
    let connector = Connector::load(settings, &mut defects);
    for defect in defects {
        let named = tls.and_then(|tls| match defect.part {
            Part::Certificate(_) => place(&tls.certificate),
            Part::Key(_) => place(&tls.key),
            Part::Authorities => place(&tls.ca),
        });
        problems.push(problem(defect, named.or(other)));
    }
    connector.map(Arc::new)
}

/// What opens TLS to somebody who is asked about callers, at this place of the configuration; absent after an error.
pub(super) fn asking(
    ca: &Option<Located<FilePath>>,
    asked: Option<Place>,
    problems: &mut Problems,
) -> Option<Arc<Connector>> {
    let settings = client::Settings {
        ca: ca.as_ref().map(|path| path.to_path_buf()),
        protocol: Protocol::Http1,
        ..client::Settings::default()
    };
    let mut defects = Vec::new();
    let connector = Connector::load(settings, &mut defects);
    for defect in defects {
        problems.push(problem(defect, place(ca).or(asked)));
    }
    connector.map(Arc::new)
}

/// The first target of an upstream that has TLS, or may have it.
fn secure(upstream: &Upstream) -> Option<&Located<Target>> {
    let may = |target: &Target| matches!(target, Target::File(_)) && upstream.tls.is_some();
    let mut targets = upstream.targets.iter().map(|target| &target.url);
    targets.find(|target| target.is_secure() || may(target))
}

fn settings(tls: &UpstreamTls) -> client::Settings {
    client::Settings {
        ca: tls.ca.as_ref().map(|path| path.to_path_buf()),
        certificate: tls
            .certificate
            .as_ref()
            .zip(tls.key.as_ref())
            .map(|(certificate, key)| files(certificate, key)),
        protocol: Protocol::default(),
    }
}

fn files(certificate: &Located<FilePath>, key: &Located<FilePath>) -> Files {
    Files { certificate: certificate.to_path_buf(), key: key.to_path_buf() }
}

fn place(path: &Option<Located<FilePath>>) -> Option<Place> {
    path.as_ref()?.place
}

fn problem(defect: Defect, place: Option<Place>) -> Problem {
    let make = if defect.is_warning { Problem::warning } else { Problem::error };
    make(defect.message).at(place).hint(defect.hint)
}
