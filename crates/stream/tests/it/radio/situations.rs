//! Situations of stations in public practice.

use std::time::Duration;

use refrain_net::AddressPolicy;
use refrain_stream::{
    DecoderSettings, Delivery, DocumentKind, RadioError, RadioSettings, RadioSource, StreamDecoder,
};

use super::{client, fast_settings, http_response, in_real_time, receive, station, status_410, with_titles};
use crate::decode::{assert_same, process};
use crate::media::MediaFiles;

const MP3: &str = "-c:a libmp3lame -b:a 96k -write_xing 0 -id3v2_version 0";
const OK: &str = "HTTP/1.0 200 OK\nContent-Type: audio/mpeg";

fn titles(deliveries: &[Delivery]) -> Vec<String> {
    let title = |delivery: &Delivery| match delivery {
        Delivery::Title(title) => Some(title.clone()),
        _ => None,
    };
    deliveries.iter().filter_map(title).collect()
}

#[tokio::test]
async fn pauses_grow_if_each_connection_is_closed_after_a_few_bytes_or_an_announcement() {
    let files = MediaFiles::new(70, 10.0);
    files.encode("song.mp3", MP3);
    // A full server closes the connection after some bytes, or after an announcement that is sent at once.
    for body in [vec![0; 2_000], files.read("song.mp3")] {
        let (address, requests) = station(vec![http_response(OK, &body)]).await;
        let settings = RadioSettings {
            retry: (Duration::from_millis(50), Duration::from_secs(10)),
            give_up_after: Duration::from_secs(1),
            ..fast_settings()
        };
        let mut source = RadioSource::open(&address, client(&AddressPolicy::AllowPrivate), settings).unwrap();
        let feedback = source.feedback();
        let mut decoder = StreamDecoder::new(DecoderSettings::default());
        while let Some(delivery) = source.next().await {
            decoder.process(delivery, |_| {});
            feedback.report_decoded(decoder.report().seconds + decoder.report().repeated_seconds);
        }
        // The pauses are at least 25, 50, 100, 200, 400 and 800 ms.
        let requests = requests.lock().unwrap().len();
        assert!((2..=7).contains(&requests), "{requests} requests");
        assert!(matches!(source.status().last_error, Some(RadioError::Closed { .. })));
    }
}

#[tokio::test]
async fn errors_of_shoutcast_are_repeated_until_the_source_is_back() {
    let files = MediaFiles::new(71, 2.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let full = http_response("ICY 400 Server Full", b"");
    let offline = http_response("ICY 401 Service Unavailable\nicy-notice1:<BR>SHOUTcast<BR>", b"");
    let audio = http_response("ICY 200 OK\nicy-name:Old\ncontent-type:audio/aacp", &files.read("song.aac"));
    let (address, _) = station(vec![full, offline, audio, status_410()]).await;
    let (all, status) = receive(&address).await;
    assert_same(&process(all).sound, &reference_audio);
    assert_eq!((status.connections, status.failures), (1, 4));
    assert_eq!(status.station.name.as_deref(), Some("Old"));
    assert_eq!(status.station.content_type.as_deref(), Some("audio/aacp"));
}

#[tokio::test]
async fn audio_with_a_wrong_type_is_decoded() {
    let files = MediaFiles::new(72, 2.0);
    let aac = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let vorbis = files.encode("song.ogg", "-c:a libvorbis");
    for kind in ["text/html", "text/plain", "audio/x-mpegurl", "application/json", "audio/mpeg", "image/gif"]
    {
        for (name, reference_audio) in [("song.aac", &aac), ("song.ogg", &vorbis)] {
            let header = format!("HTTP/1.0 200 OK\nContent-Type: {kind}");
            let (address, _) = station(vec![http_response(&header, &files.read(name)), status_410()]).await;
            let (all, status) = receive(&address).await;
            assert_eq!(status.connections, 1, "{kind} {name}: {status:?}");
            assert_same(&process(in_real_time(all, 8_000.0)).sound, reference_audio);
        }
    }
}

#[tokio::test]
async fn documents_are_named_and_not_requested_again() {
    for (kind, document) in [
        (DocumentKind::Dash, "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>"),
        (DocumentKind::Html, "<!DOCTYPE html><p>Sign in"),
        (DocumentKind::Xml, "<?xml version=\"1.0\"?><rss version=\"2.0\"></rss>"),
        (DocumentKind::Json, "{\"stream\": \"http://127.0.0.1/\"}"),
    ] {
        for declared in ["audio/mpeg", "application/octet-stream\nContent-Length: LENGTH"] {
            let header = format!("HTTP/1.1 200 OK\nContent-Type: {declared}");
            let header = header.replace("LENGTH", &document.len().to_string());
            let (address, requests) = station(vec![http_response(&header, document.as_bytes())]).await;
            let (all, status) = receive(&address).await;
            assert!(all.is_empty());
            assert_eq!(requests.lock().unwrap().len(), 1, "{kind}");
            let error = status.last_error.unwrap();
            assert!(matches!(&error, RadioError::Document { kind: found, .. } if *found == kind), "{error}");
            assert!(error.to_string().contains(kind.advice()) && !error.to_string().contains("secret"));
        }
    }
}

#[tokio::test]
async fn metadata_interval_of_zero_or_without_a_number_means_no_metadata() {
    let files = MediaFiles::new(73, 2.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    for interval in ["0", "-1", "none", ""] {
        let header = format!("HTTP/1.0 200 OK\nContent-Type: audio/aacp\nicy-metaint: {interval}");
        let (address, _) = station(vec![http_response(&header, &files.read("song.aac")), status_410()]).await;
        let (all, _) = receive(&address).await;
        assert_same(&process(all).sound, &reference_audio);
    }
}

#[tokio::test]
async fn connection_that_breaks_within_metadata_leaves_no_trace_in_the_next_one() {
    let files = MediaFiles::new(74, 6.0);
    let reference_audio = files.encode("song.mp3", MP3);
    let bytes = files.read("song.mp3");
    let header = format!("{OK}\nicy-metaint: 8000");
    let first = with_titles(&bytes[..16_000], 8_000, &["One", "Long title that is cut"]);
    let second = with_titles(&bytes[16_000..], 8_000, &["Two"]);
    let responses = vec![
        http_response(&header, &first[..first.len() - 20]),
        http_response(&header, &second),
        status_410(),
    ];
    let (address, _) = station(responses).await;
    let (all, status) = receive(&address).await;
    assert_eq!(titles(&all), ["One", "Two"]);
    assert_eq!(status.connections, 2);
    let decoded = process(in_real_time(all, 12_000.0));
    assert!(decoded.sound.len().abs_diff(reference_audio.len()) <= 4 * 1_152, "{}", decoded.sound.len());
    assert!(decoded.report.gaps.total().count == 0);
}

#[tokio::test]
async fn old_audio_after_a_reconnect_is_left_out() {
    let files = MediaFiles::new(75, 12.0);
    let reference_audio = files.encode("song.mp3", MP3);
    let bytes = files.read("song.mp3");
    let half = bytes.len() / 2;
    // The server has a buffer of 3 s, which it sends first.
    let (first, second) = (&bytes[..half], &bytes[half - 36_000..]);
    let (address, _) = station(vec![http_response(OK, first), http_response(OK, second), status_410()]).await;
    let (all, _) = receive(&address).await;
    let decoded = process(all);
    assert!(decoded.sound.len().abs_diff(reference_audio.len()) <= 3 * 1_152, "{}", decoded.sound.len());
    assert!((decoded.report.repeated_seconds - 3.0).abs() < 0.2, "{}", decoded.report.repeated_seconds);
}

#[tokio::test]
async fn titles_are_decoded_in_the_charset_of_the_station() {
    let title = |bytes: &[u8]| {
        let text = [b"StreamTitle='", bytes, b"';"].concat();
        let blocks = text.len().div_ceil(16);
        let mut block = vec![blocks as u8];
        block.extend(text);
        block.resize(1 + 16 * blocks, 0);
        block
    };
    let russian = b"\xC0\xEB\xEB\xE0 \xCF\xF3\xE3\xE0\xF7\xB8\xE2\xE0 - \xCC\xE8\xEB\xEB\xE8\xEE\xED \xE0\xEB\xFB\xF5 \xF0\xEE\xE7";
    let body: Vec<u8> = [
        &b"\xC4\xFE\xED\xE0"[..],
        russian,
        "Ünïcode".as_bytes(),
        b"A title that was cut at ', by its server",
    ]
    .iter()
    .flat_map(|bytes| [vec![0; 100], title(bytes)].concat())
    .collect();
    let declared = "HTTP/1.0 200 OK\nContent-Type: audio/mpeg; charset=windows-1251\nicy-metaint: 100";
    let (address, _) = station(vec![http_response(declared, &body), status_410()]).await;
    let (all, _) = receive(&address).await;
    let expected =
        ["Дюна", "Алла Пугачёва - Миллион алых роз", "Ünïcode", "A title that was cut at ', by its server"];
    assert_eq!(titles(&all), expected);
    // The charset is detected if it is not declared.
    let body = [vec![0; 100], title(russian), vec![0; 100]].concat();
    let (address, _) =
        station(vec![http_response(&format!("{OK}\nicy-metaint: 100"), &body), status_410()]).await;
    assert_eq!(titles(&receive(&address).await.0), ["Алла Пугачёва - Миллион алых роз"]);
}

#[tokio::test]
async fn station_without_length_type_or_version_1_1_is_live() {
    let files = MediaFiles::new(76, 2.0);
    let reference_audio = files.encode("song.mp3", MP3);
    let (address, _) =
        station(vec![http_response("HTTP/1.0 200 OK\nServer: test", &files.read("song.mp3")), status_410()])
            .await;
    let (all, status) = receive(&address).await;
    assert_eq!((status.file_bytes, status.connections), (None, 1));
    assert!(process(all).sound.len().abs_diff(reference_audio.len()) <= 2 * 1_152);
}
