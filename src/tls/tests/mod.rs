//! TLS in memory, with certificates that are made for each test.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::defect::Defect;
use super::*;

mod certificates;
mod files;
mod handshakes;
mod reload;

#[path = "../../../tests/it/support/authority.rs"]
#[allow(dead_code, reason = "the integration tests use the rest")]
pub(crate) mod authority;

use authority::{Authority, Leaf};

/// Writes a pair to files.
fn written(leaf: &Leaf, folder: &Path, name: &str) -> Files {
    let (certificate, key) = leaf.write(folder, name);
    Files { certificate, key }
}

/// The defects as text, with the folder left out.
fn texts(defects: &[Defect], folder: &TempDir) -> Vec<String> {
    let folder = format!("{}/", folder.path().display());
    let text = |defect: &Defect| {
        let kind = if defect.is_warning { "warning" } else { "error" };
        format!("{kind} {:?}: {}", defect.part, defect.to_string().replace(&folder, ""))
    };
    defects.iter().map(text).collect()
}
