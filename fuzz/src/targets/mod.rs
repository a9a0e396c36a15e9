//! The list of targets.

mod audio;
mod cloud;
mod index;
mod stream;
mod text;

use crate::grammar::Grammar;

/// A parser of untrusted input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target, of its folder in `fuzz/corpus` and of its program in `fuzz_targets`.
    pub name: &'static str,
    /// Folders of further seeds, relative to the root of the repository.
    pub seeds: &'static [&'static str],
    /// Grammar of the inputs that the parser expects.
    pub grammar: Grammar,
    /// Runs the parser. Panics if a property does not hold.
    pub run: fn(&[u8]),
}

/// Folders with audio files of many formats: intact, truncated and damaged.
const AUDIO: &[&str] = &["testdata/audio", "testdata/live"];

/// No further seeds.
const NONE: &[&str] = &[];

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "decode", seeds: AUDIO, grammar: Grammar::Audio, run: audio::decode },
    Target { name: "ogg_header", seeds: NONE, grammar: Grammar::OggPackets, run: audio::ogg_header },
    Target { name: "mp4_init", seeds: AUDIO, grammar: Grammar::Boxes, run: audio::mp4_init },
    Target {
        name: "transport_stream",
        seeds: AUDIO,
        grammar: Grammar::TransportStream,
        run: audio::transport_stream,
    },
    Target { name: "ac3", seeds: AUDIO, grammar: Grammar::Ac3, run: audio::ac3 },
    Target { name: "stream_decoder", seeds: AUDIO, grammar: Grammar::Chain, run: stream::stream_decoder },
    Target { name: "elementary_stream", seeds: AUDIO, grammar: Grammar::None, run: audio::elementary_stream },
    Target { name: "sample_aes", seeds: AUDIO, grammar: Grammar::TransportStream, run: stream::sample_aes },
    Target { name: "packed_audio", seeds: NONE, grammar: Grammar::Id3, run: stream::packed_audio },
    Target { name: "playlist", seeds: NONE, grammar: Grammar::Playlist, run: stream::playlist },
    Target { name: "mpd", seeds: NONE, grammar: Grammar::Mpd, run: stream::mpd },
    Target { name: "icy", seeds: NONE, grammar: Grammar::Icy, run: stream::icy },
    Target { name: "station_list", seeds: NONE, grammar: Grammar::StationList, run: stream::station_list },
    Target { name: "platform_event", seeds: NONE, grammar: Grammar::Json, run: cloud::platform_event },
    Target { name: "object_event", seeds: NONE, grammar: Grammar::Json, run: cloud::object_event },
    Target { name: "api", seeds: NONE, grammar: Grammar::Json, run: cloud::api },
    Target { name: "settings", seeds: NONE, grammar: Grammar::Toml, run: text::settings },
    Target { name: "metadata_csv", seeds: NONE, grammar: Grammar::Csv, run: text::metadata_csv },
    Target { name: "metadata_jsonl", seeds: NONE, grammar: Grammar::JsonLines, run: text::metadata_jsonl },
    Target { name: "export", seeds: NONE, grammar: Grammar::JsonLines, run: text::export },
    Target { name: "index_run", seeds: NONE, grammar: Grammar::None, run: index::run_file },
    Target { name: "index_manifest", seeds: NONE, grammar: Grammar::Manifest, run: index::manifest },
];

/// Returns the target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs the target of this name, for the programs of cargo-fuzz.
///
/// # Panics
/// Panics if the target does not exist, or if the target panics.
pub fn run(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("unknown fuzz target {name}"));
    (target.run)(bytes);
}
