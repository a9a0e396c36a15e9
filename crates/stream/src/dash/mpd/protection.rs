//! Names of DRM systems (`ContentProtection`).

/// DRM systems by their UUIDs (the registry of DASH-IF).
const SYSTEMS: [(&str, &str); 7] = [
    ("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "Widevine"),
    ("9a04f079-9840-4286-ab92-e65be0885f95", "PlayReady"),
    ("94ce86fb-07ff-4f43-adb8-93d2fa968ca2", "FairPlay"),
    ("e2719d58-a985-b3c9-781a-b030af78d30e", "ClearKey"),
    ("1077efec-c0b2-4d02-ace3-3c1e52e2fb4b", "ClearKey"),
    ("5e629af5-38da-4063-8977-97ffbd9902d4", "Marlin"),
    ("f239e769-efa3-4850-9c16-a903c6932efb", "Primetime"),
];

/// Maximum length of the scheme of an unknown system in an error, characters: a UUID with its prefix has 45. Half or
/// twice this value only changes the length of messages.
const MAX_SHOWN_CHARS: usize = 64;

/// Returns the name of the DRM system of a `schemeIdUri`.
pub(super) fn system_name(scheme: &str) -> String {
    let scheme = scheme.trim().to_ascii_lowercase();
    let uuid = scheme.strip_prefix("urn:uuid:").unwrap_or(&scheme);
    match SYSTEMS.iter().find(|(known, _)| *known == uuid) {
        Some((_, name)) => (*name).to_owned(),
        None if scheme == "urn:mpeg:dash:mp4protection:2011" => COMMON.to_owned(),
        None => scheme.chars().filter(|char| !char.is_control()).take(MAX_SHOWN_CHARS).collect(),
    }
}

/// Name of the encryption of ISO/IEC 23001-7, which is common to all DRM systems.
const COMMON: &str = "Common Encryption";

/// Returns the names of the systems, without duplicates; `None` without any. The common encryption is named only if no
/// system is.
pub(super) fn join(mut names: Vec<String>) -> Option<String> {
    names.sort();
    names.dedup();
    if names.len() > 1 {
        names.retain(|name| name != COMMON);
    }
    (!names.is_empty()).then(|| names.join(", "))
}
