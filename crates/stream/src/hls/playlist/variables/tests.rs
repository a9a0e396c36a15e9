//! Situations of RFC 8216bis, sections 4.3 and 4.4.2.3.

use proptest::prelude::*;
use url::Url;

use super::super::{
    Encryption, MasterPlaylist, MediaPlaylist, Playlist, PlaylistError, parse, parse_rendition,
};
use super::*;

fn base() -> Url {
    Url::parse("https://host.example/live/index.m3u8?token=a%2Fb+c%3D%3D&session=7&empty=&flag").unwrap()
}

fn playlist(text: &str, master: Option<&Variables>) -> Result<Playlist, PlaylistError> {
    parse_rendition(format!("#EXTM3U\n{text}").as_bytes(), &base(), master)
}

fn media(text: &str) -> MediaPlaylist {
    match playlist(text, None) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

fn master(text: &str) -> MasterPlaylist {
    match playlist(text, None) {
        Ok(Playlist::Master(master)) => master,
        other => panic!("{other:?}"),
    }
}

/// Returns the URL of the first segment without the folder of the playlist.
fn first(text: &str) -> String {
    let list = media(text);
    list.segments[0].url.as_str().strip_prefix("https://host.example/live/").unwrap().to_owned()
}

fn error(text: &str) -> VariableError {
    match playlist(text, None) {
        Err(PlaylistError::Variable(error)) => error,
        other => panic!("{other:?}"),
    }
}

const DEFINE: &str = "#EXT-X-DEFINE:NAME=\"path\",VALUE=\"seg/a\"\n";

#[test]
fn variables_are_replaced_in_uris() {
    assert_eq!(first(&format!("{DEFINE}#EXTINF:2,\n{{$path}}/0.ts?p={{$path}}\n")), "seg/a/0.ts?p=seg/a");
    // An absolute URI can consist of variables only.
    let host = "#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"https://cdn.example\"\n#EXT-X-DEFINE:NAME=\"f-1_A\",VALUE=\"/x.ts\"\n";
    let list = media(&format!("{host}#EXTINF:2,\n{{$cdn}}{{$f-1_A}}\n"));
    assert_eq!(list.segments[0].url.as_str(), "https://cdn.example/x.ts");
}

#[test]
fn variables_are_replaced_in_quoted_and_hexadecimal_attributes() {
    let list = media(&format!(
        "{DEFINE}#EXT-X-DEFINE:NAME=\"iv\",VALUE=\"00ff\"\n#EXT-X-DEFINE:NAME=\"range\",VALUE=\"6@2\"\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"{{$path}}/k\",IV=0x{{$iv}}\n\
         #EXT-X-MAP:URI=\"{{$path}}/i\",BYTERANGE=\"{{$range}}\"\n#EXTINF:2,\na\n\
         #EXT-X-PART:DURATION=1,URI=\"{{$path}}/p\"\n"
    ));
    let mut iv = [0; 16];
    iv[15] = 0xff;
    let url = |name: &str| Url::parse(&format!("https://host.example/live/seg/a/{name}")).unwrap();
    let expected = Encryption::Aes128 { key: url("k"), iv: Some(iv) };
    assert_eq!(list.segments[0].encryption.as_deref(), Some(&expected));
    let map = list.segments[0].map.as_deref().unwrap();
    assert_eq!((&map.url, map.range.map(|range| (range.offset, range.length))), (&url("i"), Some((2, 6))));
    assert_eq!(list.open.unwrap().parts[0].url, url("p"));
}

#[test]
fn titles_comments_and_unquoted_attributes_are_not_changed() {
    let list = media("# {$x}\n#EXTINF:2,a \"{$x}\" song\na.ts\n#EXT-X-PART:DURATION={$x},URI=\"p\"\n");
    assert_eq!((list.segments.len(), list.open.unwrap().parts[0].seconds), (1, 0.0));
}

#[test]
fn text_that_is_not_a_reference_is_kept() {
    assert_eq!(first("#EXTINF:2,\na.ts?x={$}&y=$path&z={path}\n"), "a.ts?x={$}&y=$path&z={path}");
    assert_eq!(
        first(&format!("{DEFINE}#EXTINF:2,\na.ts?x={{${{$path}}&y={{$a b}}\n")),
        "a.ts?x={$seg/a&y={$a%20b}"
    );
}

#[test]
fn values_are_not_searched_for_variables_again() {
    // A value can use a variable that is defined before it. Its own text is not a reference.
    let text = format!("{DEFINE}#EXT-X-DEFINE:NAME=\"b\",VALUE=\"{{$path}}/b\"\n#EXTINF:2,\n{{$b}}\n");
    assert_eq!(first(&text), "seg/a/b");
    let url = Url::parse("https://host.example/live/index.m3u8?token=%7B%24path%7D").unwrap();
    let text = format!("{DEFINE}#EXT-X-DEFINE:QUERYPARAM=\"token\"\n#EXTINF:2,\na?t={{$token}}\n");
    let Ok(Playlist::Media(list)) = parse(text.as_bytes(), &url) else { panic!("no media playlist") };
    assert_eq!(list.segments[0].url.query(), Some("t={$path}"));
}

#[test]
fn names_are_case_sensitive_and_values_can_be_empty() {
    let text =
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"A\",VALUE=\"\"\n#EXTINF:2,\nx{$a}{$A}\n";
    assert_eq!(first(text), "x1");
}

#[test]
fn undefined_variable_is_an_error_with_its_name() {
    let text = format!("{DEFINE}#EXTINF:2,\n{{$pth}}/a.ts\n");
    assert_eq!(error(&text), VariableError::Undefined("pth".to_owned()));
    assert!(error(&text).to_string().contains("variable pth is used"));
    // A definition counts only for the lines after it, and only in its own playlist.
    assert_eq!(
        error(&format!("#EXTINF:2,\n{{$path}}/a.ts\n{DEFINE}")),
        VariableError::Undefined("path".to_owned())
    );
    let undefined =
        error(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{{${}}}\"\n#EXTINF:2,\na\n", "x".repeat(999)));
    assert_eq!(undefined, VariableError::Undefined("x".repeat(MAX_SHOWN_CHARS)));
}

#[test]
fn variables_of_the_master_playlist_are_imported_by_name() {
    let list = master(&format!(
        "{DEFINE}#EXT-X-DEFINE:NAME=\"group\",VALUE=\"aud\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{{$group}}\",NAME=\"n\",URI=\"{{$path}}/audio.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"{{$group}}\"\n{{$path}}/v.m3u8\n"
    ));
    assert_eq!(list.variants[0].url.path(), "/live/seg/a/v.m3u8");
    assert_eq!(list.variants[0].audio.as_deref(), Some("aud"));
    assert_eq!(list.audio[0].url.as_ref().map(Url::path), Some("/live/seg/a/audio.m3u8"));
    let imported = playlist("#EXT-X-DEFINE:IMPORT=\"path\"\n#EXTINF:2,\n{$path}/0\n", Some(&list.variables));
    let Ok(Playlist::Media(imported)) = imported else { panic!("{imported:?}") };
    assert_eq!(imported.segments[0].url.path(), "/live/seg/a/0");
    // Without IMPORT, the variables of the master playlist are not defined.
    let undefined = playlist("#EXTINF:2,\n{$path}/0\n", Some(&list.variables));
    assert_eq!(undefined, Err(PlaylistError::Variable(VariableError::Undefined("path".to_owned()))));
    let unknown = playlist("#EXT-X-DEFINE:IMPORT=\"other\"\n#EXTINF:2,\na\n", Some(&list.variables));
    assert_eq!(unknown, Err(PlaylistError::Variable(VariableError::NotInMaster("other".to_owned()))));
}

#[test]
fn import_needs_a_master_playlist() {
    let import = "#EXT-X-DEFINE:IMPORT=\"path\"\n";
    let expected = VariableError::NoMaster("path".to_owned());
    assert_eq!(error(&format!("{import}#EXTINF:2,\na\n")), expected);
    assert_eq!(error(&format!("{import}#EXT-X-STREAM-INF:BANDWIDTH=1\na\n")), expected);
}

#[test]
fn query_parameters_of_the_playlist_are_decoded() {
    let token = "#EXT-X-DEFINE:QUERYPARAM=\"token\"\n";
    assert_eq!(first(&format!("{token}#EXTINF:2,\na.ts?t={{$token}}\n")), "a.ts?t=a/b+c==");
    let both = format!("{token}#EXT-X-DEFINE:QUERYPARAM=\"session\"\n#EXTINF:2,\n{{$session}}/a.ts\n");
    assert_eq!(first(&both), "7/a.ts");
}

#[test]
fn missing_or_empty_query_parameter_is_an_error_with_its_name() {
    for name in ["other", "Token", "empty", "flag"] {
        let text = format!("#EXT-X-DEFINE:QUERYPARAM=\"{name}\"\n#EXTINF:2,\na\n");
        assert_eq!(error(&text), VariableError::NoParameter(name.to_owned()));
    }
}

#[test]
fn variable_that_is_defined_twice_is_an_error() {
    let twice = format!("{DEFINE}{DEFINE}#EXTINF:2,\na\n");
    assert_eq!(error(&twice), VariableError::Duplicate("path".to_owned()));
    let twice =
        "#EXT-X-DEFINE:NAME=\"token\",VALUE=\"x\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n#EXTINF:2,\na\n";
    assert_eq!(error(twice), VariableError::Duplicate("token".to_owned()));
}

#[test]
fn definition_needs_exactly_one_name_and_a_value() {
    for list in
        ["NAME=\"a\"", "VALUE=\"a\"", "NAME=\"a\",VALUE=\"b\",QUERYPARAM=\"token\"", "NAME=\"\",VALUE=\"b\""]
    {
        assert_eq!(
            error(&format!("#EXT-X-DEFINE:{list}\n#EXTINF:2,\na\n")),
            VariableError::Malformed,
            "{list}"
        );
    }
    let invalid = error("#EXT-X-DEFINE:NAME=\"a.b\",VALUE=\"\"\n#EXTINF:2,\na\n");
    assert_eq!(invalid, VariableError::InvalidName("a.b".to_owned()));
}

#[test]
fn values_cannot_add_lines_tags_or_attributes() {
    let url = |value: &str| Url::parse(&format!("https://h.example/l.m3u8?v={value}")).unwrap();
    for value in ["%0A%23EXT-X-ENDLIST", "%22", "%0d", "%ff"] {
        let text = "#EXTM3U\n#EXT-X-DEFINE:QUERYPARAM=\"v\"\n#EXTINF:2,\na\n";
        let invalid = parse(text.as_bytes(), &url(value));
        assert_eq!(
            invalid,
            Err(PlaylistError::Variable(VariableError::InvalidValue("v".to_owned()))),
            "{value}"
        );
    }
    let text = "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"#EXT-X-ENDLIST\"\n#EXTINF:2,\n{$v}\n#EXTINF:2,\nb\n";
    assert_eq!((media(text).end, media(text).segments.len()), (false, 2));
}

#[test]
fn long_results_are_refused() {
    let long = format!("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n", "x".repeat(40_000));
    let twice = playlist(&format!("{long}#EXTINF:2,\n{{$a}}{{$a}}\n"), None);
    assert!(matches!(twice, Err(PlaylistError::LongLine(_))), "{twice:?}");
    let many = playlist(&format!("{long}{}", "#EXTINF:2,\n{$a}\n".repeat(500)), None);
    assert_eq!(many, Err(PlaylistError::TooLarge(MAX_PLAYLIST_BYTES)));
}

#[test]
fn values_are_not_shown() {
    let list = master(&format!("{DEFINE}#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n"));
    assert_eq!(format!("{:?}", list.variables), "{\"path\"}");
}

proptest! {
    #[test]
    fn text_without_references_is_not_changed(text in "[a-z{}$\"=,#:]{0,60}") {
        let base = base();
        let mut substitution = Substitution::new(&base, None);
        let has_reference = (0..text.len()).any(|at| {
            let name = text.get(at..).and_then(|text| text.strip_prefix("{$")?.split_once('}'));
            name.is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_name_char))
        });
        prop_assume!(!has_reference);
        prop_assert_eq!(substitution.line(&text).unwrap(), text.as_str());
    }

    #[test]
    fn escaped_text_is_decoded(text in "[ -~äß€]{0,20}") {
        let escaped: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        prop_assert_eq!(percent_decoded(&escaped), Some(text.clone()));
        prop_assert_eq!(percent_decoded(&text.replace('%', "%25")), Some(text));
    }
}
