//! What a request is answered from.

use crate::snapshot::Snapshot;
use crate::snapshot::surface::Surface;

/// What a request is answered from: the snapshot, and what of it the request can reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) surface: &'s Surface,
}
