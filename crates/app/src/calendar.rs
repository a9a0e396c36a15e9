//! Calendar dates: names of months, and the check that a day exists.

use chrono::NaiveDate;

/// English abbreviations of the months, as responses and metadata files use them.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns true if a day exists in the Gregorian calendar. Months and days count from 1.
pub(crate) fn day_exists(year: u32, month: u32, day: u32) -> bool {
    i32::try_from(year).is_ok_and(|year| NaiveDate::from_ymd_opt(year, month, day).is_some())
}
