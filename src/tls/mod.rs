//! TLS: certificates and keys from files, and the configurations of rustls that are made of them, replaced while
//! connections go on.
//!
//! ```text
//! file         PEM files, bounded -> DER
//! certificate  what X.509 says of one: subject, names, times
//! pair         certificates with their keys, chosen by the name that a client asks for
//! server       what a listener shows and asks for
//! client       how TLS is opened to who is called
//! dial         how a host is reached, with TLS or without
//! session      what TLS told about the other end of a connection
//! live         a configuration and the files that it depends on, watched
//! defect       everything that is wrong with the files, at once
//! ```
//!
//! The room does cryptography through one provider, [`provider`], and never through another that a dependency may
//! have brought along. There is no renegotiation and no early data.

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub mod certificate;
pub mod client;
pub mod defect;
pub mod dial;
pub mod live;
pub mod server;
pub mod session;

mod file;
mod pair;

#[cfg(test)]
pub(crate) mod tests;

pub use pair::Files;

/// The cryptography of all that is done with TLS here: aws-lc.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Makes [`provider`] that of the process as well, for dependencies that ask for one. The first call counts.
pub fn install() {
    // It fails if there is one already, which is this one.
    let _ = aws_lc_rs::default_provider().install_default();
}
