//! Faulty responses.

use std::time::Duration;

use refrain_testkit::origin::Fault;

/// Size of a packet of MPEG-TS in bytes.
const PACKET_BYTES: usize = 188;
/// MPEG-TS packets of the PID 0x1fff, which demultiplexers ignore: media without audio.
static NULL_PACKETS: [u8; 50 * PACKET_BYTES] = null_packets();

/// A fault of the responses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Response {
    Status(u16),
    RetryAfter,
    Html,
    Huge,
    Endless,
    Trickle,
    Truncated,
    Empty,
    Redirect,
    Reset,
    WrongType,
    Late,
    IgnoreRange,
    Encoded,
    OtherBody,
    NoAudio,
}

impl Response {
    /// Returns the fault of the testkit. `unknown_url` is a URL of the origin that does not exist.
    pub(crate) fn fault(self, unknown_url: &str) -> Fault {
        match self {
            Self::Status(status) => Fault::Status(status),
            Self::RetryAfter => Fault::RetryAfter(503, "2"),
            Self::Html => Fault::Html,
            // More than the maximum size of a playlist, 16 MiB.
            Self::Huge => Fault::Huge(17 << 20),
            Self::Endless => Fault::Endless,
            Self::Trickle => Fault::Trickle(Duration::from_millis(50)),
            Self::Truncated => Fault::Truncated(100),
            Self::Empty => Fault::Empty,
            Self::Redirect => Fault::Redirect(unknown_url.to_owned()),
            Self::Reset => Fault::Reset,
            Self::WrongType => Fault::WrongType("text/plain"),
            Self::Late => Fault::Late(Duration::from_secs(2)),
            Self::IgnoreRange => Fault::IgnoreRange,
            Self::Encoded => Fault::Encoded("gzip", b"this is not gzip".as_slice().into()),
            Self::OtherBody => Fault::Instead(b"{\"error\": \"not available\"}".as_slice().into()),
            Self::NoAudio => Fault::Instead(NULL_PACKETS.as_slice().into()),
        }
    }

    /// Returns true if the client gets the content, although the response is unusual.
    pub(crate) fn has_content(fault: Option<&Fault>) -> bool {
        matches!(fault, None | Some(Fault::Late(_) | Fault::WrongType(_) | Fault::IgnoreRange))
    }

    /// Returns true if the client must not request the media again: the response was complete media without audio, or
    /// larger than the limit, up to which each request would transfer it again.
    pub(crate) fn is_final(fault: Option<&Fault>) -> bool {
        match fault {
            Some(Fault::Endless) => true,
            Some(Fault::Instead(bytes)) => bytes.starts_with(&NULL_PACKETS),
            _ => false,
        }
    }
}

const fn null_packets() -> [u8; 50 * PACKET_BYTES] {
    let mut bytes = [0xff; 50 * PACKET_BYTES];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = 0x47;
        bytes[at + 1] = 0x1f;
        bytes[at + 3] = 0x10;
        at += PACKET_BYTES;
    }
    bytes
}
