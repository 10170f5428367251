//! Methods of one schema that are answered by those of another.
//!
//! A [`service::Translated`] is a [`CallService`](crate::call::service::CallService) around that of the method that
//! answers. Messages are written from wire to wire by tables ([`table`]) that were made, and held against both schemas,
//! when the configuration was loaded; no type is known here any more.
//!
//! ```text
//! table    what becomes of each field, by its number
//! number   numbers and enums that are written in another way
//! run      one message by its table
//! merge    unusual wire, in which what comes later changes what came before, made usual
//! names    paths of fields, as field masks and errors have them
//! service  calls and their answers
//! ```

mod merge;
pub mod names;
pub mod number;
mod run;
pub mod service;
pub mod table;

#[cfg(test)]
mod tests;
