//! Certificates and keys that change while the application runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::snapshot::Tls;
use crate::snapshot::handle::Handle;
use crate::tls::defect::Defect;
use crate::tls::live::{Outcome, Reload};

/// How often files are looked at. They count as changed when they have been the same for two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the files of the current snapshot's certificates again whenever they have changed, for ever. Files that are
/// wrong are logged, and what was loaded before goes on.
pub(super) async fn watch(handle: Arc<Handle>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let snapshot = handle.load();
        if snapshot.tls.all().next().is_none() {
            continue;
        }
        // A disk may be slow, and signals must be answered.
        let looked = tokio::task::spawn_blocking(move || look(&snapshot.tls)).await;
        if let Err(error) = looked {
            tracing::error!(%error, "certificates could not be looked after");
        }
    }
}

fn look(tls: &Tls) {
    for one in tls.all() {
        if let Some(outcome) = one.look() {
            report(one, &outcome);
        }
    }
}

fn report(what: &dyn Reload, outcome: &Outcome) {
    let files: Vec<_> = what.files().iter().map(|file| file.display().to_string()).collect();
    let files = files.join(", ");
    match outcome {
        Ok(warnings) => {
            warnings.iter().for_each(log);
            tracing::info!(files, "certificates were read again and hold for new connections");
        }
        Err(defects) => {
            defects.iter().for_each(log);
            tracing::error!(files, "certificates have changed but cannot be used; those before go on");
        }
    }
}

fn log(defect: &Defect) {
    let Defect { is_warning, message, hint, .. } = defect;
    if *is_warning {
        tracing::warn!(hint, "{message}");
    } else {
        tracing::error!(hint, "{message}");
    }
}
