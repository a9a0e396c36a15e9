//! Texts and status codes for audio files that are damaged or cannot be decoded.

use refrain_core::audio::{AudioError, DecodeReport};

use crate::response::{NOT_AUDIO, OVER_LIMIT, UNREADABLE};

/// Returns the status code of the response for an input that could not be opened, read or decoded: [`UNREADABLE`],
/// [`OVER_LIMIT`] or [`NOT_AUDIO`].
#[must_use]
pub fn failure_code(error: &AudioError) -> u16 {
    match error {
        AudioError::Open { .. } | AudioError::Read { .. } | AudioError::Directory { .. } => UNREADABLE,
        // A decoder that was stopped by its process limits has exceeded one of them, even if it is unknown which one.
        AudioError::Limit { .. } | AudioError::Stopped { .. } => OVER_LIMIT,
        _ => NOT_AUDIO,
    }
}

/// Describes the audio that a decoder lost from a damaged file, as one line of text. Returns `None` if nothing was
/// lost.
#[must_use]
pub fn damage(report: &DecodeReport) -> Option<String> {
    if !report.is_damaged() {
        return None;
    }
    let mut parts = Vec::new();
    if report.lost_packets > 0 {
        parts.push(format!("{} of {} packets could not be decoded", report.lost_packets, report.packets));
    }
    if report.lost_seconds > 0.0 {
        parts.push(format!("{} of audio were lost", format_duration(report.lost_seconds)));
    }
    if report.replaced_samples > 0 {
        parts.push(format!("{} samples were invalid", report.replaced_samples));
    }
    if report.truncated {
        parts.push(match report.declared_seconds {
            Some(declared) => {
                format!("it ends after {} of {}", format_duration(report.seconds), format_duration(declared))
            }
            None => "it ends too early".to_owned(),
        });
    }
    // Only the first damage is named. A damaged file can have thousands of damaged places, mostly with the same cause.
    let first = report.first_damage.as_ref().map(|what| format!(" (first: {what})")).unwrap_or_default();
    Some(format!("damaged: {}{first}; the rest was used", parts.join(", ")))
}

/// Formats a duration in hours, minutes or seconds with one decimal: `4.4 h`, `12.3 min` or `20.0 s`.
///
/// # Examples
/// ```
/// use refrain_app::audio_file::format_duration;
///
/// assert_eq!(format_duration(20.0), "20.0 s");
/// assert_eq!(format_duration(738.0), "12.3 min");
/// ```
#[must_use]
pub fn format_duration(seconds: f64) -> String {
    if seconds >= 3600.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else if seconds >= 60.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{seconds:.1} s")
    }
}
