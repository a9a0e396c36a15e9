//! Tests of the choice of the representation.

use super::*;

#[test]
fn audio_is_chosen_by_language_role_and_bandwidth() {
    let set = |attributes: &str, inner: &str| {
        format!("<AdaptationSet {attributes}>{NUMBERS}{inner}</AdaptationSet>")
    };
    let representation =
        |id: &str, bandwidth: u32| format!("<Representation id=\"{id}\" bandwidth=\"{bandwidth}\"/>");
    let role = "<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"description\"/>";
    let aac = "contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\"";
    let sets = [
        set("mimeType=\"video/mp4\" codecs=\"avc1.4d401f\"", &representation("video", 1)),
        set("mimeType=\"video/mp4\" codecs=\"avc1.4d401f,mp4a.40.2\"", &representation("both", 2)),
        set(&format!("{aac} lang=\"en\""), &format!("{role}{}", representation("described", 3))),
        set(
            &format!("{aac} lang=\"en\""),
            &format!("{}{}", representation("high", 90), representation("low", 40)),
        ),
        set(&format!("{aac} lang=\"de-AT\""), &representation("german", 50)),
        set("mimeType=\"audio/mp4\" codecs=\"ac-4\"", &representation("surround", 5)),
        set("mimeType=\"audio/webm\" codecs=\"opus\"", &representation("webm", 5)),
    ];
    let bases = "<BaseURL>https://a.example/</BaseURL><BaseURL>https://b.example/</BaseURL>";
    let text =
        manifest("mediaPresentationDuration=\"PT9S\"", &format!("{bases}<Period>{}</Period>", sets.concat()));
    let labels = |choice, language| {
        Presentation::default().begin(loaded(&text), &choice, language).map_err(|error| error.to_string())
    };
    let order = ["low", "low (b.example)", "german", "german (b.example)", "high", "high (b.example)"];
    assert_eq!(labels(RenditionChoice::Automatic, None).unwrap()[..6], order);
    assert_eq!(labels(RenditionChoice::Automatic, None).unwrap().len(), 10);
    assert_eq!(labels(RenditionChoice::Automatic, Some("ger")).unwrap()[0], "german");
    assert_eq!(labels(RenditionChoice::MaxBandwidth(100), Some("en")).unwrap()[0], "high");
    assert_eq!(labels(RenditionChoice::Name("DESCRIBED".to_owned()), None).unwrap()[0], "described");
    let error = labels(RenditionChoice::Name("none".to_owned()), None).unwrap_err();
    assert!(error.contains("available: both, described, high, low, german"), "{error}");
}

#[test]
fn encrypted_and_undecodable_audio_is_an_error_with_its_reason() {
    let begin = |set: &str| {
        let text = manifest("mediaPresentationDuration=\"PT9S\"", &format!("<Period>{set}</Period>"));
        Presentation::default().begin(loaded(&text), &RenditionChoice::Automatic, None).unwrap_err()
    };
    let set = |inner: &str| {
        format!(
            "<AdaptationSet contentType=\"audio\" codecs=\"mp4a.40.2\">{inner}{NUMBERS}<Representation id=\"a\"/></AdaptationSet>"
        )
    };
    let system = |uuid: &str| format!("<ContentProtection schemeIdUri=\"urn:uuid:{uuid}\"/>");
    let protections = [
        "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cbcs\"/>".to_owned(),
        system("9a04f079-9840-4286-ab92-e65be0885f95"),
        system("94CE86FB-07FF-4F43-ADB8-93D2FA968CA2"),
        system("e2719d58-a985-b3c9-781a-b030af78d30e"),
    ];
    let error = begin(&set(&protections.concat()));
    assert_eq!(error, MpdError::Encrypted("ClearKey, FairPlay, PlayReady".to_owned()));
    assert!(!error.is_transient());
    let error =
        begin("<AdaptationSet contentType=\"audio\" codecs=\"ac-4\"><Representation/></AdaptationSet>");
    assert_eq!(error, MpdError::NoAudio("codec ac-4".to_owned()));
    let error = begin(
        "<AdaptationSet contentType=\"audio\"><SegmentTemplate timescale=\"0\" duration=\"1\" media=\"a\"/><Representation/></AdaptationSet>",
    );
    assert_eq!(error, MpdError::NoAudio("the timescale is 0".to_owned()));
    let error = begin("<AdaptationSet contentType=\"audio\"><Representation/></AdaptationSet>");
    assert!(error.to_string().contains("not supported"), "{error}");
}
