//! Plans of calls: one answer from several services, and one method that several upstreams answer.
//!
//! A [`plan::Plan`] is a [`CallService`](crate::call::service::CallService) whose answer has one field for each of its
//! parts. A part is a call of another service, which it is given boxed: policy, upstream and all. What a part's request
//! takes from the request or from the answers of other parts is copied from wire to wire ([`source`], [`template`]); all
//! that could be wrong with that was found when the configuration was loaded, so no type is known here any more.
//!
//! ```text
//! plan      the parts, and what they need of one another
//! run       one call: parts start as soon as what they need is there, and all that can go wrong with them
//! watch     what is seen of the parts from outside: durations, spans, what the access log tells
//! answer    what a caller gets, as one message or part by part
//! source    a value in a message, however it lies on the wire
//! template  the request of a part
//! mask      the fields of an answer that are kept
//!
//! split     which of several upstreams a call goes to
//! shadow    copies of calls for an upstream whose answers nobody gets
//! translate methods of one schema that are answered by those of another
//! ```

mod answer;
mod fan;
pub mod mask;
pub mod plan;
mod run;
pub mod shadow;
pub mod source;
pub mod split;
pub mod template;
pub mod translate;
mod watch;

#[cfg(test)]
mod tests;
