//! Days and months of release dates.

use chrono::NaiveDate;

/// Names of the months in responses.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Returns true if a day exists in the Gregorian calendar. Months and days count from 1.
pub(crate) fn day_exists(year: u32, month: u32, day: u32) -> bool {
    i32::try_from(year).is_ok_and(|year| NaiveDate::from_ymd_opt(year, month, day).is_some())
}
