//! The policies that hold now, for streams that began under others.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use crate::policy::guard::{Guard, Shared};

/// The guards of one generation, by the paths of their methods, `/package.Service/Method`.
#[derive(Default)]
pub struct Guards(HashMap<Box<str>, Weak<Shared>>);

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards").field("methods", &self.0.len()).finish_non_exhaustive()
    }
}

impl Guards {
    /// Adds the guard of a method. It is known for as long as something serves the method.
    pub fn add(&mut self, path: &str, guard: &Guard) {
        self.0.insert(path.into(), Arc::downgrade(guard.shared()));
    }

    pub(super) fn find(&self, path: &str) -> Option<Arc<Shared>> {
        self.0.get(path)?.upgrade()
    }
}

/// The guards of the newest generation. Streams hear of each new one. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Current(Arc<watch::Sender<Arc<Guards>>>);

impl Current {
    /// Makes another generation the newest. It is to be told before calls come to that generation, so that none is held
    /// against the one before.
    pub fn replace(&self, guards: Arc<Guards>) {
        self.0.send_replace(guards);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Guards>> {
        self.0.subscribe()
    }
}
