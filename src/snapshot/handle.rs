//! The one place where the current [`Snapshot`] is found, and whether it is served at all.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Snapshot;
use super::maintenance::Maintenance;

/// Holds the current snapshot. Calls take it once and keep it to their end.
#[derive(Debug)]
pub struct Handle {
    snapshot: ArcSwap<Snapshot>,
    maintenance: Maintenance,
}

impl Handle {
    /// A handle with its first snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), maintenance: Maintenance::default() }
    }

    /// Makes another snapshot the current one and returns the one that was, which calls may hold still.
    pub fn swap(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.snapshot.swap(Arc::new(snapshot))
    }

    /// The snapshot that is current now.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The switch that keeps requests from it, whichever it is.
    pub const fn maintenance(&self) -> &Maintenance {
        &self.maintenance
    }
}
