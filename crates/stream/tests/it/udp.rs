//! MPEG-TS over UDP on the loopback interface.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use refrain_stream::{Delivery, GapReason, UdpSettings, UdpSource};

use crate::decode::{DecodedStream, assert_same, process};
use crate::media::{MediaFiles, reference_audio};

/// Sends the stream to a source in datagrams of seven packets, as broadcasters do, and returns its deliveries. The
/// datagrams in `lost` are not sent. If `rtp` is true, each datagram gets an RTP header.
async fn send(
    source: &mut UdpSource,
    to: &str,
    bytes: &[u8],
    rtp: bool,
    lost: std::ops::Range<usize>,
) -> Vec<Delivery> {
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut all = Vec::new();
    for (i, packets) in bytes.chunks(7 * 188).enumerate().filter(|(i, _)| !lost.contains(i)) {
        let header = if rtp { vec![0x80, 33, 0, i as u8, 0, 0, 0, 0, 0, 0, 0, 0] } else { Vec::new() };
        sender.send_to(&[&header[..], packets].concat(), to).unwrap();
        if i % 20 == 19 {
            all.push(source.next().await); // so that the receive buffer does not overflow
        }
    }
    while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), source.next()).await {
        all.push(delivery);
    }
    all
}

async fn decoded(address: &str, bytes: &[u8], rtp: bool, lost: std::ops::Range<usize>) -> DecodedStream {
    let settings = UdpSettings { interface: (Ipv4Addr::LOCALHOST, 0), ..UdpSettings::default() };
    let mut source = UdpSource::open(address, &settings).unwrap();
    let to = source.address().unwrap().to_string();
    process(send(&mut source, &to, bytes, rtp, lost).await)
}

#[tokio::test]
async fn datagrams_decode_like_the_file_and_lost_ones_are_gaps() {
    let files = MediaFiles::new(50, 4.0);
    files.ffmpeg("-i song.wav -c:a aac -aac_pns 0 -f mpegts song.ts");
    let (bytes, reference_audio) = (files.read("song.ts"), reference_audio(&files.path("song.ts")));
    for rtp in [false, true] {
        let decoded = decoded("udp://127.0.0.1:0", &bytes, rtp, 0..0).await;
        assert_same(&decoded.sound, &reference_audio);
        assert_eq!(decoded.report.lost_packets, 0);
    }
    for (lost, min_seconds) in [(10..21, 0.5), (15..16, 0.03)] {
        let lossy = decoded("127.0.0.1:0", &bytes, true, lost).await;
        assert!(
            lossy.sound.len().abs_diff(reference_audio.len()) <= 1,
            "{} of {}",
            lossy.sound.len(),
            reference_audio.len()
        );
        let gap = lossy.report.gaps.of(GapReason::Lost);
        assert!(
            gap.count == 1 && gap.seconds > min_seconds && lossy.report.lost_packets > 0,
            "{:?}",
            lossy.report
        );
        let behind = reference_audio.len() - 44_100;
        let in_place = [behind - 1, behind, behind + 1]
            .iter()
            .any(|&from| lossy.sound[from..from + 40_000] == reference_audio[behind..behind + 40_000]);
        assert!(in_place, "the audio after the loss is misplaced");
    }
}

#[tokio::test]
async fn invalid_addresses_are_rejected_and_foreign_datagrams_ignored() {
    let settings = UdpSettings::default();
    for address in ["udp://radio.example:5000", "239.1.2.3", ""] {
        assert!(UdpSource::open(address, &settings).unwrap_err().to_string().contains("udp://"));
    }
    let mut source = UdpSource::open("udp://@127.0.0.1:0", &settings).unwrap();
    let to = source.address().unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"hello", to).unwrap();
    sender.send_to(&[&[0x47; 188][..]].concat(), to).unwrap();
    assert!(matches!(source.next().await, Delivery::Bytes(bytes) if bytes.len() == 188));
    assert_eq!((source.status().datagrams, source.status().foreign), (2, 1));
}

#[tokio::test]
async fn multicast_group_is_joined() {
    let settings = UdpSettings { interface: (Ipv4Addr::LOCALHOST, 0), ..UdpSettings::default() };
    let mut source = UdpSource::open("udp://@239.255.77.1:0", &settings).unwrap();
    let to = source.address().unwrap();
    assert!(to.ip().is_multicast());
    let sender = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    sender.send_to(&[0x47; 188], &to.into()).unwrap();
    assert!(matches!(source.next().await, Delivery::Bytes(bytes) if bytes.len() == 188));
}
