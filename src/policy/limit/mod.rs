//! How much may be called: rates and quotas, and who counts.
//!
//! ```text
//! store     what is counted, and the seam to whoever does: one `Store` for each place where counts are kept
//! ```

pub mod store;
