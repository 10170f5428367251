//! Why streams and connections fail.

use std::fmt;
use std::sync::Arc;

/// An error code of HTTP/2 (RFC 9113 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(pub u32);

impl Reason {
    /// The end is no error.
    pub const NO_ERROR: Self = Self(0);
    /// The protocol was broken in a way that has no code of its own.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// The endpoint failed by itself.
    pub const INTERNAL_ERROR: Self = Self(2);
    /// More was sent than the windows allow.
    pub const FLOW_CONTROL_ERROR: Self = Self(3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(4);
    /// A frame came for a stream that is closed.
    pub const STREAM_CLOSED: Self = Self(5);
    /// A frame has an impossible size.
    pub const FRAME_SIZE_ERROR: Self = Self(6);
    /// The stream was refused before any processing.
    pub const REFUSED_STREAM: Self = Self(7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(8);
    /// Header compression cannot go on.
    pub const COMPRESSION_ERROR: Self = Self(9);
    /// A tunnel broke.
    pub const CONNECT_ERROR: Self = Self(10);
    /// The peer makes too much work.
    pub const ENHANCE_YOUR_CALM: Self = Self(11);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(12);
    /// HTTP/1.1 is asked for instead.
    pub const HTTP_1_1_REQUIRED: Self = Self(13);

    /// The name that RFC 9113 gives the code.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::CONNECT_ERROR => "CONNECT_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self::INADEQUATE_SECURITY => "INADEQUATE_SECURITY",
            Self::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
            _ => "of an unknown number",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// What the peer did against the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What the peer is told.
    pub reason: Reason,
    /// What it did, as the rest of a sentence that begins with "it".
    pub what: &'static str,
}

impl Flaw {
    pub(super) const fn new(reason: Reason, what: &'static str) -> Self {
        Self { reason, what }
    }

    pub(super) const fn protocol(what: &'static str) -> Self {
        Self::new(Reason::PROTOCOL_ERROR, what)
    }

    pub(super) const fn size(what: &'static str) -> Self {
        Self::new(Reason::FRAME_SIZE_ERROR, what)
    }
}

/// Why a stream did not end well, or could not be opened.
#[derive(Clone, Debug)]
pub enum Error {
    /// The peer reset the stream.
    Reset(Reason),
    /// The peer goes away and has not looked at the stream.
    GoneAway(Reason),
    /// The peer broke the protocol on this stream, which was reset for it.
    Stream(Flaw),
    /// The peer broke the protocol on the connection, which has ended for it.
    Connection(Flaw),
    /// The connection broke.
    Broken(Arc<str>),
    /// The connection takes no more streams.
    Full,
    /// The peer takes no headers as large as those of the request, in bytes as RFC 9113 section 6.5.2 counts
    /// them.
    HeadersTooLarge {
        /// What the request has.
        size: usize,
        /// What the peer takes.
        limit: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset(reason) => write!(f, "the peer reset the stream: {reason}"),
            Self::GoneAway(reason) => write!(f, "the peer goes away: {reason}"),
            Self::Stream(flaw) => write!(f, "the peer broke the protocol on the stream: it {}", flaw.what),
            Self::Connection(flaw) => write!(f, "the peer broke the protocol: it {}", flaw.what),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::Full => f.write_str("the connection takes no more streams"),
            Self::HeadersTooLarge { size, limit } => {
                write!(f, "the headers have {size} bytes, and the peer takes {limit}")
            }
        }
    }
}

impl std::error::Error for Error {}
