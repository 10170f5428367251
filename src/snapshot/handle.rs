//! The one place where the current [`Snapshot`] is found.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Snapshot;

/// Holds the current snapshot. Calls take it once and keep it to their end.
#[derive(Debug)]
pub struct Handle(ArcSwap<Snapshot>);

impl Handle {
    /// A handle with its first snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// Makes another snapshot the current one and returns the one that was, which calls may hold still.
    pub fn swap(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.0.swap(Arc::new(snapshot))
    }

    /// The snapshot that is current now.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }
}
