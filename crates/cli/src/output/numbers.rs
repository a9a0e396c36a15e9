//! Formatting of times, sizes and probabilities.

/// Formats a position or duration in seconds as `m:ss.d`, or as `h:mm:ss.d` from one hour on.
pub(crate) fn clock(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".to_owned();
    }
    let sign = if seconds <= -0.05 { "-" } else { "" };
    // The number is first rounded to tenths, so that 59.96 becomes 1:00.0 and not 0:60.0.
    let tenths = (seconds.abs() * 10.0).round() as u64;
    let (minutes, rest) = (tenths / 600, tenths % 600);
    let tail = format!("{:02}.{}", rest / 10, rest % 10);
    match minutes / 60 {
        0 => format!("{sign}{minutes}:{tail}"),
        hours => format!("{sign}{hours}:{:02}:{tail}", minutes % 60),
    }
}

/// Formats a number of bytes with a decimal unit: `4.4 GB`, `12.3 MB` or `20.0 kB`.
pub(crate) fn bytes(count: u64) -> String {
    let (unit, name) = match count {
        1_000_000_000.. => (1e9, "GB"),
        1_000_000.. => (1e6, "MB"),
        _ => (1e3, "kB"),
    };
    format!("{:.1} {name}", count as f64 / unit)
}

/// Formats the confidence of a match in per cent, computed from the probability that the match is chance.
pub(crate) fn confidence(false_positive_probability: f64) -> String {
    let percent = 100.0 * (1.0 - false_positive_probability.clamp(0.0, 1.0));
    // Rounding would print 100 %, which would claim certainty.
    if percent > 99.9999 { ">99.9999 %".to_owned() } else { format!("{percent:.4} %") }
}

/// Formats a time in milliseconds since the Unix epoch, for example as `2026-11-20 23:12:05 UTC`.
pub(crate) fn timestamp(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Counting days from 1 March of year 0 puts leap days at the end of the year, and splits time into equal eras of
    // 400 years (H. Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_before_they_are_split_into_minutes() {
        for (seconds, text) in [
            (0.0, "0:00.0"),
            (59.96, "1:00.0"),
            (61.04, "1:01.0"),
            (3599.99, "1:00:00.0"),
            (36_012.3, "10:00:12.3"),
            (-1.25, "-0:01.3"),
            (-0.01, "0:00.0"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(clock(seconds), text);
        }
    }

    #[test]
    fn confidence_never_claims_certainty() {
        assert_eq!(confidence(0.0), ">99.9999 %");
        assert_eq!(confidence(1e-30), ">99.9999 %");
        assert_eq!(confidence(1e-4), "99.9900 %");
        assert_eq!(confidence(2.0), "0.0000 %");
    }

    #[test]
    fn timestamps_are_formatted_as_dates() {
        assert_eq!(timestamp(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(timestamp(951_782_399_999), "2000-02-28 23:59:59 UTC");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(timestamp(1_659_370_072_793), "2022-08-01 16:07:52 UTC");
    }
}
