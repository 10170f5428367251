//! Which names and values may cross between HTTP and gRPC metadata.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

/// The name of the metadata that marks the copy of a call, which the gateway alone may say.
pub const COPY: &str = "x-transom-shadow";

/// Whether a name never crosses the gateway as metadata in either direction: it belongs to the connection or to the gRPC
/// protocol itself, or is for the gateway alone to say ([`COPY`]).
pub fn is_reserved(name: &str) -> bool {
    is_of_protocol(name) || name == COPY
}

/// Whether a name belongs to the connection or to the gRPC protocol itself.
///
/// That is: `grpc-*` (reserved by the gRPC specification), the hop-by-hop fields of RFC 9110 section
/// 7.6.1, proxy credentials, and what HTTP and gRPC set by themselves.
pub fn is_of_protocol(name: &str) -> bool {
    name.starts_with("grpc-")
        || name.starts_with("proxy-")
        || name.starts_with(':')
        || matches!(
            name,
            "connection"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
                | "host"
                | "expect"
                | "content-length"
                | "content-type"
                | "content-encoding"
                | "user-agent"
        )
}

/// What keeps a value from being sent as metadata of this name, as the end of a sentence: names that end
/// in `-bin` carry base64 (several values joined by commas), others visible ASCII characters and spaces.
pub fn flaw(name: &str, value: &[u8]) -> Option<&'static str> {
    if name.ends_with("-bin") {
        (!is_base64(value)).then_some("names that end in -bin carry base64")
    } else {
        let ascii = value.iter().all(|byte| (0x20..=0x7e).contains(byte));
        (!ascii).then_some("metadata carries visible ASCII characters and spaces")
    }
}

fn is_base64(value: &[u8]) -> bool {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    value.split(|&byte| byte == b',').all(|part| ENGINE.decode(part.trim_ascii()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_reserved;

    #[test]
    fn reserved_names_never_cross() {
        for name in [
            "grpc-status",
            "grpc-timeout",
            "connection",
            "te",
            "proxy-authorization",
            "host",
            "content-type",
            super::COPY,
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["authorization", "x-request-id", "traceparent", "grpcx", "x-grpc-y"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
