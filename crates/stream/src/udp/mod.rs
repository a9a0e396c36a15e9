//! MPEG-TS over UDP, as broadcasters send it: to one machine or to a group, with or without RTP (RFC 2250, RFC 3550).
//!
//! Datagrams are given on in the order in which they come. What is lost shows in the packets' own counters and time
//! stamps, which an ear knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::delivery::Delivery;

/// Largest datagram.
const DATAGRAM: usize = 64 << 10;

/// Bytes after which what came is given on.
const ENOUGH: usize = 32 << 10;

/// How long datagrams are gathered, so that a fat stream does not wake everybody five hundred times a second.
const GATHER: Duration = Duration::from_millis(100);

/// First byte of a packet of MPEG-TS.
const SYNC: u8 = 0x47;

/// How a stream is received.
#[derive(Debug, Clone)]
pub struct UdpSettings {
    /// The interface on which a group is joined: its IPv4 address, for IPv6 its index. Default: the system's choice.
    pub interface: (Ipv4Addr, u32),
    /// Size of the system's receive buffer in bytes; the system may give less. Default: 2 MiB, a second of a fat film.
    pub receive_buffer: usize,
}

impl Default for UdpSettings {
    fn default() -> Self {
        Self { interface: (Ipv4Addr::UNSPECIFIED, 0), receive_buffer: 2 << 20 }
    }
}

/// Why a stream cannot be received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// No address.
    #[error(
        "{0:?} is no address to receive at; write udp://ADDRESS:PORT, like udp://239.1.2.3:5000 or udp://0.0.0.0:5000"
    )]
    NoAddress(String),
    /// The system refuses.
    #[error("cannot receive at {address}: {source}")]
    Refused {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Counters of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdpStatus {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Datagrams that hold no MPEG-TS, and were left out.
    pub foreign: u64,
    /// Bytes of MPEG-TS.
    pub bytes: u64,
    /// Errors of the system while receiving.
    pub errors: u64,
}

/// A stream that is received. It has no end: whoever waits too long stops.
#[derive(Debug)]
pub struct UdpSource {
    socket: UdpSocket,
    datagram: Vec<u8>,
    gathered: BytesMut,
    /// When what is gathered is given on.
    due: Option<Instant>,
    status: UdpStatus,
}

impl UdpSource {
    /// Receives at `address`: `udp://`, an IP address (a group is joined), and a port; `@` before the address is allowed.
    /// Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`UdpError`] if there is no such address here.
    pub fn open(address: &str, settings: &UdpSettings) -> Result<Self, UdpError> {
        let plain =
            ["udp://", "rtp://"].iter().find_map(|scheme| address.strip_prefix(scheme)).unwrap_or(address);
        let plain = plain.trim_start_matches('@').trim_end_matches('/');
        let plain = plain.split_once('?').map_or(plain, |(plain, _)| plain);
        let at: SocketAddr = plain.parse().map_err(|_| UdpError::NoAddress(address.to_owned()))?;
        let socket = bind(at, settings).map_err(|source| UdpError::Refused { address: at, source })?;
        Ok(Self {
            socket,
            datagram: vec![0; DATAGRAM],
            gathered: BytesMut::new(),
            due: None,
            status: UdpStatus::default(),
        })
    }

    /// Where it is received; the port is the real one if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Counters.
    #[must_use]
    pub fn status(&self) -> &UdpStatus {
        &self.status
    }

    /// What comes next. Safe to drop while it waits.
    pub async fn next(&mut self) -> Delivery {
        loop {
            let receive = self.socket.recv(&mut self.datagram);
            let received = match self.due {
                None => receive.await,
                Some(due) => match timeout_at(due, receive).await {
                    Ok(received) => received,
                    Err(_) => return self.give(),
                },
            };
            match received {
                Ok(count) => self.take(count),
                Err(_) => {
                    // A port that answered before and does not exist any more, a network that is down: it may come back.
                    self.status.errors += 1;
                    tokio::time::sleep(GATHER).await;
                }
            }
            if self.gathered.len() >= ENOUGH {
                return self.give();
            }
        }
    }

    fn take(&mut self, count: usize) {
        self.status.datagrams += 1;
        let Some(packets) = self.datagram.get(..count).and_then(packets) else {
            self.status.foreign += 1;
            return;
        };
        self.status.bytes += packets.len() as u64;
        self.gathered.extend_from_slice(packets);
        self.due.get_or_insert_with(|| Instant::now() + GATHER);
    }

    fn give(&mut self) -> Delivery {
        self.due = None;
        // Copied, so that the gathering buffer stays.
        let bytes = Bytes::copy_from_slice(&self.gathered);
        self.gathered.clear();
        Delivery::Bytes(bytes)
    }
}

/// A socket that receives what is sent to `at`.
fn bind(at: SocketAddr, settings: &UdpSettings) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    // Several streams of one machine may listen to one group.
    if at.ip().is_multicast() {
        socket.set_reuse_address(true)?;
    }
    // The system's limit may be lower; less buffer is no reason not to listen.
    _ = socket.set_recv_buffer_size(settings.receive_buffer);
    // Bound to the group itself, other groups of the same port stay out. Windows knows no such thing.
    let local =
        if at.ip().is_multicast() && cfg!(windows) { SocketAddr::new(any(at.ip()), at.port()) } else { at };
    socket.bind(&SockAddr::from(local))?;
    match at.ip() {
        IpAddr::V4(group) if group.is_multicast() => {
            socket.join_multicast_v4(&group, &settings.interface.0)?;
        }
        IpAddr::V6(group) if group.is_multicast() => {
            socket.join_multicast_v6(&group, settings.interface.1)?;
        }
        _ => {}
    }
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// The packets of MPEG-TS in a datagram, behind the header of RTP (RFC 3550, 5.1) if there is one.
fn packets(datagram: &[u8]) -> Option<&[u8]> {
    let &[first, ..] = datagram else { return None };
    if first == SYNC {
        return Some(datagram);
    }
    if first >> 6 != 2 {
        return None;
    }
    let mut start = 12 + 4 * usize::from(first & 0xF);
    if first & 0x10 != 0 {
        let &[_, _, high, low] = datagram.get(start..)?.first_chunk()?;
        start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    let padding = if first & 0x20 != 0 { usize::from(*datagram.last()?) } else { 0 };
    let end = datagram.len().checked_sub(padding)?;
    datagram.get(start..end).filter(|packets| packets.first() == Some(&SYNC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_rtp_are_stripped() {
        let rtp = |first: u8, rest: &[u8]| [&[first, 33], &[0; 10][..], rest].concat();
        assert_eq!(packets(b"Gabc"), Some(&b"Gabc"[..]));
        assert_eq!(packets(&rtp(0x80, b"Gabc")), Some(&b"Gabc"[..]));
        assert_eq!(packets(&rtp(0x82, b"12345678Gabc")), Some(&b"Gabc"[..]), "two sources");
        assert_eq!(packets(&rtp(0x90, b"\0\0\0\x01extnGabc")), Some(&b"Gabc"[..]), "an extension");
        assert_eq!(packets(&rtp(0xA0, b"Gabc\0\0\x03")), Some(&b"Gabc"[..]), "padding");
        for foreign in [&b""[..], b"hello", &rtp(0x80, b"Habc"), &rtp(0x9F, b"x"), &rtp(0xA0, b"\xFF")] {
            assert_eq!(packets(foreign), None);
        }
    }
}
