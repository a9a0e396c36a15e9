//! The macro `settings!`, which declares each setting once, with its name, type, default, range and help.
//!
//! These declarations are the source of the parser of the settings file, the environment variables, the range checks,
//! the help of flags and the documents.

use std::ffi::OsStr;

use anyhow::Result;

use super::limit::Limit;

/// The default of a setting, as it is written in help and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefaultText {
    /// A TOML value, as it would be written in the settings file.
    Toml(&'static str),
    /// A description in words, for settings whose default is not a constant.
    Words(&'static str),
}

/// A setting that was declared with `settings!`.
#[derive(Debug)]
pub(crate) struct Key {
    /// Name of the setting in the settings file.
    pub(crate) name: &'static str,
    /// True if the setting is a secret. It can be set by its environment variable, but not in the settings file.
    pub(crate) is_secret: bool,
    /// Lines of the help text.
    pub(crate) help: &'static [&'static str],
    /// The default of the setting.
    pub(crate) default: DefaultText,
    /// The values that the setting accepts.
    pub(crate) limit: Limit,
    /// Example value in TOML. Keys without a TOML default have one, which `docs/service.toml` shows.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) example: Option<&'static str>,
    /// The command-line option that sets this setting, for example `--jobs`; `None` if there is no such option.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) flag: Option<&'static str>,
}

/// A table of the settings file that was declared with `settings!`.
#[derive(Debug)]
pub(crate) struct Table {
    /// Name of the table. It is empty for the keys outside of tables, and for the entries of lists such as `[[sinks]]`.
    pub(crate) name: &'static str,
    /// Lines of the help text.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) help: &'static [&'static str],
    /// The settings in the table.
    pub(crate) keys: &'static [Key],
}

/// A type that was declared with `settings!`. Its fields are `None` if the setting is not set.
pub(crate) trait Declared: Sized {
    /// The declaration of the table and its settings.
    const TABLE: Table;

    /// Sets the setting `key` to `value`. `variable` is the full name of the environment variable, for error messages.
    /// Returns false if there is no such setting, and an error if the value is invalid.
    fn set(&mut self, key: &str, variable: &str, value: &OsStr) -> Result<bool>;

    /// Returns an error that names the setting if a value is out of its range.
    fn check_ranges(&self) -> Result<()>;

    /// Checks the ranges of all values. Only the returned object has methods for values with defaults, so that no
    /// unchecked value is used by mistake.
    fn checked(&self) -> Result<Checked<'_, Self>> {
        self.check_ranges()?;
        Ok(Checked(self))
    }
}

/// A table whose values were checked. It has a method for each setting with a default, which returns the value or the
/// default.
#[derive(Debug)]
pub(crate) struct Checked<'a, T>(&'a T);

impl<T> Checked<'_, T> {
    /// Returns the table, to read settings that have no default.
    pub(crate) fn table(&self) -> &T {
        self.0
    }
}

/// Settings from one source, which can be completed by settings from another source.
pub(crate) trait Fallback {
    /// Returns these settings, with missing ones taken from the source `below`, which has lower precedence.
    fn with_fallback(self, below: Self) -> Self;
}

impl<T> Fallback for Option<T> {
    fn with_fallback(self, below: Self) -> Self {
        self.or(below)
    }
}

/// A list that is not empty replaces the list of the lower source. If lists were merged, entries of the lower source
/// could not be removed.
impl<T> Fallback for Vec<T> {
    fn with_fallback(self, below: Self) -> Self {
        if self.is_empty() { below } else { self }
    }
}

/// Expands a default to its [`DefaultText`]. A default has one of the forms `(none "WORDS")`, `(text "TEXT")`,
/// `(LITERAL)` and `(EXPRESSION, "TOML")`.
// The literal must be tried before the expression, because an expression that does not match is an error.
macro_rules! default_text {
    ((none $words:literal)) => {
        $crate::settings::declare::DefaultText::Words($words)
    };
    ((text $value:literal)) => {
        $crate::settings::declare::DefaultText::Toml(concat!("\"", $value, "\""))
    };
    (($value:literal)) => {
        $crate::settings::declare::DefaultText::Toml(stringify!($value))
    };
    (($value:expr, $text:literal)) => {
        $crate::settings::declare::DefaultText::Toml($text)
    };
}

/// Expands to the method of [`Checked`] that returns the value of a setting or its default. Settings without a default
/// have no method.
macro_rules! accessor {
    ($key:ident: $kind:ty, (none $words:literal)) => {};
    ($key:ident: $kind:ty, (text $value:literal)) => {
        pub(crate) fn $key(&self) -> $kind {
            self.table().$key.clone().unwrap_or_else(|| $value.to_owned())
        }
    };
    ($key:ident: $kind:ty, ($value:literal)) => {
        pub(crate) fn $key(&self) -> $kind {
            self.table().$key.unwrap_or($value)
        }
    };
    ($key:ident: $kind:ty, ($value:expr, $text:literal)) => {
        pub(crate) fn $key(&self) -> $kind {
            match &self.table().$key {
                Some(value) => value.to_owned(),
                None => $value,
            }
        }
    };
}

/// Expands to `Some` with the literal, or to `None` if there is no literal.
macro_rules! optional {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

/// Declares a table of the settings file. The doc comment of a setting is its help text, which contains its unit and
/// the meaning of 0. Default, range and variable are appended to the help text.
///
/// An entry has the form `key: Type, default DEFAULT, LIMIT, example "TOML", flag "--option";`. The example and the
/// flag are optional. The entries in `secrets` have only an environment variable. Only the declaration of the whole
/// settings file has `tables` and `lists`.
macro_rules! settings {
    ($(#[doc = $table_help:literal])+ $table:literal $name:ident {
        $($(#[doc = $help:literal])+ $key:ident: $kind:ty, default $default:tt, $limit:expr
            $(, example $example:literal)? $(, flag $flag:literal)?;)*
    } $(secrets {
        $($(#[doc = $secret_help:literal])+ $secret:ident;)*
    })? $(tables {
        $($inner:ident: $inner_kind:ident,)*
    } lists {
        $($(#[$list_meta:meta])* $list:ident: $list_kind:ty,)*
    })?) => {
        $(#[doc = $table_help])+
        #[derive(Debug, Default, Clone, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $help])+ pub(crate) $key: Option<$kind>,)*
            $($($(#[doc = $secret_help])+ #[serde(skip)]
                pub(crate) $secret: Option<$crate::settings::tables::SecretText>,)*)?
            $($(pub(crate) $inner: $inner_kind,)* $($(#[$list_meta])* pub(crate) $list: $list_kind,)*)?
        }

        impl $crate::settings::declare::Declared for $name {
            const TABLE: $crate::settings::declare::Table = $crate::settings::declare::Table {
                name: $table,
                help: &[$($table_help),+],
                keys: &[
                    $($crate::settings::declare::Key {
                        name: stringify!($key),
                        is_secret: false,
                        help: &[$($help),+],
                        default: $crate::settings::declare::default_text!($default),
                        limit: $limit,
                        example: $crate::settings::declare::optional!($($example)?),
                        flag: $crate::settings::declare::optional!($($flag)?),
                    },)*
                    $($($crate::settings::declare::Key {
                        name: stringify!($secret),
                        is_secret: true,
                        help: &[$($secret_help),+],
                        default: $crate::settings::declare::DefaultText::Words("none"),
                        limit: $crate::settings::limit::Limit::Any,
                        example: None,
                        flag: None,
                    },)*)?
                ],
            };

            fn set(&mut self, key: &str, variable: &str, value: &std::ffi::OsStr) -> anyhow::Result<bool> {
                use $crate::settings::variable::FromVariable;
                match key {
                    $(stringify!($key) => self.$key = Some(FromVariable::from_variable(variable, value)?),)*
                    $($(stringify!($secret) => {
                        self.$secret = Some(FromVariable::from_variable(variable, value)?);
                    })*)?
                    _ => {
                        $($(if let Some(rest) = key.strip_prefix(concat!(stringify!($inner), "_")) {
                            return self.$inner.set(rest, variable, value);
                        })*)?
                        return Ok(false);
                    }
                }
                Ok(true)
            }

            fn check_ranges(&self) -> anyhow::Result<()> {
                $(if let Some(value) = &self.$key {
                    let name = $crate::settings::declare::full_name($table, stringify!($key));
                    let limit: $crate::settings::limit::Limit = $limit;
                    limit.check(&name, value)?;
                })*
                Ok(())
            }
        }

        impl $crate::settings::declare::Checked<'_, $name> {
            $($crate::settings::declare::accessor! { $key: $kind, $default })*
        }

        impl $crate::settings::declare::Fallback for $name {
            fn with_fallback(self, below: Self) -> Self {
                use $crate::settings::declare::Fallback;
                Self {
                    $($key: Fallback::with_fallback(self.$key, below.$key),)*
                    $($($secret: Fallback::with_fallback(self.$secret, below.$secret),)*)?
                    $($($inner: Fallback::with_fallback(self.$inner, below.$inner),)*
                        $($list: Fallback::with_fallback(self.$list, below.$list),)*)?
                }
            }
        }

        $(impl $name {
            /// The keys outside of tables, and all tables of the settings file.
            pub(crate) const TABLES: &'static [&'static $crate::settings::declare::Table] = &[
                &<Self as $crate::settings::declare::Declared>::TABLE,
                $(&<$inner_kind as $crate::settings::declare::Declared>::TABLE,)*
            ];
        })?
    };
}

/// Returns the name of a key for messages: `TABLE.KEY`, or only `KEY` if the table has no name.
pub(super) fn full_name(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

pub(super) use {accessor, default_text, optional, settings};
