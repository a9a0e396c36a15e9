//! Codecs in the CODECS attribute of HLS variants and in the `codecs` attribute of DASH representations (RFC 6381).

/// Kind of a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodecKind {
    /// Audio that this program decodes.
    Decodable,
    /// Audio that this program cannot decode.
    Undecodable,
    /// Video, subtitles, or an unknown codec.
    NotAudio,
}

/// Returns the kind of a codec. Only this function states which audio of HLS and DASH can be decoded: a codec that becomes
/// decodable moves from one list to the other.
pub(crate) fn codec_kind(codec: &str) -> CodecKind {
    let codec = codec.trim().to_ascii_lowercase();
    let (name, parameters) = codec.split_once('.').unwrap_or((&codec, ""));
    match name {
        "mp4a" => mpeg_audio(parameters),
        "opus" | "flac" | "alac" | "mp3" | "ac-3" | "ec-3" => CodecKind::Decodable,
        "ac-4" | "mlpa" => CodecKind::Undecodable,
        "dtsc" | "dtse" | "dtsh" | "dtsl" | "dtsx" | "dtsy" | "dts+" | "dts-" => CodecKind::Undecodable,
        "mha1" | "mha2" | "mhm1" | "mhm2" | "iamf" | "usac" => CodecKind::Undecodable,
        _ => CodecKind::NotAudio,
    }
}

/// Returns the kind of a codec that is named by an object type indication of MPEG-4 (hexadecimal), and for AAC by an
/// object type of ISO/IEC 14496-3 (decimal).
fn mpeg_audio(parameters: &str) -> CodecKind {
    let (indication, object) = parameters.split_once('.').unwrap_or((parameters, ""));
    let is_decodable = match (indication, object.parse::<u32>()) {
        // A missing or invalid object type is a fault of the playlist and not a reason to leave out AAC.
        ("" | "40", Err(_)) => true,
        // Low complexity, with SBR, with PS; MPEG audio of layers 1 to 3. The others include xHE-AAC (42).
        ("40", Ok(object)) => matches!(object, 2 | 5 | 29 | 32 | 33 | 34),
        // AAC-LC of MPEG-2, MPEG-2 audio, MPEG-1 audio, AC-3 and E-AC-3.
        ("67" | "69" | "6b" | "a5" | "a6", _) => true,
        _ => false,
    };
    if is_decodable { CodecKind::Decodable } else { CodecKind::Undecodable }
}

/// Returns the audio codecs of a CODECS attribute that cannot be decoded, separated by commas. Returns `None` if the
/// attribute names a decodable audio codec or no audio codec.
pub(crate) fn undecodable(codecs: &str) -> Option<String> {
    let mut others = Vec::new();
    for codec in codecs.split(',') {
        match codec_kind(codec) {
            CodecKind::Decodable => return None,
            CodecKind::Undecodable => others.push(codec.trim()),
            CodecKind::NotAudio => {}
        }
    }
    (!others.is_empty()).then(|| others.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_decodable_or_not() {
        let aac = ["mp4a.40.2", "mp4a.40.02", "MP4A.40.5", "mp4a.40.29", "mp4a"];
        let others = ["mp4a.40.34", "mp4a.6B", "fLaC", "ac-3", "EC-3", "mp4a.a5", "mp4a.A6"];
        for codec in aac.into_iter().chain(others) {
            assert_eq!(codec_kind(codec), CodecKind::Decodable, "{codec}");
        }
        for codec in ["mp4a.40.42", "ac-4.02.01.01", "AC-4", "dtsc", "mp4a.a9", "mhm1.0x0D"] {
            assert_eq!(codec_kind(codec), CodecKind::Undecodable, "{codec}");
        }
        for codec in ["avc1.640028", "hvc1.2.4.L153.b0", "stpp.ttml.im1t", "wvtt", ""] {
            assert_eq!(codec_kind(codec), CodecKind::NotAudio, "{codec}");
        }
    }

    #[test]
    fn one_decodable_codec_is_sufficient() {
        assert_eq!(undecodable("avc1.4d401f, ac-4").as_deref(), Some("ac-4"));
        assert_eq!(undecodable("ac-4,mp4a.40.42").as_deref(), Some("ac-4,mp4a.40.42"));
        assert_eq!(undecodable("ac-4,mp4a.40.2"), None);
        assert_eq!(undecodable("avc1.4d401f,ac-4,ec-3"), None);
        assert_eq!(undecodable("avc1.4d401f"), None);
        assert_eq!(undecodable(""), None);
    }
}
