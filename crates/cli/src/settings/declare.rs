//! The macro `settings!`, which declares each setting once: its name, type, default, range and help.
//!
//! The parser of the settings file, the environment variables, the range checks, the help of flags and the documents are
//! derived from these declarations.

use std::ffi::OsStr;

use anyhow::Result;

use super::limit::Limit;

/// The default of a setting in help and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DefaultText {
    /// A value as in the settings file.
    Toml(&'static str),
    /// A description, for settings without a constant default.
    Words(&'static str),
}

/// A declared setting.
#[derive(Debug)]
pub(crate) struct Key {
    /// Name of the key in the settings file.
    pub(crate) name: &'static str,
    /// True if the setting has a variable but no key, because it is a secret.
    pub(crate) is_secret: bool,
    /// Lines of the help text.
    pub(crate) help: &'static [&'static str],
    /// The default.
    pub(crate) default: DefaultText,
    /// The accepted values.
    pub(crate) limit: Limit,
    /// Value in `docs/service.toml` of a key without default.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) example: Option<&'static str>,
    /// The command-line option for the setting.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) flag: Option<&'static str>,
}

/// A declared table of the settings file.
#[derive(Debug)]
pub(crate) struct Table {
    /// Name of the table, which is empty for the keys outside of tables and for the entries of lists.
    pub(crate) name: &'static str,
    /// Lines of the help text.
    #[cfg_attr(not(test), allow(dead_code, reason = "only tests render documents"))]
    pub(crate) help: &'static [&'static str],
    /// The settings in the table.
    pub(crate) keys: &'static [Key],
}

/// A type that `settings!` declares. A field that is `None` is not set.
pub(crate) trait Declared: Sized {
    /// The declaration.
    const TABLE: Table;

    /// Sets a key from the variable with the full name `variable`. Returns false if there is no such key.
    fn set(&mut self, key: &str, variable: &str, value: &OsStr) -> Result<bool>;

    /// Returns an error if a value is out of its range.
    fn check_ranges(&self) -> Result<()>;

    /// Checks the ranges. The defaults are methods of the result, so that no unchecked value is used by mistake.
    fn checked(&self) -> Result<Checked<'_, Self>> {
        self.check_ranges()?;
        Ok(Checked(self))
    }
}

/// A table whose values are in their ranges. It has one method for each setting with a default.
#[derive(Debug)]
pub(crate) struct Checked<'a, T>(&'a T);

impl<T> Checked<'_, T> {
    /// Returns the table, for settings without a default.
    pub(crate) fn table(&self) -> &T {
        self.0
    }
}

/// A part of the settings from one source.
pub(crate) trait Fallback {
    /// Returns this part with missing values taken from the source `below`.
    fn with_fallback(self, below: Self) -> Self;
}

impl<T> Fallback for Option<T> {
    fn with_fallback(self, below: Self) -> Self {
        self.or(below)
    }
}

/// A list is replaced as a whole, because entries of a merged list could not be removed.
impl<T> Fallback for Vec<T> {
    fn with_fallback(self, below: Self) -> Self {
        if self.is_empty() { below } else { self }
    }
}

/// Expands to the [`DefaultText`] of a default: `(none "WORDS")`, `(text "TEXT")`, `(LITERAL)` or `(EXPRESSION, "TOML")`.
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

/// Expands to the method that returns the value of a setting or its default.
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

/// Expands to `Some` of the literal, or to `None` without one.
macro_rules! optional {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

/// Declares a table of the settings file. The help text of a setting has its unit and the meaning of 0. Default, range and
/// variable are appended to it.
///
/// An entry is `key: Type, default DEFAULT, LIMIT, example "TOML", flag "--option";`. The last two are optional. Secrets have
/// variables only. `tables` and `lists` are the parts of the whole settings file.
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

/// Returns the name of a key in messages: `TABLE.KEY`, or the key alone if the table has no name.
pub(super) fn full_name(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

pub(super) use {accessor, default_text, optional, settings};
