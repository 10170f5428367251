//! Who may call: layers around a [`CallService`](crate::call::service::CallService) that know the call and no protocol.
//!
//! ```text
//! guard         the layer: what is asserted is removed, then the rules are held against a call, then it goes on
//! rule          what a policy requires, allows, denies and passes on
//! verify        how a caller shows who it is: one `Verifier` for each kind of proof
//! api_key       keys, by their hashes            new_key   makes and reads the texts of keys
//! recall        those that have called before
//! password      names and passwords, by argon2
//! jwt           tokens that issuers sign, and their keys
//! introspection tokens about which somebody is asked
//! bearer        where tokens stand in a call              claims    what they say becomes an identity
//! verdicts      what was found out about tokens           remote    asks issuers, by HTTP
//! certificate   what TLS told                    pattern   names with `*`
//! refusal       why a call is refused, in words, and where that is counted
//! limit         how much may be called
//! streams       what bounds calls that last, and ends them when the caller may not call any more
//! ```
//!
//! The order on every path: who is the caller (UNAUTHENTICATED), then may it call (PERMISSION_DENIED), and only then is
//! the message read. All policies that hold for a method on a route and in a dialect must agree.

pub mod api_key;
mod bearer;
pub mod certificate;
pub mod claims;
pub mod guard;
pub mod introspection;
pub mod jwt;
pub mod limit;
pub mod meters;
pub mod new_key;
pub mod password;
pub mod pattern;
mod recall;
pub mod refusal;
pub mod remote;
pub mod rule;
pub mod streams;
mod verdicts;
pub mod verify;

#[cfg(test)]
mod tests;
