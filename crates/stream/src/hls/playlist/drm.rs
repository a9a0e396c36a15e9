//! Names of the systems for digital rights management (DRM) in EXT-X-KEY.

use super::attributes::{AttributeWriter, Attributes};

/// Values of KEYFORMAT, in lower case, with the name of their system.
const SYSTEMS: [(&str, &str); 6] = [
    ("com.apple.streamingkeydelivery", "Apple FairPlay"),
    ("urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2", "Apple FairPlay"),
    ("urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", "Google Widevine"),
    ("com.widevine", "Google Widevine"),
    ("com.microsoft.playready", "Microsoft PlayReady"),
    ("urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95", "Microsoft PlayReady"),
];

/// Returns the attributes of a key for digital rights management that [`description`] needs.
pub(super) fn attributes(list: &Attributes<'_>) -> String {
    AttributeWriter::default()
        .plain("METHOD", list.get("METHOD"))
        .quoted("KEYFORMAT", list.get("KEYFORMAT"))
        .text()
}

/// Returns the description of an encryption whose key only a system for digital rights management provides: the method,
/// the name of the system, and the remedy. `list` is the result of [`attributes`].
pub(super) fn description(list: &str) -> String {
    let list = Attributes::parse(list);
    let method = list.get("METHOD").unwrap_or("without a name");
    let format = list.get("KEYFORMAT").unwrap_or_default();
    let is_format = |known: &str| {
        let start = format.get(..known.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(known)
    };
    let system = match SYSTEMS.iter().find(|(known, _)| is_format(known)) {
        Some((_, name)) => (*name).to_owned(),
        // A playlist can contain any text of any length.
        None => format!("an unknown system, {}", format.chars().take(64).collect::<String>()),
    };
    format!("{method} of {system} (digital rights management; ask the origin for a clear audio rendition)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named() {
        let described = |list: &str| description(&attributes(&Attributes::parse(list)));
        let fairplay =
            described("METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"");
        assert!(fairplay.starts_with("SAMPLE-AES of Apple FairPlay ("), "{fairplay}");
        assert!(fairplay.contains("clear audio rendition") && !fairplay.contains("skd"), "{fairplay}");
        let widevine = "KEYFORMAT=\"urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED\",METHOD=SAMPLE-AES-CTR";
        assert!(
            described(widevine).starts_with("SAMPLE-AES-CTR") && described(widevine).contains("Widevine")
        );
        assert!(described("METHOD=X,KEYFORMAT=\"com.microsoft.playready\"").contains("Microsoft PlayReady"));
        let unknown = format!("METHOD=AES-128,KEYFORMAT=\"{}\"", "ü".repeat(1_000));
        assert!(described(&unknown).contains("unknown system") && described(&unknown).len() < 300);
    }
}
