//! How much may be called: rates and quotas, and who counts.
//!
//! ```text
//! asking    a call is held against all of its limits
//! budget    what a plan or a policy lets callers do, and what they are told of it
//! subject   by what calls are counted
//! store     what is counted, and the seam to whoever does: one `Store` for each place where counts are kept
//! redis     counts that several gateways share
//! memory    the store of this process      table     its counts, in memory that has a bound
//! gcra      rates, pure                    calendar  quotas of days and months, pure
//! calls     how many calls of a subject go on at a time
//! flight    how many go on at all, and whose are refused first
//! ```

pub mod asking;
pub mod budget;
pub mod calendar;
pub mod calls;
pub mod flight;
pub mod gcra;
pub mod memory;
pub mod redis;
pub mod store;
pub mod subject;
mod table;

#[cfg(test)]
mod tests;
