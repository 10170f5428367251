//! The integration tests: the real binary, real backends, and the rules of the repository itself.

mod generated;
