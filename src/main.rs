//! The `transom` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything may ask for cryptography.
    transom::tls::install();
    transom::cli::main()
}
