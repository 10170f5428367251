//! Which header names may cross between HTTP and gRPC metadata.

/// Whether a name belongs to the connection or to the gRPC protocol itself, so that it never crosses
/// the gateway as metadata in either direction.
///
/// That is: `grpc-*` (reserved by the gRPC specification), the hop-by-hop fields of RFC 9110 section
/// 7.6.1, proxy credentials, and what HTTP and gRPC set by themselves.
pub fn is_reserved(name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::is_reserved;

    #[test]
    fn reserved_names_never_cross() {
        for name in
            ["grpc-status", "grpc-timeout", "connection", "te", "proxy-authorization", "host", "content-type"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["authorization", "x-request-id", "traceparent", "grpcx", "x-grpc-y"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
