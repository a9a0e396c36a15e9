//! The tables `[monitor]`, `[ivs]`, `[medialive]` and `[[streams]]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use refrain_net::RequestHeaders;
use serde::Deserialize;

use super::health::HealthTable;
use super::words::{EventSetting, SecretText};
use crate::settings::declare::{Fallback, settings};
use crate::settings::limit::Limit::{Any, Between, ZeroOr};

settings! {
    /// Events of each stream, and the addresses that streams may use.
    ///
    /// A stream may connect to a private or loopback address only if the operator names the host: the URL of the stream
    /// contains a literal private address or localhost, which grants access to that host alone; or allow_private_addresses or
    /// private_hosts applies. The result of a name lookup grants nothing. Link-local addresses and cloud metadata services
    /// are always refused.
    "monitor" MonitorTable {
        /// Events that are delivered: start (at detection of a song), update (every update_seconds), final (with exact edges),
        /// alert (start and end of an alert about the audio, see `[health]`).
        events: Vec<EventSetting>, default(vec![EventSetting::Start, EventSetting::Final], "[\"start\", \"final\"]"), Any;
        /// Interval of update events, in seconds.
        update_seconds: u32, default(30), Between(5.0, 3_600.0);
        /// True to accept private addresses for the host in the URL of each stream.
        allow_private_addresses: bool, default(false), Any;
        /// Further hosts, names or addresses without port, whose private addresses any stream may use: those of segments,
        /// keys and redirects. Webhooks have their own setting.
        private_hosts: Vec<String>, default(none "none"), Any, example "[\"origin.example.internal\"]";
    }
}

settings! {
    /// Channels of IVS.
    "ivs" IvsTable {
        /// ARNs of the channels to follow.
        channels: Vec<String>, default(none "all of the account and region"), Any,
            example "[\"arn:aws:ivs:eu-west-1:123456789012:channel/abcdABCDefgh\"]";
        /// Interval of ListStreams requests in seconds, which find streams whose start or end event was lost. In each
        /// interval, one of all processes sends them; the first process sends them at its start. 0: never.
        reconcile_seconds: u32, default(180), ZeroOr(30.0, 3_600.0);
        /// Validity of a token for a private channel, in seconds. Each request for the master playlist gets a new token.
        token_seconds: u32, default(300), Between(30.0, 86_400.0);
        /// Maximum rate of API calls of this process, per second. The limit of an account is about 5 a second per call.
        calls_per_second: f64, default(3.0), Between(0.1, 100.0);
        /// File with the private half of a playback key pair (PEM, P-384) for private channels. Without it, private channels
        /// fail with this reason.
        private_key_file: PathBuf, default(none "no key"), Any, example "\"/run/secrets/ivs-playback-key.pem\"";
    } secrets {
        /// The key itself, instead of its file.
        private_key;
    }
}

/// The table `[medialive]`, which only settings files can contain.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MediaLiveTable {
    pub(crate) channels: BTreeMap<String, SecretText>,
}

impl MediaLiveTable {
    /// Names of all keys of the table.
    pub(crate) const KEYS: &'static [&'static str] = &["channels"];
}

/// The channels of a higher source replace all channels of a lower one. If they were merged, a channel could not be
/// removed.
impl Fallback for MediaLiveTable {
    fn with_fallback(self, below: Self) -> Self {
        if self.channels.is_empty() { below } else { self }
    }
}

/// An entry of `[[streams]]`: a stream that the service follows permanently.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamTable {
    pub(crate) id: String,
    pub(crate) url: SecretText,
    /// Headers of the requests to the origin of the URL.
    #[serde(default)]
    pub(crate) headers: RequestHeaders,
    /// File with further headers, a line for each.
    #[serde(default)]
    pub(crate) headers_file: Option<PathBuf>,
    /// Name of an environment variable with further headers, a line for each.
    #[serde(default)]
    pub(crate) headers_variable: Option<String>,
    /// Choice of the rendition, as in `--rendition`.
    pub(crate) rendition: Option<String>,
    /// Preferred language, as in `--language`.
    pub(crate) language: Option<String>,
    /// Preferred packet id of the audio of MPEG-TS, as in `--audio-pid`.
    pub(crate) audio_pid: Option<u16>,
    /// Overrides of the table `[health]`.
    #[serde(default)]
    pub(crate) health: Option<HealthTable>,
}

impl StreamTable {
    /// Names of all keys of an entry.
    pub(crate) const KEYS: &'static [&'static str] = &[
        "id",
        "url",
        "headers",
        "headers_file",
        "headers_variable",
        "rendition",
        "language",
        "audio_pid",
        "health",
    ];

    /// Names of the keys that each entry must have.
    pub(crate) const REQUIRED_KEYS: &'static [&'static str] = &["id", "url"];
}
