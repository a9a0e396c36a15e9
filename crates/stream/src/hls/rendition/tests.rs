//! Tests of the choice of renditions.

use super::super::playlist::{Playlist, parse};
use super::*;

fn master(text: &str) -> MasterPlaylist {
    let base = Url::parse("https://h.example/").unwrap();
    let Ok(Playlist::Master(master)) = parse(text.as_bytes(), &base) else { panic!("no master") };
    master
}

fn paths(text: &str, choice: &RenditionChoice, language: Option<&str>) -> Vec<String> {
    candidates(&master(text), choice, language).into_iter().map(|one| one.url.path().to_owned()).collect()
}

fn automatic(text: &str) -> Vec<String> {
    paths(text, &RenditionChoice::Automatic, None)
}

fn chosen(text: &str, choice: &RenditionChoice) -> Option<String> {
    paths(text, choice, None).into_iter().next()
}

const IVS: &str = "#EXTM3U\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"720p60\",NAME=\"720p60\"\n#EXT-X-STREAM-INF:BANDWIDTH=2000,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,VIDEO=\"720p60\"\nhigh\n#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,VIDEO=\"160p\"\nlow\n#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"audio_only\",NAME=\"Audio Only\"\n#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS=\"mp4a.40.2\",VIDEO=\"audio_only\"\naudio\n";

/// Two groups with two languages and a commentary, and a third group with AC-4.
const GROUPS: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"Described\",LANGUAGE=\"en\",DEFAULT=YES,CHARACTERISTICS=\"public.accessibility.describes-video\",URI=\"lo-ad\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"English\",LANGUAGE=\"en\",URI=\"lo-en\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"lo\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"lo-de\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"hi-en\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"hi-de\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"ac4\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"ac4-en\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=8,CODECS=\"avc1.4,ac-4\",RESOLUTION=1x1,AUDIO=\"ac4\"\nv8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,AUDIO=\"lo\"\nv9\n\
    #EXT-X-STREAM-INF:BANDWIDTH=10,CODECS=\"avc1.4,mp4a.40.2\",RESOLUTION=1x1,AUDIO=\"hi\"\nv10\n";

#[test]
fn audio_only_is_preferred_then_the_lowest_bandwidth() {
    let automatic = RenditionChoice::Automatic;
    assert_eq!(chosen(IVS, &automatic).as_deref(), Some("/audio"));
    let without = IVS.split("#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"audio_only\"").next().unwrap();
    assert_eq!(chosen(without, &automatic).as_deref(), Some("/low"));
    let group = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"de\"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",DEFAULT=YES,URI=\"en\"\n#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1.4,mp4a.40.2\",AUDIO=\"a\"\nv\n";
    assert_eq!(chosen(group, &automatic).as_deref(), Some("/en"));
    assert_eq!(chosen(group, &RenditionChoice::Name("DE".to_owned())).as_deref(), Some("/de"));
    assert_eq!(chosen(group, &RenditionChoice::Index(0)).as_deref(), Some("/en"));
    let inside = group.replace(",URI=\"en\"", "").replace(",URI=\"de\"", "");
    assert_eq!(chosen(&inside, &automatic).as_deref(), Some("/v"));
}

#[test]
fn a_setting_overrides_the_automatic_choice() {
    let of = |choice| chosen(IVS, &choice);
    assert_eq!(of(RenditionChoice::Name("720P60".to_owned())).as_deref(), Some("/high"));
    assert_eq!(of(RenditionChoice::Name("4k".to_owned())), None);
    assert_eq!(of(RenditionChoice::Index(1)).as_deref(), Some("/low"));
    assert_eq!(of(RenditionChoice::Index(3)), None);
    assert_eq!(of(RenditionChoice::MaxBandwidth(950)).as_deref(), Some("/low"));
    assert_eq!(of(RenditionChoice::MaxBandwidth(5)).as_deref(), Some("/low"));
    assert_eq!(of(RenditionChoice::MaxBandwidth(9000)).as_deref(), Some("/high"));
}

#[test]
fn variants_with_other_codecs_are_left_out_unless_they_are_named() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=24,CODECS=\"mp4a.40.42\",NAME=\"x\"\nxhe\n#EXT-X-STREAM-INF:BANDWIDTH=64,CODECS=\"ac-4\"\nac4\n#EXT-X-STREAM-INF:BANDWIDTH=96,CODECS=\"mp4a.40.2\"\naac\n#EXT-X-STREAM-INF:BANDWIDTH=99\nunknown\n";
    assert_eq!(automatic(text), ["/aac", "/unknown"]);
    assert_eq!(chosen(text, &RenditionChoice::MaxBandwidth(90)).as_deref(), Some("/aac"));
    assert_eq!(chosen(text, &RenditionChoice::Name("x".to_owned())).as_deref(), Some("/xhe"));
    let only = text.split("#EXT-X-STREAM-INF:BANDWIDTH=96").next().unwrap();
    assert!(automatic(only).is_empty());
    assert_eq!(names(&master(only)), "x (mp4a.40.42 cannot be decoded), 64 bit/s (ac-4 cannot be decoded)");
}

#[test]
fn groups_with_other_codecs_are_left_out() {
    // The video of a variant with a separate audio rendition has no audio.
    assert_eq!(automatic(GROUPS), ["/lo-en", "/hi-en", "/lo-de", "/hi-de", "/lo-ad"]);
}

#[test]
fn groups_with_other_codecs_are_named_only_if_no_other_group_has_the_name() {
    let of = |name: &str| paths(GROUPS, &RenditionChoice::Name(name.to_owned()), None);
    assert_eq!(of("English"), ["/lo-en", "/hi-en", "/lo-de", "/hi-de", "/lo-ad"]);
    let only =
        GROUPS.replace("NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"ac4", "NAME=\"Film\",URI=\"ac4");
    let film = paths(&only, &RenditionChoice::Name("film".to_owned()), None);
    assert_eq!(film[..2], ["/ac4-en", "/lo-en"]);
}

#[test]
fn renditions_with_the_language_precede_the_others() {
    let of = |language| paths(GROUPS, &RenditionChoice::Automatic, Some(language));
    assert_eq!(of("deu"), ["/lo-de", "/hi-de", "/hi-en", "/lo-en", "/lo-ad"]);
    assert_eq!(of("fr"), automatic(GROUPS));
    assert_eq!(paths(GROUPS, &RenditionChoice::Index(2), Some("de"))[..2], ["/hi-de", "/lo-de"]);
}

#[test]
fn redundant_variants_follow_directly_and_have_their_own_names() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=1x1\na/hi\n#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=1x1\na/lo\n#EXT-X-STREAM-INF:BANDWIDTH=9,RESOLUTION=1x1\nb/hi\n#EXT-X-STREAM-INF:BANDWIDTH=5,RESOLUTION=1x1\nb/lo\n";
    assert_eq!(automatic(text), ["/a/lo", "/b/lo", "/a/hi", "/b/hi"]);
    assert_eq!(paths(text, &RenditionChoice::Index(0), None), ["/a/hi", "/b/hi", "/a/lo", "/b/lo"]);
    assert_eq!(paths(text, &RenditionChoice::MaxBandwidth(9), None), ["/a/hi", "/b/hi", "/a/lo", "/b/lo"]);
    let labels: Vec<String> = candidates(&master(text), &RenditionChoice::Automatic, None)
        .into_iter()
        .map(|one| one.label)
        .collect();
    assert_eq!(labels, ["5 bit/s", "5 bit/s (2)", "9 bit/s", "9 bit/s (2)"]);
    let named = GROUPS.replace("Deutsch", "de-name");
    assert_eq!(paths(&named, &RenditionChoice::Name("DE-NAME".to_owned()), None)[..2], ["/lo-de", "/hi-de"]);
}
