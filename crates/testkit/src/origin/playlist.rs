//! Writer of a live stream's playlist.

use std::fmt::Write as _;

use super::live::LiveStream;
use super::options::{Blocking, DateStyle, LiveOptions, Marks};
use super::progress::PublishProgress;

impl LiveStream {
    /// Returns the current playlist as text.
    pub fn playlist(&self) -> String {
        write(self, &self.options(), self.progress())
    }
}

/// Returns the playlist with the published segments and parts.
fn write(stream: &LiveStream, options: &LiveOptions, progress: PublishProgress) -> String {
    let until = progress.segments.saturating_sub(options.behind);
    let all = options.kind.is_some() || options.window == 0;
    let from = if all { 0 } else { until.saturating_sub(options.window as u64) };
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:6\n");
    let target = options.target.clone().unwrap_or_else(|| format!("{}", stream.max_segment_seconds().ceil()));
    let _ = writeln!(text, "#EXT-X-TARGETDURATION:{target}");
    let sequence = options.declared_sequence.unwrap_or(options.first_sequence + from);
    let _ = writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{sequence}");
    let marked =
        options.marks.range(..from).filter(|(index, marks)| marks.discontinuity && !stream.loops_at(**index));
    // The tag counts the discontinuities that have left the window.
    let breaks = stream.loops_before(from) + marked.count() as u64;
    let _ = writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{breaks}");
    if let Some(kind) = options.kind {
        let _ = writeln!(text, "#EXT-X-PLAYLIST-TYPE:{kind}");
    }
    if options.low_latency {
        write_control(&mut text, stream, options);
    }
    write_key(&mut text, options);
    if stream.has_init() {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"init.mp4{}\"", options.query);
    }
    for index in from..until {
        write_start(&mut text, stream, options, index);
        if options.low_latency && index + options.part_window >= until {
            write_parts(&mut text, stream, options, index, usize::MAX);
        }
        segment(&mut text, stream, options, index);
    }
    if options.low_latency && options.behind == 0 {
        if progress.parts > 0 {
            write_start(&mut text, stream, options, until);
            write_parts(&mut text, stream, options, until, progress.parts);
        }
        let (extension, part) = (stream.extension_name(), progress.parts);
        let name = &options.part_names;
        let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{name}{until}.{part}.{extension}\"");
    }
    if options.end {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    // Lines are removed at the end, so that a test can remove any tag.
    let is_kept = |line: &&str| !options.lost.iter().any(|lost| line.starts_with(lost.as_str()));
    text.split_inclusive('\n').filter(is_kept).collect()
}

fn is_break(stream: &LiveStream, options: &LiveOptions, index: u64) -> bool {
    stream.loops_at(index) || options.marks.get(&index).is_some_and(|marks| marks.discontinuity)
}

fn write_key(text: &mut String, options: &LiveOptions) {
    if options.key.is_some() {
        let _ = write!(text, "#EXT-X-KEY:METHOD=AES-128,URI=\"key{}\"", options.query);
        if let Some(iv) = options.iv {
            let _ = write!(text, ",IV=0x{:032x}", u128::from_be_bytes(iv));
        }
        text.push('\n');
    }
}

/// Writes the tags EXT-X-SERVER-CONTROL and EXT-X-PART-INF of Low-Latency HLS.
fn write_control(text: &mut String, stream: &LiveStream, options: &LiveOptions) {
    let max_segment_seconds = (0..stream.clips()).flat_map(|index| stream.parts_of(index));
    let target = max_segment_seconds.map(|part| part.seconds).fold(0.0, f64::max);
    let target = if target > 0.0 { target } else { 0.5 };
    let block = if options.blocking == Blocking::Absent { "" } else { "CAN-BLOCK-RELOAD=YES," };
    // The specification recommends a hold-back of at least three times the target duration of parts.
    let _ = writeln!(text, "#EXT-X-SERVER-CONTROL:{block}PART-HOLD-BACK={:.3}", 3.0 * target);
    let _ = writeln!(text, "#EXT-X-PART-INF:PART-TARGET={target:.3}");
}

/// Writes the lines before a segment and its parts: discontinuity, extra lines, date.
fn write_start(text: &mut String, stream: &LiveStream, options: &LiveOptions, index: u64) {
    if is_break(stream, options, index) {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    for line in options.marks.get(&index).map_or(&[][..], |marks| &marks.lines) {
        let _ = writeln!(text, "{line}");
    }
    if index.is_multiple_of(options.dates_every.max(1)) {
        write_date(text, options.dates, options.epoch + stream.start_of(index));
    }
}

fn segment(text: &mut String, stream: &LiveStream, options: &LiveOptions, index: u64) {
    let Some(clip) = stream.clip(index) else { return };
    let plain = Marks { title: options.title.clone(), ..Marks::default() };
    let marks = options.marks.get(&index).unwrap_or(&plain);
    if marks.gap {
        text.push_str("#EXT-X-GAP\n");
    }
    let extension = stream.extension_name();
    let declared = marks.declared_seconds.unwrap_or(clip.seconds);
    let _ = writeln!(text, "#EXTINF:{declared:.6},{}", marks.title);
    if options.ranges {
        let _ = writeln!(text, "#EXT-X-BYTERANGE:{}@{}", clip.bytes.len(), offset(stream, index));
        let _ = writeln!(text, "all.{extension}{}", options.query);
    } else {
        let _ = writeln!(text, "{}{index}.{extension}{}", options.names, options.query);
    }
}

/// Writes the first `count` parts of a segment.
fn write_parts(text: &mut String, stream: &LiveStream, options: &LiveOptions, index: u64, count: usize) {
    let (extension, query) = (stream.extension_name(), &options.query);
    let mut offset = 0;
    for (number, part) in stream.parts_of(index).iter().take(count).enumerate() {
        let _ = write!(text, "#EXT-X-PART:DURATION={:.6},URI=\"", part.seconds);
        let length = part.bytes.len();
        let _ = match (options.part_ranges, offset) {
            (false, _) => write!(text, "{}{index}.{number}.{extension}{query}\"", options.part_names),
            // Every second range omits its offset, which is then the end of the previous range.
            (true, at) if number % 2 == 0 => {
                write!(text, "{}{index}.{extension}{query}\",BYTERANGE=\"{length}@{at}\"", options.names)
            }
            (true, _) => write!(text, "{}{index}.{extension}{query}\",BYTERANGE=\"{length}\"", options.names),
        };
        offset += length;
        text.push_str(if number == 0 { ",INDEPENDENT=YES" } else { "" });
        text.push_str(if options.part_gaps.contains(&(index, number)) { ",GAP=YES\n" } else { "\n" });
    }
}

/// Returns the byte offset of a segment in the resource that contains all segments.
fn offset(stream: &LiveStream, index: u64) -> usize {
    let first = (0..=index).rev().find(|earlier| *earlier == 0 || stream.loops_at(*earlier)).unwrap_or(0);
    (first..index).filter_map(|earlier| stream.clip(earlier)).map(|clip| clip.bytes.len()).sum()
}

fn write_date(text: &mut String, style: DateStyle, epoch: f64) {
    let (offset, zone) = match style {
        DateStyle::Absent => return,
        DateStyle::Zulu => (0.0, "Z"),
        DateStyle::NoColon => (0.0, "+0000"),
        DateStyle::Zone => (7200.0, "+02:00"),
        DateStyle::NoZone => (0.0, ""),
    };
    let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}{zone}", iso(epoch + offset));
}

/// Formats seconds since 1970 as date and time (UTC) with milliseconds, without a time zone. The function counts years
/// and months one by one, so it is slow for distant dates.
pub(crate) fn iso(epoch: f64) -> String {
    let ms = (epoch * 1000.0).round() as u64;
    let (mut days, within) = (ms / 86_400_000, ms % 86_400_000);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, milli) = (within / 1000 % 60, within % 1000);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_over_leap_years() {
        assert_eq!(iso(0.0), "1970-01-01T00:00:00.000");
        assert_eq!(iso(951_782_400.25), "2000-02-29T00:00:00.250");
        assert_eq!(iso(1_684_839_475.25), "2023-05-23T10:57:55.250");
    }
}
