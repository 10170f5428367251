//! What a route of the table leads to.

use std::sync::Arc;

use super::Route;
use super::fixed::Fixed;
use crate::route::condition::Condition;

/// What a route leads to, and for which requests.
#[derive(Debug)]
pub struct Case {
    /// For which requests; absent where for all.
    pub condition: Option<Box<Condition>>,
    /// What they lead to.
    pub action: Action,
}

/// What a request leads to.
#[derive(Clone, Debug)]
pub enum Action {
    /// The call of a method.
    Call(Arc<Route>),
    /// An answer without a call.
    Fixed(Arc<Fixed>),
}

impl Case {
    /// What is done for requests for which a condition holds.
    pub fn new(condition: Condition, action: Action) -> Self {
        Self { condition: (!condition.is_empty()).then(|| Box::new(condition)), action }
    }

    /// The route of a method, if there is a call.
    pub const fn route(&self) -> Option<&Arc<Route>> {
        match &self.action {
            Action::Call(route) => Some(route),
            Action::Fixed(_) => None,
        }
    }

    /// What is answered without a call, if it is.
    pub const fn fixed(&self) -> Option<&Arc<Fixed>> {
        match &self.action {
            Action::Call(_) => None,
            Action::Fixed(fixed) => Some(fixed),
        }
    }

    /// Whether it is for a request of which `holds` tells the condition.
    pub fn is_for(&self, holds: impl FnOnce(&Condition) -> bool) -> bool {
        self.condition.as_ref().is_none_or(|condition| holds(condition))
    }
}

impl From<Arc<Route>> for Case {
    /// A call for every request.
    fn from(route: Arc<Route>) -> Self {
        Self { condition: None, action: Action::Call(route) }
    }
}
