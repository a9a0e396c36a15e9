//! Playlists of stations.

use refrain_net::{AddressPolicy, RequestHeaders, StreamAccess};
use refrain_stream::{RadioError, RadioSource};
use url::Url;

use super::{
    client, fast_settings, http_response, receive, receive_all, receive_with_access, receive_with_policy,
    station, status_410,
};
use crate::decode::{assert_same, process};
use crate::media::MediaFiles;

const PLS: &str = "HTTP/1.1 200 OK\nContent-Type: audio/x-scpls";
const M3U: &str = "HTTP/1.1 200 OK\nContent-Type: audio/x-mpegurl";

#[tokio::test]
async fn playlists_resolve_to_the_first_url_with_audio() {
    let files = MediaFiles::new(44, 2.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let audio = http_response("HTTP/1.0 200 OK\nContent-Type: audio/aacp", &files.read("song.aac"));
    let (there, _) = station(vec![audio, status_410()]).await;
    let (full, _) = station(vec![http_response("HTTP/1.1 503 Full\nContent-Length: 0", b"")]).await;
    let m3u = http_response(M3U, format!("#EXTM3U\n#EXTINF:-1,One\n{full}\n{there}\n").as_bytes());
    let (inner, _) = station(vec![m3u, status_410()]).await;
    let pls =
        http_response(PLS, format!("[playlist]\nFile1=ftp://x/\nFile2={inner}\nLength2=-1\n").as_bytes());
    let (outer, requests) = station(vec![pls, status_410()]).await;
    let (all, status) = receive(&outer).await;
    assert_same(&process(all).sound, &reference_audio);
    assert_eq!((status.connections, requests.lock().unwrap().len()), (1, 2));
    assert!(matches!(status.last_error, Some(RadioError::Status { status: 410, .. })));
}

#[tokio::test]
async fn playlists_with_forbidden_urls_or_cycles_are_rejected() {
    let refused = |text: &'static str, policy| async move {
        let (address, requests) = station(vec![http_response(M3U, text.as_bytes())]).await;
        let (all, status) = receive_with_policy(&address, policy).await;
        assert!(all.is_empty());
        assert_eq!(requests.lock().unwrap().len(), 1, "a playlist must not be requested again");
        let error = status.last_error.unwrap().to_string();
        assert!(!error.contains("secret"), "{error}");
        error
    };
    // The address of the station itself is permitted, because the operator wrote it.
    let own = Url::parse("http://127.0.0.1/").unwrap();
    let own = AddressPolicy::of_operator(&own, false, &[]);
    assert!(refused("http://10.0.0.1:1/x?secret", own).await.contains("private"));
    assert!(
        refused("http://169.254.169.254/x?secret", AddressPolicy::AllowPrivate).await.contains("reserved")
    );
    assert!(refused("file:///etc/passwd?secret", AddressPolicy::AllowPrivate).await.contains("scheme file"));
    assert!(refused("# nothing", AddressPolicy::AllowPrivate).await.contains("no entries found"));
    assert!(refused("#EXTM3U\n#EXT-X-ENDLIST\n", AddressPolicy::AllowPrivate).await.contains("HLS"));
    let circle = http_response(M3U, b"?again\n?and-again\n");
    let (address, requests) = station(vec![circle]).await;
    let (_, status) = receive(&address).await;
    assert!(status.last_error.unwrap().to_string().contains("refer back to playlists"));
    assert_eq!(requests.lock().unwrap().len(), 3, "no playlist is requested twice");
    let endless = http_response(M3U, "http://127.0.0.1/\n".repeat(10_000).as_bytes());
    let (_, status) = receive(&station(vec![endless]).await.0).await;
    assert!(status.last_error.unwrap().to_string().contains("longer than 65536 bytes"));
}

#[tokio::test]
async fn playlists_of_other_formats_and_wrong_types_are_resolved() {
    let files = MediaFiles::new(51, 2.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let audio = http_response("HTTP/1.0 200 OK\nContent-Type: audio/aacp", &files.read("song.aac"));
    for (kind, text) in [
        ("audio/mpeg", "[playlist]\nFile1=URL\n"),
        ("text/html", "#EXTM3U\nURL\n"),
        ("video/x-ms-asf", "<ASX version=\"3.0\"><entry><ref href=\"URL\" /></entry></ASX>"),
        (
            "text/xml",
            "<?xml version=\"1.0\"?><playlist><trackList><track><location>URL</location></track></trackList></playlist>",
        ),
        ("video/x-ms-asf", "[Reference]\r\nRef1=URL\r\n"),
        ("text/plain", "URL"),
    ] {
        let (stream, _) = station(vec![audio.clone(), status_410()]).await;
        let header = format!("HTTP/1.1 200 OK\nContent-Type: {kind}");
        let (list, _) =
            station(vec![http_response(&header, text.replace("URL", &stream).as_bytes()), status_410()])
                .await;
        let (all, status) = receive(&list).await;
        assert_eq!(status.connections, 1, "{text}: {status:?}");
        assert_same(&process(all).sound, &reference_audio);
    }
}

#[tokio::test]
async fn source_ends_with_the_url_of_an_hls_playlist_in_a_list() {
    // The playlist does not end, and its tags are in the first bytes.
    let hls = [&b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n"[..], &b"# more\n".repeat(30_000)].concat();
    let (hls, hls_requests) = station(vec![http_response("HTTP/1.1 200 OK\nServer: test", &hls)]).await;
    let (full, _) = station(vec![http_response("HTTP/1.1 503 Full\nContent-Length: 0", b"")]).await;
    let m3u = http_response(M3U, format!("{full}\n{hls}\n").as_bytes());
    let (list, _) = station(vec![m3u]).await;
    let mut source = RadioSource::open(&list, client(&AddressPolicy::AllowPrivate), fast_settings()).unwrap();
    assert!(receive_all(&mut source).await.is_empty());
    assert_eq!(source.hls_entry().map(Url::as_str), Some(&hls[..]));
    assert!(source.status().last_error.as_ref().unwrap().to_string().contains("HLS playlist"));
    assert_eq!(hls_requests.lock().unwrap().len(), 1);
}

/// Returns a redirect to the server of `address` with another path.
fn redirect(address: &str, path: &str) -> Option<Vec<u8>> {
    let target = address.replace("/radio?token=secret", path);
    http_response(&format!("HTTP/1.1 302 Found\nLocation: {target}\nContent-Length: 0"), b"")
}

#[tokio::test]
async fn redirected_url_decides_if_a_response_without_type_is_a_playlist() {
    let files = MediaFiles::new(49, 2.0);
    let reference_audio = files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let audio = || http_response("HTTP/1.0 200 OK\nServer: test", &files.read("song.aac"));
    // A page redirects to a playlist.
    let (stream, _) = station(vec![audio(), status_410()]).await;
    let list = http_response("HTTP/1.1 200 OK\nServer: test", format!("#EXTM3U\n{stream}\n").as_bytes());
    let (list, _) = station(vec![list]).await;
    let (page, _) = station(vec![redirect(&list, "/listen.m3u"), status_410()]).await;
    let (all, _) = receive(&page).await;
    assert_same(&process(all).sound, &reference_audio);
    // An address with the extension of a playlist redirects to audio.
    let (stream, _) = station(vec![audio()]).await;
    let (named, _) = station(vec![redirect(&stream, "/stream"), status_410()]).await;
    let (all, _) = receive(&named.replace("/radio?", "/listen.pls?")).await;
    assert_same(&process(all).sound, &reference_audio);
}

#[tokio::test]
async fn headers_and_cookies_of_a_station_reach_its_own_origin_only() {
    let files = MediaFiles::new(50, 2.0);
    files.encode("song.aac", "-c:a aac -b:a 64k -f adts");
    let audio = http_response("HTTP/1.0 200 OK\nContent-Type: audio/aacp", &files.read("song.aac"));
    let (stream, stream_requests) = station(vec![audio, status_410()]).await;
    let target = stream.replace("/radio?token=secret", "/stream");
    let there = format!("HTTP/1.1 302 Found\nLocation: {target}\nContent-Length: 0");
    let here = "HTTP/1.1 302 Found\nLocation: /again\nSet-Cookie: s=1; Path=/\nContent-Length: 0";
    let redirects = vec![http_response(here, b""), http_response(&there, b""), status_410()];
    let (page, page_requests) = station(redirects).await;
    let mut headers = RequestHeaders::default();
    headers.push_lines("Authorization: Basic dTpw\nReferer: http://player/\nUser-Agent: player").unwrap();
    let access = StreamAccess::new(&Url::parse(&page).unwrap(), &headers);
    let (all, status) = receive_with_access(&page, AddressPolicy::AllowPrivate, access).await;
    assert!(!all.is_empty() && status.connections == 1, "{status:?}");
    let requests = page_requests.lock().unwrap();
    for request in requests.iter() {
        for line in ["authorization: basic dtpw", "referer: http://player/", "user-agent: player"] {
            assert!(request.contains(line), "{request}");
        }
    }
    assert!(!requests[0].contains("cookie:") && requests[1].contains("cookie: s=1"), "{requests:?}");
    let requests = stream_requests.lock().unwrap();
    for name in ["authorization:", "referer:", "user-agent: player", "cookie:"] {
        assert!(!requests[0].contains(name), "{name} in {}", requests[0]);
    }
}
