//! The kinds of faults, and what makes each of them visible.

use super::responses::Response;

/// Requests to which a fault applies, or whose response shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Requests of the playlist.
    Playlist,
    /// Requests of segments and parts.
    Media,
    /// Requests of the key.
    Key,
}

/// Change of the origin that a fault makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    /// Responds with a fault of the testkit.
    Response(Response),
    /// The encoder restarts with sequence number 0 and the same names. No audio is lost.
    RestartSequence,
    /// The encoder restarts with other names. The sequence numbers continue, and no audio is lost.
    RestartNames,
    /// The playlist does not change. Then the encoder restarts, and the audio of this time is lost.
    RestartLost,
    /// The encoder restarts, and the last two segments are sent again.
    RestartRepeat,
    /// EXT-X-DISCONTINUITY precedes each new segment, although the time stamps are continuous.
    Discontinuity,
    /// The playlist does not change.
    Frozen,
    /// New segments are marked as missing (EXT-X-GAP).
    GapTags,
    /// EXTINF of one new segment is 13 hours.
    AbsurdExtinf,
    /// The key changes, and requests of the new key fail.
    KeyDown,
    /// The encoder sends silence.
    Silence,
}

/// Streams that can have a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usable {
    /// All streams.
    All,
    /// Encrypted streams.
    Encrypted,
    /// Streams whose parts are byte ranges.
    Ranges,
}

/// Time at which a client can notice a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Noticed {
    /// Never, or it does not matter: the client gets all audio.
    Optional,
    /// This number of seconds after the first affected request, if the fault still lasts then.
    During(f64),
    /// This number of seconds after the first affected request, even if the fault has ended: the response lasts longer
    /// than the fault.
    After(f64),
    /// This number of seconds after the end of the fault.
    AfterEnd(f64),
}

/// A kind of faults.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultKind {
    /// Name in logs and reports.
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    /// Requests to which the fault applies.
    pub(crate) target: Target,
    pub(crate) usable: Usable,
    pub(crate) noticed: Noticed,
    /// Counters whose increase makes the fault visible, in addition to a new value of state, reason or last error.
    pub(crate) counters: &'static [&'static str],
    /// The reason or the last error names the fault if it contains one of these texts.
    pub(crate) words: &'static [&'static str],
}

/// Counters of failed requests of a playlist.
const PLAYLIST: &[&str] = &["playlist_errors", "retries", "resolutions"];
/// Counters of failed requests of media.
const MEDIA: &[&str] = &["retries", "gaps_not_fetched", "gaps_unreadable", "unreadable_segments"];
/// Counters of media that was received and cannot be decoded.
const UNREADABLE: &[&str] =
    &["unreadable_segments", "gaps_unreadable", "decode_errors", "retries", "gaps_not_fetched"];
/// Counters of lost audio.
const LOST: &[&str] = &["gaps_missed", "gaps_lost", "gaps_spliced", "discontinuities"];

/// Maximum time of one attempt to load a playlist, in seconds.
const PLAYLIST_TIMEOUT: f64 = 15.0;
/// Maximum time for which the fetching of a segment is retried, in seconds.
const SEGMENT_TIMEOUT: f64 = 20.0;
/// Time without new segments after which a stream is stalled: three target durations.
const STALLED_AFTER: f64 = 6.0;
/// Time until new audio is listed and decoded: a segment and a reload of the playlist.
const NEXT_SEGMENT: f64 = 4.0;
/// Time until a stream is silent: 10 s of silence, after the first silent segment.
const SILENT_AFTER: f64 = 12.0;

const fn response(
    name: &'static str,
    response: Response,
    target: Target,
    noticed: Noticed,
    words: &'static [&'static str],
) -> FaultKind {
    let counters = match target {
        Target::Playlist => PLAYLIST,
        Target::Media => MEDIA,
        Target::Key => UNREADABLE,
    };
    FaultKind {
        name,
        effect: Effect::Response(response),
        target,
        usable: Usable::All,
        noticed,
        counters,
        words,
    }
}

const fn encoder(
    name: &'static str,
    effect: Effect,
    noticed: Noticed,
    counters: &'static [&'static str],
    words: &'static [&'static str],
) -> FaultKind {
    FaultKind { name, effect, target: Target::Playlist, usable: Usable::All, noticed, counters, words }
}

use Effect as E;
use Noticed::{After, AfterEnd, During, Optional};
use Response as R;
use Target::{Media, Playlist};

/// All kinds of faults.
pub(crate) static KINDS: &[FaultKind] = &[
    response("playlist_403", R::Status(403), Playlist, During(0.0), &["403"]),
    response("playlist_404", R::Status(404), Playlist, During(0.0), &["404"]),
    response("playlist_410", R::Status(410), Playlist, During(0.0), &["410"]),
    response("playlist_500", R::Status(500), Playlist, During(0.0), &["500"]),
    response("playlist_retry_after", R::RetryAfter, Playlist, During(0.0), &["503"]),
    response("playlist_html", R::Html, Playlist, During(0.0), &["not a playlist"]),
    response("playlist_huge", R::Huge, Playlist, During(1.0), &["larger than"]),
    response(
        "playlist_endless",
        R::Endless,
        Playlist,
        During(1.0),
        &["larger than", "not a playlist", "malformed"],
    ),
    response(
        "playlist_trickle",
        R::Trickle,
        Playlist,
        After(PLAYLIST_TIMEOUT),
        &["no answer within", "slower than"],
    ),
    response("playlist_truncated", R::Truncated, Playlist, During(0.0), &["transfer failed"]),
    response("playlist_empty", R::Empty, Playlist, During(0.0), &["not a playlist"]),
    response("playlist_redirect", R::Redirect, Playlist, During(0.0), &["404"]),
    response("playlist_reset", R::Reset, Playlist, During(0.0), &["connection failed", "transfer failed"]),
    response("playlist_type", R::WrongType, Playlist, Optional, &[]),
    response("playlist_late", R::Late, Playlist, Optional, &[]),
    response("playlist_encoded", R::Encoded, Playlist, During(0.0), &["gzip", "encoding", "transfer failed"]),
    response("playlist_other_body", R::OtherBody, Playlist, During(0.0), &["not a playlist"]),
    response("media_403", R::Status(403), Media, During(0.0), &["403"]),
    response("media_404", R::Status(404), Media, During(0.0), &["404"]),
    response("media_410", R::Status(410), Media, During(0.0), &["410"]),
    response("media_500", R::Status(500), Media, During(0.0), &["500"]),
    response("media_retry_after", R::RetryAfter, Media, During(0.0), &["503"]),
    response("media_html", R::Html, Media, During(0.0), &["unusable", "no audio"]),
    response("media_endless", R::Endless, Media, During(2.0), &["larger than"]),
    response(
        "media_trickle",
        R::Trickle,
        Media,
        After(SEGMENT_TIMEOUT),
        &["no answer within", "slower than", "not complete within"],
    ),
    response("media_truncated", R::Truncated, Media, During(0.0), &["transfer failed"]),
    response("media_empty", R::Empty, Media, During(0.0), &["unusable", "no audio"]),
    response("media_redirect", R::Redirect, Media, During(0.0), &["404"]),
    response("media_reset", R::Reset, Media, During(0.0), &["connection failed", "transfer failed"]),
    response("media_type", R::WrongType, Media, Optional, &[]),
    response("media_late", R::Late, Media, Optional, &[]),
    response("media_encoded", R::Encoded, Media, During(0.0), &["gzip", "encoding", "transfer failed"]),
    response("media_other_body", R::OtherBody, Media, During(0.0), &["unusable", "no audio"]),
    FaultKind {
        counters: UNREADABLE,
        ..response("media_no_audio", R::NoAudio, Media, During(0.0), &["unusable", "no audio"])
    },
    FaultKind {
        usable: Usable::Ranges,
        ..response("media_ignored_range", R::IgnoreRange, Media, Optional, &[])
    },
    encoder("restart_sequence", E::RestartSequence, Optional, LOST, &[]),
    encoder("restart_names", E::RestartNames, Optional, LOST, &[]),
    encoder("restart_lost", E::RestartLost, AfterEnd(NEXT_SEGMENT), LOST, &[]),
    encoder("restart_repeat", E::RestartRepeat, Optional, LOST, &[]),
    encoder("discontinuity", E::Discontinuity, Optional, LOST, &[]),
    encoder("frozen", E::Frozen, During(STALLED_AFTER), &[], &["no new segment"]),
    encoder("gap_tags", E::GapTags, During(NEXT_SEGMENT), &["gaps_marked"], &["GAP", "gap"]),
    encoder("absurd_extinf", E::AbsurdExtinf, Optional, LOST, &[]),
    FaultKind {
        target: Target::Key,
        usable: Usable::Encrypted,
        ..encoder("key_down", E::KeyDown, During(0.0), UNREADABLE, &["key"])
    },
    FaultKind {
        target: Target::Media,
        ..encoder("silence", E::Silence, During(SILENT_AFTER), &[], &["-60 dBFS"])
    },
];
