//! MPEG-TS over UDP, unicast or multicast, with or without RTP (RFC 2250, RFC 3550).
//!
//! Datagrams are delivered in the order of their arrival. [`crate::StreamDecoder`] detects lost datagrams from the
//! continuity counters and time stamps of the MPEG-TS packets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use crate::delivery::Delivery;

/// Maximum size of a datagram in bytes: the limit of UDP. MPEG-TS uses 1,316 bytes (seven packets), but a larger
/// datagram must not be cut.
const MAX_DATAGRAM_BYTES: usize = 64 << 10;

/// Number of collected bytes at which they are delivered before [`FLUSH_INTERVAL`] has elapsed. At half this value, a
/// video stream is delivered in twice as many pieces; at twice this value, each source keeps up to 64 KiB in memory.
const FLUSH_BYTES: usize = 32 << 10;

/// Time for which datagrams are collected into one delivery, so that a stream with a high bit rate does not wake the
/// consumer five hundred times a second. At half this value, there are twice as many deliveries; at twice this value,
/// detections are reported up to 0.1 s later.
const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// First byte of an MPEG-TS packet.
const SYNC: u8 = 0x47;

/// Settings of a [`UdpSource`].
#[derive(Debug, Clone)]
pub struct UdpSettings {
    /// Network interface on which a multicast group is joined: its address for IPv4 groups, and its index for IPv6
    /// groups. With the defaults, the unspecified address and index 0, the system chooses the interface.
    pub interface: (Ipv4Addr, u32),
    /// Size of the socket's receive buffer in bytes; the system may grant less. Default: 2 MiB, which is one second of
    /// a video at a high bit rate.
    pub receive_buffer: usize,
}

impl Default for UdpSettings {
    fn default() -> Self {
        Self { interface: (Ipv4Addr::UNSPECIFIED, 0), receive_buffer: 2 << 20 }
    }
}

/// Reason why a [`UdpSource`] cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UdpError {
    /// The address has an invalid format. Contains the address as it was given.
    #[error(
        "invalid UDP address {0:?}; write udp://ADDRESS:PORT, like udp://239.1.2.3:5000 or udp://0.0.0.0:5000"
    )]
    NoAddress(String),
    /// The operating system refused the socket, the address or the multicast group.
    #[error("cannot receive on {address}: {source}")]
    Refused {
        /// The local or multicast address.
        address: SocketAddr,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

/// Counters of a [`UdpSource`] since it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdpStatus {
    /// Datagrams received.
    pub datagrams: u64,
    /// Datagrams that were ignored because they do not contain MPEG-TS.
    pub foreign: u64,
    /// Bytes of MPEG-TS received.
    pub bytes: u64,
    /// Errors of the operating system while receiving.
    pub errors: u64,
}

/// A source that receives MPEG-TS over UDP. It never ends; the caller must apply a timeout.
#[derive(Debug)]
pub struct UdpSource {
    socket: UdpSocket,
    datagram: Vec<u8>,
    collected: BytesMut,
    /// Time at which the collected bytes are delivered; `None` if no bytes are collected.
    due: Option<Instant>,
    status: UdpStatus,
}

impl UdpSource {
    /// Starts receiving on `address`: an IP address and a port, optionally after `udp://` or `rtp://` and `@`. A query
    /// in the address is ignored. If the IP address is a multicast group, the socket joins the group. Call this
    /// function on a tokio runtime.
    ///
    /// # Errors
    /// [`UdpError`] if `address` is invalid or the system refuses to receive on it.
    pub fn open(address: &str, settings: &UdpSettings) -> Result<Self, UdpError> {
        let plain =
            ["udp://", "rtp://"].iter().find_map(|scheme| address.strip_prefix(scheme)).unwrap_or(address);
        let plain = plain.trim_start_matches('@').trim_end_matches('/');
        let plain = plain.split_once('?').map_or(plain, |(plain, _)| plain);
        let at: SocketAddr = plain.parse().map_err(|_| UdpError::NoAddress(address.to_owned()))?;
        let socket = bind(at, settings).map_err(|source| UdpError::Refused { address: at, source })?;
        Ok(Self {
            socket,
            datagram: vec![0; MAX_DATAGRAM_BYTES],
            collected: BytesMut::new(),
            due: None,
            status: UdpStatus::default(),
        })
    }

    /// Returns the local address of the socket, or `None` if the system does not provide it. If the source was opened
    /// with port 0, the address contains the port that the system chose.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// Returns the counters.
    #[must_use]
    pub fn status(&self) -> &UdpStatus {
        &self.status
    }

    /// Waits for the next delivery. This method is cancel safe.
    pub async fn next(&mut self) -> Delivery {
        loop {
            // The future is created in each round: dropping the future of `recv` loses no datagram.
            let receive = self.socket.recv(&mut self.datagram);
            let received = match self.due {
                None => receive.await,
                Some(due) => match timeout_at(due, receive).await {
                    Ok(received) => received,
                    Err(_) => return self.flush(),
                },
            };
            match received {
                Ok(count) => self.take(count),
                Err(_) => {
                    // Errors such as a port that was closed or a network that is down may be temporary. The pause
                    // prevents a busy loop while they last.
                    self.status.errors += 1;
                    tokio::time::sleep(FLUSH_INTERVAL).await;
                }
            }
            if self.collected.len() >= FLUSH_BYTES {
                return self.flush();
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
        self.collected.extend_from_slice(packets);
        self.due.get_or_insert_with(|| Instant::now() + FLUSH_INTERVAL);
    }

    fn flush(&mut self) -> Delivery {
        self.due = None;
        // Copied, so that the buffer keeps its capacity.
        let bytes = Bytes::copy_from_slice(&self.collected);
        self.collected.clear();
        Delivery::Bytes(bytes)
    }
}

/// Opens a socket that receives the datagrams sent to `at`.
fn bind(at: SocketAddr, settings: &UdpSettings) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    // Several sockets of one machine can receive the same group.
    if at.ip().is_multicast() {
        socket.set_reuse_address(true)?;
    }
    // The system's limit may be lower. The stream can be received with a smaller buffer too, so the error is ignored.
    _ = socket.set_recv_buffer_size(settings.receive_buffer);
    // A socket bound to the group's address does not receive other groups on the same port. Windows does not support
    // binding to that address.
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

/// Returns the MPEG-TS packets in a datagram, without RTP header (RFC 3550, 5.1) and RTP padding. Returns `None` if the
/// datagram does not contain MPEG-TS.
fn packets(datagram: &[u8]) -> Option<&[u8]> {
    let &[first, ..] = datagram else { return None };
    if first == SYNC {
        return Some(datagram);
    }
    // RTP has version 2 in the first two bits (RFC 3550, 5.1).
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
    fn rtp_headers_are_stripped() {
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
