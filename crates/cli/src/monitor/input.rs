//! Parses the stream argument of `monitor`: opens the input, and derives its default id and its form for messages.

use std::fs::File;

use anyhow::{Context, Result, bail};
use refrain_monitor::StreamInput;
use refrain_net::ShownUrl;
use refrain_stream::{PcmFormat, PipeContent};
use url::Url;

/// URL schemes of the streams that `monitor` can follow.
const SCHEMES: [&str; 4] = ["http", "https", "udp", "rtp"];

/// Text that replaces the part of an invalid URL after its scheme in messages.
const HIDDEN: &str = "…";

/// Opens the input that a command-line argument names: standard input (`-`), a stream URL or a file. `pcm` is the
/// format of raw PCM; with `None`, the input is a media container.
pub(super) fn open(argument: &str, pcm: Option<PcmFormat>) -> Result<StreamInput> {
    let content = pcm.map_or(PipeContent::Container, PipeContent::Pcm);
    if argument == "-" {
        return Ok(StreamInput::Pipe { read: Box::new(std::io::stdin()), content });
    }
    if let Some(scheme) = scheme(argument) {
        if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
            bail!(
                "{scheme} streams are not supported; pipe the stream: ffmpeg -i {scheme}://… -f wav - | \
                 refrain monitor -"
            );
        }
        if pcm.is_some() {
            bail!("--pcm applies to standard input and files only; remove it");
        }
        return Ok(StreamInput::Url(argument.to_owned()));
    }
    let file = File::open(argument).with_context(|| format!("cannot open {argument}"))?;
    Ok(StreamInput::Pipe { read: Box::new(file), content })
}

/// Returns the scheme of a URL, or `None` if the argument is not a URL.
pub(super) fn scheme(argument: &str) -> Option<&str> {
    let (scheme, _) = argument.split_once("://")?;
    let good = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then_some(scheme)
}

/// File names of playlists and manifests that do not distinguish streams. They are left out of default ids.
const COMMON_NAMES: [&str; 4] = ["index.m3u8", "master.m3u8", "playlist.m3u8", "manifest.mpd"];

/// Returns the default id of a stream. Of a URL, it is host, port and path, joined by `-`, without the extension `.m3u8`
/// and common names of playlists, so that the streams of one server have different ids. Of a file, it is the name without
/// the extension. Returns `stdin` for standard input, and `stream` for an invalid URL.
pub(super) fn id_of(argument: &str) -> String {
    if argument == "-" {
        return "stdin".to_owned();
    }
    let id = match (scheme(argument), Url::parse(argument)) {
        (None, _) => {
            let name = argument.rsplit('/').next().unwrap_or_default();
            name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
        }
        (Some(_), Ok(url)) => id_of_url(&url),
        (Some(_), Err(_)) => String::new(),
    };
    if id.is_empty() { "stream".to_owned() } else { id }
}

fn id_of_url(url: &Url) -> String {
    // The id becomes a part of file names and responses, so it must not contain secrets of the URL.
    let shown = ShownUrl::from(url).to_string();
    let address = shown.split_once("://").map_or(shown.as_str(), |(_, address)| address);
    let is_distinctive = |part: &&str| !part.is_empty() && !COMMON_NAMES.contains(part);
    let parts: Vec<&str> = address.split('/').filter(is_distinctive).collect();
    let id = parts.join("-").replace(['…', '@', '[', ']'], "").replace(':', "-");
    id.strip_suffix(".m3u8").unwrap_or(&id).trim_matches('-').to_owned()
}

/// Returns the argument in a form for messages. Of a URL, this is the part without user, password, query and fragment.
/// Of an invalid URL, it is only the scheme.
pub(super) fn shown(argument: &str) -> String {
    let Some(scheme) = scheme(argument) else { return argument.to_owned() };
    // In an invalid URL it is not clear where a password ends, so only the scheme is shown.
    if Url::parse(argument).is_err() {
        return format!("{scheme}://{HIDDEN}");
    }
    let rest = argument.get(scheme.len() + 3..).unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
    // A password can contain `@`, so the host starts after the last one.
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{scheme}://{host}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ids_distinguish_hosts_ports_and_paths() {
        for (argument, id) in [
            ("https://u:secret@host.example/live/studio/master.m3u8?token=x/y", "host.example-live-studio"),
            ("https://host.example/live/studio.m3u8", "host.example-live-studio"),
            ("http://radio.example:8000/rock.mp3", "radio.example-8000-rock.mp3"),
            ("http://radio.example:8000/rock.aac", "radio.example-8000-rock.aac"),
            ("http://radio.example/", "radio.example"),
            ("http://127.0.0.1:8000/stream", "127.0.0.1-8000-stream"),
            ("http://[::1]:8000/stream", "1-8000-stream"),
            ("udp://239.1.2.3:5000", "239.1.2.3-5000"),
            ("udp://@239.1.2.4:5000", "239.1.2.4-5000"),
            ("music/film.ts", "film"),
            ("-", "stdin"),
        ] {
            assert_eq!(id_of(argument), id, "{argument}");
        }
        assert_eq!(shown("https://u:p@host/a/b.m3u8?token=x#y"), "https://host/a/b.m3u8");
        for invalid in ["http://u:p", "http://u:p?w@host/a", "http://u:p/w@host/a"] {
            assert_eq!(
                (shown(invalid).as_str(), id_of(invalid).as_str()),
                ("http://…", "stream"),
                "{invalid}"
            );
        }
        assert!(open("rtmp://host/app/key", None).is_err());
    }
}
