//! Services as a whole: for dialects that name a service and not a method, and for documents.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::Route;
use crate::call::Dialect;
use crate::document::comments::Comments;
use crate::document::xsd::Types;
use crate::schema::Schema;
use crate::schema::method::Service as Table;

/// A service that is exposed.
#[derive(Debug)]
pub struct Service {
    /// The full name, `package.Service`.
    pub name: String,
    /// The schema that its messages belong to.
    pub schema: Arc<Schema>,
    /// The routes of its methods' own paths, in order of declaration; at least one.
    pub routes: Vec<Arc<Route>>,
    types: OnceLock<Types>,
}

impl Service {
    /// Whether it is served in a dialect. Its methods all are, or none is.
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.routes.first().is_some_and(|route| route.endpoint.speaks(dialect))
    }

    /// Whether it belongs to a version of the API.
    pub fn is_versioned(&self) -> bool {
        self.routes.first().is_some_and(|route| route.endpoint.version.is_some())
    }

    /// The types that its envelopes can hold. They are found out once.
    pub fn types(&self, find: impl FnOnce() -> Types) -> &Types {
        once(&self.types, find)
    }

    /// What the descriptors say of it.
    pub fn table(&self) -> Option<&Table> {
        self.schema.service(&self.name)
    }
}

/// The services by their full names.
#[derive(Debug, Default)]
pub struct Services {
    by_name: HashMap<String, Arc<Service>>,
    /// The names in the order in which they were found.
    names: Vec<String>,
}

impl Services {
    /// Groups routes of methods' own paths, those of a service one behind the other.
    pub fn of(routes: impl IntoIterator<Item = Arc<Route>>) -> Self {
        let mut grouped: Vec<Service> = Vec::new();
        for route in routes {
            let name = route.endpoint.service();
            match grouped.last_mut() {
                Some(last) if last.name == name => last.routes.push(route),
                _ => {
                    let schema = Arc::clone(&route.endpoint.schema);
                    let (name, types) = (name.to_owned(), OnceLock::new());
                    grouped.push(Service { name, schema, routes: vec![route], types });
                }
            }
        }
        let names = grouped.iter().map(|service| service.name.clone()).collect();
        let by_name = grouped.into_iter().map(|service| (service.name.clone(), Arc::new(service))).collect();
        Self { by_name, names }
    }

    /// The service with this full name.
    pub fn find(&self, name: &str) -> Option<&Arc<Service>> {
        self.by_name.get(name)
    }

    /// All of them, in the order in which upstreams define them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.names.iter().filter_map(|name| self.by_name.get(name))
    }
}

/// How many bytes of documents are kept.
const MAX_KEPT: usize = 16 << 20;

/// Documents that were made, for those who ask again.
#[derive(Default)]
pub struct Documents {
    /// Whether they hold comments.
    pub comments: Comments,
    kept: Mutex<Kept>,
    types: OnceLock<Vec<(Arc<Schema>, Types)>>,
}

#[derive(Default)]
struct Kept {
    by_name: HashMap<String, Bytes>,
    size: usize,
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Documents")
    }
}

impl Documents {
    /// None yet.
    pub fn new(comments: Comments) -> Self {
        Self { comments, ..Self::default() }
    }

    /// The types that methods on offer can hold, by the schema that they belong to. They are found out once.
    pub fn types(&self, find: impl FnOnce() -> Vec<(Arc<Schema>, Types)>) -> &Vec<(Arc<Schema>, Types)> {
        once(&self.types, find)
    }

    /// The document with this name, which is made if it is not there, and kept while there is room.
    pub fn get(&self, name: &str, make: impl FnOnce() -> Option<String>) -> Option<Bytes> {
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().by_name.get(name) {
            return Some(found.clone());
        }
        // Two who ask at once make it twice, and nobody else waits for them.
        let made = Bytes::from(make()?);
        let mut kept = lock();
        if kept.size + made.len() <= MAX_KEPT && !kept.by_name.contains_key(name) {
            kept.size += made.len();
            kept.by_name.insert(name.to_owned(), made.clone());
        }
        Some(made)
    }
}

/// What is found out when it is first asked for. Two who ask at once find it out twice, and nobody else waits for them.
fn once<T>(cell: &OnceLock<T>, find: impl FnOnce() -> T) -> &T {
    if let Some(found) = cell.get() {
        return found;
    }
    let found = find();
    cell.get_or_init(|| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_made_once_while_there_is_room() {
        let documents = Documents::default();
        assert_eq!(documents.get("none", || None), None);
        assert_eq!(documents.get("a", || Some("first".into())).unwrap(), "first");
        assert_eq!(documents.get("a", || Some("second".into())).unwrap(), "first");
        let large = "x".repeat(MAX_KEPT);
        assert_eq!(documents.get("b", || Some(large.clone())).unwrap(), large);
        assert_eq!(documents.get("b", || Some("again".into())).unwrap(), "again");
        assert_eq!(documents.get("a", || Some("third".into())).unwrap(), "first");
    }
}
