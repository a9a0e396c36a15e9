//! The clock of the server, with which the segments of a live stream become available.

use std::time::Duration;

use chrono::DateTime;
use tokio::time::Instant;
use url::Url;

use super::mpd::UtcTiming;
use crate::hls::playlist::epoch_seconds;

/// Interval at which the clock of the server is read again. Clocks of machines without synchronization drift by a second
/// a day. At half this value, time servers get twice the requests; at twice this value, a clock that was set is
/// followed 10 minutes later.
const CHECK_EVERY: Duration = Duration::from_secs(10 * 60);

/// Pause after a failed request for the time. At half this value, a time server that is down gets twice the requests; at
/// twice this value, segments are fetched by a wrong clock for another minute.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Smallest difference to the date of a response at which the clock of this machine is corrected, seconds. Such dates
/// have whole seconds, and the response takes time. At half this value, correct clocks are changed by the rounding; at
/// twice this value, segments of a server whose clock is late by 4 s are requested too early.
const MIN_DATE_DIFFERENCE: f64 = 2.0;

/// A request for the time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TimeSource {
    /// The body of the response is a date.
    Body(Url),
    /// The header `Date` of the response is the date.
    Header(Url),
}

/// The difference between the clock of the server and that of this machine.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerClock {
    /// Seconds by which the clock of the server is ahead.
    offset: f64,
    /// True if the offset is that of a time source of the manifest.
    pub(super) is_synchronized: bool,
    /// Time of the next request; `None` if none was made.
    next_check: Option<Instant>,
}

impl ServerClock {
    /// Returns the time of the server at the local time `local`, seconds since 1970.
    pub(super) fn at(&self, local: f64) -> f64 {
        local + self.offset
    }

    /// Returns the time sources to request, in order, if a request is due. `base` is the URL of the manifest. A date in
    /// the manifest itself, which was loaded at the local time `loaded`, is used at once.
    pub(super) fn due(&mut self, clocks: &[UtcTiming], base: &Url, loaded: f64) -> Vec<TimeSource> {
        let now = Instant::now();
        if self.next_check.is_some_and(|next| now < next) {
            return Vec::new();
        }
        let mut sources = Vec::new();
        for clock in clocks {
            let kind = clock.scheme.strip_prefix("urn:mpeg:dash:utc:").unwrap_or_default();
            let urls = clock.value.split_ascii_whitespace().filter_map(|url| base.join(url).ok());
            match kind.split(':').next().unwrap_or_default() {
                "direct" => {
                    if let Some(date) = epoch_seconds(&clock.value).filter(|_| sources.is_empty()) {
                        // The date belongs to the load of the manifest.
                        self.measured(date - loaded);
                        return Vec::new();
                    }
                }
                "http-iso" | "http-xsdate" => sources.extend(urls.map(TimeSource::Body)),
                "http-head" => sources.extend(urls.map(TimeSource::Header)),
                // NTP and SNTP need UDP. The date of the response is used instead.
                _ => {}
            }
        }
        self.next_check = Some(now + RETRY_AFTER);
        sources
    }

    /// Records the offset of a time source.
    pub(super) fn measured(&mut self, offset: f64) {
        if offset.is_finite() {
            (self.offset, self.is_synchronized) = (offset, true);
            self.next_check = Some(Instant::now() + CHECK_EVERY);
        }
    }

    /// Records the date of a response that arrived at the local time `local`. It is used only without a time source.
    pub(super) fn dated(&mut self, date: f64, local: f64) {
        if self.is_synchronized {
            return;
        }
        let offset = date - local;
        self.offset = if offset.abs() >= MIN_DATE_DIFFERENCE { offset } else { 0.0 };
    }
}

/// Parses the date of an HTTP header to seconds since 1970.
pub(crate) fn http_date(text: &str) -> Option<f64> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|date| date.timestamp() as f64)
}
