//! Parsing of the values of environment variables.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use refrain_service::settings::{DetectionOrigin, SinkFormat};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use super::tables::{EventSetting, Role, SinkKindName};

/// A type that can be parsed from the value of an environment variable.
pub(super) trait FromVariable: Sized {
    /// True if error messages can quote the text.
    const SHOWN: bool = true;

    /// Parses the text. The error is a message without the text.
    fn from_variable(text: &str) -> Result<Self, String>;
}

/// Parses the value of the variable with the full name `name`.
pub(super) fn from_variable<T: FromVariable>(name: &str, value: &OsStr) -> Result<T> {
    let text = value.to_str().ok_or_else(|| anyhow!("environment variable {name} is not UTF-8"))?;
    T::from_variable(text).map_err(|why| match T::SHOWN {
        true => anyhow!("environment variable {name}: {why} (it is {text:?})"),
        false => anyhow!("environment variable {name}: {why}"),
    })
}

macro_rules! parsed {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_variable(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|error: <$kind as std::str::FromStr>::Err| error.to_string())
            }
        }
    )*};
}
parsed!(u32, f64, bool);

/// Implements [`FromVariable`] for enumerations, with the same words as in the settings file.
macro_rules! words {
    ($($kind:ty),*) => {$(
        impl FromVariable for $kind {
            fn from_variable(text: &str) -> Result<Self, String> {
                let word: serde::de::value::StrDeserializer<'_, Error> = text.trim().into_deserializer();
                Self::deserialize(word).map_err(|error| error.to_string())
            }
        }
    )*};
}
words!(Role, EventSetting, SinkKindName, SinkFormat, DetectionOrigin);

impl FromVariable for String {
    fn from_variable(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromVariable for PathBuf {
    fn from_variable(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

/// Parses a list with commas between its elements.
impl<T: FromVariable> FromVariable for Vec<T> {
    fn from_variable(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(T::from_variable).collect()
    }
}
