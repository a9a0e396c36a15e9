//! Parses the values of environment variables.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use refrain_catalog::Rule;
use refrain_service::settings::{DetectionOrigin, SinkFormat};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::tables::{EventSetting, Role, SearchBackend, SearchEffort, SecretText, SinkKindName};
use super::url::CatalogUrl;

/// A type that can be parsed from the value of an environment variable.
pub(super) trait FromVariable: Sized {
    /// True if error messages may contain the value. False for types that can contain a secret.
    const SHOWN: bool = true;

    /// Parses the value of a variable. The error text must not contain the value.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Parses the value of the environment variable `name`. The error names the variable.
    fn from_variable(name: &str, value: &OsStr) -> Result<Self> {
        let text = text(name, value)?;
        Self::from_text(text).map_err(|why| match Self::SHOWN {
            true => anyhow!("environment variable {name}: {why} (it is {text:?})"),
            false => anyhow!("environment variable {name}: {why}"),
        })
    }
}

/// Returns the value of the environment variable `name`, or an error if the value is not UTF-8.
pub(super) fn text<'a>(name: &str, value: &'a OsStr) -> Result<&'a str> {
    value.to_str().ok_or_else(|| anyhow!("environment variable {name} is not UTF-8"))
}

macro_rules! parsed {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|error: <$kind as std::str::FromStr>::Err| error.to_string())
            }
        }
    )*};
}
parsed!(u32, f64, bool, NonZeroUsize);

/// Implements [`FromVariable`] for an enumeration. The accepted words are those of the settings file.
macro_rules! words {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                let word: serde::de::value::StrDeserializer<'_, Error> = text.trim().into_deserializer();
                Self::deserialize(word).map_err(|error| error.to_string())
            }
        }
    )*};
}
words!(Role, EventSetting, SinkKindName, SinkFormat, DetectionOrigin);

/// Implements [`FromVariable`] for an enumeration that is also the value of a flag. The accepted words are those of the
/// flag.
macro_rules! choices {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_text(text: &str) -> Result<Self, String> {
                <$kind as ValueEnum>::from_str(text, false)
            }

            fn from_variable(name: &str, value: &OsStr) -> Result<Self> {
                let text = text(name, value)?;
                Self::from_text(text).map_err(|_| {
                    let known: Vec<_> =
                        Self::value_variants().iter().filter_map(Self::to_possible_value).collect();
                    let known: Vec<&str> = known.iter().map(PossibleValue::get_name).collect();
                    anyhow!("environment variable {name} is {text:?}; use one of {}", known.join(", "))
                })
            }
        }
    )*};
}
choices!(SearchBackend, SearchEffort);

impl FromVariable for String {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromVariable for Rule {
    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: refrain_catalog::RuleError| error.to_string())
    }
}

impl FromVariable for SecretText {
    const SHOWN: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl FromVariable for CatalogUrl {
    const SHOWN: bool = false;

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned().into())
    }
}

impl FromVariable for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    // Paths need not be UTF-8.
    fn from_variable(_: &str, value: &OsStr) -> Result<Self> {
        Ok(value.into())
    }
}

/// Parses a list whose elements are separated by commas.
impl<T: FromVariable> FromVariable for Vec<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(T::from_text).collect()
    }
}
