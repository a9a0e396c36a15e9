//! Ids and metadata of tracks in the format of responses.

use refrain_catalog::{Metadata, TrackId};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::calendar::{MONTHS, day_exists};

/// Digits of the six characters that follow the id in an `amItemID`. Their order is part of the format and must not
/// change.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Returns the `amItemID` of a track in responses: the id as 32 hexadecimal digits, `_`, and six alphanumeric
/// characters that are derived from the id. A track has the same `amItemID` in every catalog and every version of this
/// program.
///
/// # Examples
/// ```
/// use refrain_app::response::am_item_id;
/// use refrain_catalog::TrackId;
/// use uuid::Uuid;
///
/// let id = TrackId(Uuid::from_u128(0x4514_a672_110f_4a4e_b96e_507b_33c5_92fd));
/// assert_eq!(am_item_id(id), "4514a672110f4a4eb96e507b33c592fd_XXqXsX");
/// ```
#[must_use]
pub fn am_item_id(id: TrackId) -> String {
    let mut rest = fnv1a(id.0.as_bytes());
    let mut text = format!("{id}_");
    for _ in 0..6 {
        text.push(char::from(BASE62[(rest % 62) as usize]));
        rest /= 62;
    }
    text
}

/// Returns the 64-bit FNV-1a hash of `bytes`. It is implemented here because a library could change its hash.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Metadata of a track in responses: pairs of name and value, the fixed names of identifyStream first, then additional
/// columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseMetadata(Vec<(String, String)>);

impl ResponseMetadata {
    /// Returns the pairs of name and value in the order of the response. No name occurs twice.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the value of the pair with the name `name`, or `None` if no pair has this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl Serialize for ResponseMetadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl ResponseMetadata {
    /// Creates the metadata of a response for a track with a duration of `seconds`.
    ///
    /// Missing or empty values, invalid release dates and invalid durations are left out. An additional column that has
    /// one of the fixed names is left out too.
    #[must_use]
    pub fn of(metadata: &Metadata, seconds: f64) -> Self {
        let length = (seconds.is_finite() && seconds > 0.0).then(|| format!("{seconds:.0}"));
        let date = metadata.release_date.as_deref().and_then(response_date);
        let fixed = [
            ("ContentCategory", metadata.category.clone()),
            ("Title", metadata.title.clone()),
            ("Artist", metadata.artist.clone()),
            ("Album", metadata.album.clone()),
            ("ISRC", metadata.isrc.clone()),
            ("Label", metadata.label.clone()),
            ("Vendor", metadata.vendor.clone()),
            ("AlbumReleaseDate", date),
            ("AlbumUPC", metadata.upc.clone()),
            ("SongLengthInSeconds", length),
        ];
        let is_fixed = |name: &str| fixed.iter().any(|(known, _)| *known == name);
        // An additional column must not replace a field that programs for the original format read.
        let extra = metadata.extra.iter().filter(|(name, _)| !is_fixed(name));
        let mut all: Vec<(String, String)> =
            extra.map(|(name, value)| (name.clone(), value.clone())).collect();
        let known = fixed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        all.splice(0..0, known.filter(|(_, value)| !value.is_empty()));
        Self(all)
    }
}

/// Converts `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or a time stamp that begins with one of these, to `DD-Mon-YYYY`. Returns
/// `None` if the date is invalid.
fn response_date(iso: &str) -> Option<String> {
    let date = iso.trim().split(['T', ' ']).next()?;
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    // The format of responses has no incomplete dates, so a missing month or day becomes 1.
    let month = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    let day = parts.next().map_or(Some(1), |part| digits(part, 2))?;
    // Catalogs of earlier versions can contain days that do not exist.
    if parts.next().is_some() || !day_exists(year, month, day) {
        return None;
    }
    let month = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    Some(format!("{day:02}-{month}-{year:04}"))
}

fn digits(text: &str, length: usize) -> Option<u32> {
    let good = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if good { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn am_item_id_never_changes() {
        let id = |n| am_item_id(TrackId(Uuid::from_u128(n)));
        assert_eq!(id(0x4514_a672_110f_4a4e_b96e_507b_33c5_92fd), "4514a672110f4a4eb96e507b33c592fd_XXqXsX");
        assert_eq!(id(0), "00000000000000000000000000000000_zCczPi");
        assert_eq!(id(u128::MAX), "ffffffffffffffffffffffffffffffff_viFNZ8");
    }

    #[test]
    fn metadata_has_the_names_and_order_of_responses() {
        let metadata = Metadata {
            title: Some("Song Title".into()),
            artist: Some("Song Artist".into()),
            album: Some("Song Album".into()),
            isrc: Some("USZZ00000001".into()),
            label: Some("Song Label".into()),
            vendor: Some("Song Vendor".into()),
            upc: Some("012345678900".into()),
            release_date: Some("1900".into()),
            category: Some("Music".into()),
            extra: [("Mood", "calm"), ("Title", "shadow")].map(|(k, v)| (k.into(), v.into())).into(),
        };
        assert_eq!(
            serde_json::to_string(&ResponseMetadata::of(&metadata, 194.6)).unwrap(),
            concat!(
                r#"{"ContentCategory":"Music","Title":"Song Title","Artist":"Song Artist","Album":"Song Album","#,
                r#""ISRC":"USZZ00000001","Label":"Song Label","Vendor":"Song Vendor","#,
                r#""AlbumReleaseDate":"01-Jan-1900","AlbumUPC":"012345678900","SongLengthInSeconds":"195","#,
                r#""Mood":"calm"}"#
            )
        );
        assert_eq!(
            serde_json::to_string(&ResponseMetadata::of(&Metadata::default(), f64::NAN)).unwrap(),
            "{}"
        );
        assert_eq!(ResponseMetadata::of(&metadata, 1.0).get("Mood"), Some("calm"));
    }

    #[test]
    fn dates_become_day_month_year() {
        for (iso, want) in [
            ("1999", Some("01-Jan-1999")),
            ("1999-07", Some("01-Jul-1999")),
            ("1999-12-31", Some("31-Dec-1999")),
            ("1999-12-31T23:59:59Z", Some("31-Dec-1999")),
            ("1999-13", None),
            ("1999-00", None),
            ("1999-01-32", None),
            ("1999-02-29", None),
            ("99", None),
            ("July 1999", None),
            ("+999", None),
            ("", None),
        ] {
            assert_eq!(response_date(iso).as_deref(), want, "{iso}");
        }
    }
}
