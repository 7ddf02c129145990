//! What can be wrong with a head.

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not a head of HTTP at all, or with bytes that may not stand in one.
    #[error("malformed head (RFC 9112 section 2)")]
    Malformed,
    /// A line ends with LF alone.
    #[error("bare LF (RFC 9112 section 2.2)")]
    BareLf,
    /// A version that is not 1.0 or 1.1.
    #[error("unsupported version (RFC 9112 section 2.3)")]
    Version,
    /// The request line alone is larger than a head may be.
    #[error("request line too long (RFC 9110 section 15.5.15)")]
    TargetTooLong,
    /// Larger than a head may be.
    #[error("head too large (RFC 6585 section 5)")]
    TooLarge,
    /// More fields than a head may have.
    #[error("too many fields (RFC 6585 section 5)")]
    TooManyFields,
    /// A target that does not fit its method, or has bytes that may not stand in one.
    #[error("bad request target (RFC 9112 section 3.2)")]
    Target,
    /// `Host` is missing.
    #[error("no Host (RFC 9112 section 3.2)")]
    HostMissing,
    /// `Host` is there twice.
    #[error("repeated Host (RFC 9112 section 3.2)")]
    HostRepeated,
    /// `Host` is no host.
    #[error("invalid Host (RFC 9112 section 3.2)")]
    HostInvalid,
    /// The target names another authority than `Host`.
    #[error("Host differs from the target (RFC 9112 section 3.2.2)")]
    HostMismatch,
    /// `Content-Length` is there twice.
    #[error("repeated Content-Length (RFC 9112 section 6.3)")]
    LengthRepeated,
    /// `Content-Length` is no number.
    #[error("invalid Content-Length (RFC 9110 section 8.6)")]
    LengthInvalid,
    /// Both `Content-Length` and `Transfer-Encoding` are there.
    #[error("Content-Length with Transfer-Encoding (RFC 9112 section 6.1)")]
    LengthWithCoding,
    /// `Transfer-Encoding` where none may be, or in a form that may be read in two ways.
    #[error("invalid Transfer-Encoding (RFC 9112 section 6.1)")]
    CodingInvalid,
    /// A transfer coding other than chunked.
    #[error("unknown transfer coding (RFC 9112 section 7)")]
    CodingUnknown,
    /// `Connection` nominates a field that is not for one hop.
    #[error("Connection names an end-to-end field (RFC 9110 section 7.6.1)")]
    ConnectionNomination,
    /// An expectation other than `100-continue`.
    #[error("unknown expectation (RFC 9110 section 10.1.1)")]
    Expectation,
    /// An extended CONNECT to something else than a WebSocket.
    #[error("unknown protocol (RFC 9220 section 3)")]
    Protocol,
    /// A body with an answer that cannot have one.
    #[error("body with a status that has none (RFC 9110 section 8.6)")]
    UnexpectedBody,
}

impl HeadError {
    /// The status that a client is told.
    pub fn status(self) -> u16 {
        match self {
            HeadError::Version => 505,
            HeadError::TargetTooLong => 414,
            HeadError::TooLarge | HeadError::TooManyFields => 431,
            HeadError::CodingUnknown | HeadError::Protocol => 501,
            HeadError::Expectation => 417,
            _ => 400,
        }
    }

    /// A word for the access log.
    pub fn reason(self) -> &'static str {
        match self {
            HeadError::Malformed => "malformed_head",
            HeadError::BareLf => "bare_lf",
            HeadError::Version => "unsupported_version",
            HeadError::TargetTooLong => "target_too_long",
            HeadError::TooLarge => "head_too_large",
            HeadError::TooManyFields => "too_many_fields",
            HeadError::Target => "bad_target",
            HeadError::HostMissing => "host_missing",
            HeadError::HostRepeated => "host_repeated",
            HeadError::HostInvalid => "host_invalid",
            HeadError::HostMismatch => "host_mismatch",
            HeadError::LengthRepeated => "content_length_repeated",
            HeadError::LengthInvalid => "content_length_invalid",
            HeadError::LengthWithCoding => "content_length_with_transfer_encoding",
            HeadError::CodingInvalid => "transfer_encoding_invalid",
            HeadError::CodingUnknown => "transfer_encoding_unknown",
            HeadError::ConnectionNomination => "connection_nomination",
            HeadError::Expectation => "unknown_expectation",
            HeadError::Protocol => "unknown_protocol",
            HeadError::UnexpectedBody => "unexpected_body",
        }
    }
}
