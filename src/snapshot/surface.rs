//! What requests can reach.

use std::collections::HashMap;
use std::sync::Arc;

use super::Route;
use super::service::{Documents, Services};
use crate::route::table::Table;

/// The methods that requests can reach, by every way there is to them.
#[derive(Debug, Default)]
pub struct Surface {
    /// Every method, by its full name, with the route of its own path, `/package.Service/Method`, on which the request
    /// is the whole message. REST serves it only where [`Surface::routes`] has it too.
    pub methods: HashMap<String, Arc<Route>>,
    /// The same methods by their services.
    pub services: Services,
    /// What was made to describe them; absent where nobody is given it.
    pub documents: Option<Documents>,
    /// Every HTTP route.
    pub routes: Table<Arc<Route>>,
}
