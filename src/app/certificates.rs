//! Certificates and keys that change while the application runs.

use std::path::PathBuf;
use std::sync::Arc;

use crate::snapshot::Tls;
use crate::tls::defect::Defect;
use crate::tls::live::Outcome;

/// Reads the files again of all that is made of one of these groups. Files that are wrong are logged, and what was
/// loaded before goes on. Blocks on the disk.
pub(super) fn read_again(tls: &Tls, changed: &[Arc<[PathBuf]>]) {
    for one in tls.all() {
        let files = one.files();
        if changed.iter().any(|changed| **changed == *files) {
            report(&files, &one.reload());
        }
    }
}

fn report(files: &[PathBuf], outcome: &Outcome) {
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
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
