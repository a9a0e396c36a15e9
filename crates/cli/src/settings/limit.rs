//! Ranges of settings: checking values, and describing ranges in messages and documents.

use std::num::NonZeroUsize;

use anyhow::{Result, bail};

/// The values that a setting accepts. For texts, the number of characters is compared; for lists, the number of
/// elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// Every value of the type.
    Any,
    /// A number between the first and the second limit, both included.
    Between(f64, f64),
    /// 0, or a number between the first and the second limit, both included.
    ZeroOr(f64, f64),
    /// A number up to the limit, included. The type of the setting excludes 0.
    AtMost(f64),
    /// A probability: a number above 0 and below 1.
    Probability,
    /// A text whose number of characters is between the first and the second limit, both included.
    Chars(f64, f64),
    /// A list with at least one element. The text names the possible elements, for messages.
    NotEmpty(&'static str),
}

/// A value of a setting that a [`Limit`] can check.
pub(crate) trait Measure {
    /// Returns the number that is compared with the limit.
    fn size(&self) -> f64;
    /// Returns the value as it is shown in messages.
    fn shown(&self) -> String;
}

impl Limit {
    /// Returns an error if `value` is not accepted. `name` is the name of the setting in the message.
    pub(super) fn check(self, name: &str, value: &dyn Measure) -> Result<()> {
        let (size, shown) = (value.size(), value.shown());
        match self {
            // This form of the comparison also rejects NaN.
            Self::Between(min, max) if !(min..=max).contains(&size) => {
                bail!("{name} is {shown}; use {min} to {max}")
            }
            Self::ZeroOr(min, max) if size != 0.0 && !(min..=max).contains(&size) => {
                bail!("{name} is {shown}; use 0, or {min} to {max}")
            }
            Self::AtMost(max) if size > max => bail!("{name} is {shown}; use at most {max}"),
            Self::Probability if !(size > 0.0 && size < 1.0) => {
                bail!("{name} is {shown}; use a probability above 0 and below 1")
            }
            Self::Chars(min, max) if !(min..=max).contains(&size) => {
                bail!("{name} is {shown}; use {min} to {max} characters")
            }
            Self::NotEmpty(words) if size < 1.0 => bail!("{name} is empty; use {words}"),
            _ => Ok(()),
        }
    }

    /// Returns the description of the range for help and documents, or `None` if every value is accepted.
    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Between(min, max) => Some(format!("{} to {}", grouped(min), grouped(max))),
            Self::ZeroOr(min, max) => Some(format!("0, or {} to {}", grouped(min), grouped(max))),
            Self::AtMost(max) => Some(format!("1 to {}", grouped(max))),
            Self::Probability => Some("above 0 and below 1".to_owned()),
            Self::Chars(min, max) => Some(format!("{} to {} characters", grouped(min), grouped(max))),
            Self::NotEmpty(words) => Some(words.to_owned()),
        }
    }
}

/// Formats a number with commas between groups of three digits. A number with a fraction gets no commas.
fn grouped(number: f64) -> String {
    let digits = number.to_string();
    if digits.contains('.') {
        return digits;
    }
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

macro_rules! numbers {
    ($($kind:ty),*) => {$(
        impl Measure for $kind {
            fn size(&self) -> f64 {
                f64::from(*self)
            }

            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
numbers!(u32, f64);

impl Measure for NonZeroUsize {
    fn size(&self) -> f64 {
        self.get() as f64
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Measure for String {
    fn size(&self) -> f64 {
        self.chars().count() as f64
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

impl<T> Measure for Vec<T> {
    fn size(&self) -> f64 {
        self.len() as f64
    }

    // The only limit for lists excludes empty lists, and its message does not show the value.
    fn shown(&self) -> String {
        String::new()
    }
}

/// Implements [`Measure`] for types whose settings always have [`Limit::Any`].
macro_rules! unlimited {
    ($($kind:ty),*) => {$(
        impl Measure for $kind {
            fn size(&self) -> f64 {
                0.0
            }

            fn shown(&self) -> String {
                String::new()
            }
        }
    )*};
}
unlimited!(
    bool,
    std::path::PathBuf,
    refrain_catalog::Rule,
    refrain_service::settings::SinkFormat,
    super::tables::SearchBackend,
    super::tables::SearchEffort,
    super::tables::SecretText,
    super::tables::SinkKindName,
    super::url::CatalogUrl
);
