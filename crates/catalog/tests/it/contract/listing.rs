//! Lists, filters and unusual text.

use refrain_catalog::{Metadata, NearDuplicate, NewTrack, TrackFilter, TrackUpdate};

use super::*;

fn text(text: &str) -> TrackFilter {
    TrackFilter { text: Some(text.into()), ..TrackFilter::default() }
}

async fn sources(catalog: &dyn Catalog, filter: &TrackFilter) -> Vec<String> {
    catalog.list(filter, None, 100).await.unwrap().into_iter().map(|track| track.source).collect()
}

pub(crate) async fn pages_are_complete_and_in_order(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let mut numbers = Vec::new();
    for n in 0..25 {
        numbers.push(added(&*catalog, new_track(&format!("s{n}"), n)).await.number);
    }
    assert!(numbers.is_sorted());
    for limit in [1, 7, 25, 26, u32::MAX] {
        let mut seen: Vec<_> = Vec::new();
        loop {
            let page = catalog.list(&TrackFilter::default(), seen.last().copied(), limit).await.unwrap();
            assert!(page.len() as u64 <= u64::from(limit));
            if page.is_empty() {
                break;
            }
            seen.extend(page.iter().map(|track| track.number));
        }
        assert_eq!(seen, numbers, "pages of {limit}");
    }
    assert_eq!(catalog.list(&TrackFilter::default(), None, 0).await.unwrap(), []);
}

pub(crate) async fn filters_select_tracks(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let named = |source: &str, n, title: &str, code: Option<&str>| NewTrack {
        metadata: Metadata { title: Some(title.into()), ..Metadata::default() },
        rule: code.map(rule),
        ..new_track(source, n)
    };
    added(&*catalog, named("a", 1, "River", Some("block"))).await;
    added(&*catalog, named("b", 2, "Road", Some("allow"))).await;
    let removed = added(&*catalog, named("c", 3, "River", Some("block"))).await;
    added(&*catalog, named("river/d", 4, "Sea", None)).await;
    let artist = Metadata { artist: Some("Old Rivers".into()), ..Metadata::default() };
    added(&*catalog, NewTrack { metadata: artist, ..new_track("e", 5) }).await;
    let album = Metadata { album: Some("RIVER".into()), ..Metadata::default() };
    added(&*catalog, NewTrack { metadata: album, ..new_track("f", 6) }).await;
    catalog.remove(removed.id).await.unwrap();

    assert_eq!(sources(&*catalog, &TrackFilter::default()).await, ["a", "b", "river/d", "e", "f"]);
    assert_eq!(sources(&*catalog, &text("river")).await, ["a", "river/d", "e", "f"]);
    let blocked = TrackFilter { rule: Some(rule("block")), ..TrackFilter::default() };
    assert_eq!(sources(&*catalog, &blocked).await, ["a"]);
    let all = TrackFilter { removed: true, ..blocked.clone() };
    assert_eq!(sources(&*catalog, &all).await, ["a", "c"]);
    let both = TrackFilter { text: Some("road".into()), ..blocked };
    assert_eq!(sources(&*catalog, &both).await, Vec::<String>::new());
    assert_eq!(sources(&*catalog, &text("")).await.len(), 5);
}

pub(crate) async fn text_filters_match_literally(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for (n, title) in
        ["100% cotton", "100 percent", "a_b", "axb", "back\\slash", "[x]", "it's"].iter().enumerate()
    {
        let metadata =
            Metadata { title: Some((*title).into()), artist: Some("end".into()), ..Metadata::default() };
        added(&*catalog, NewTrack { metadata, ..new_track(&format!("{n}"), n as u64) }).await;
    }
    for (needle, want) in [("0%", "0"), ("a_b", "2"), ("\\", "4"), ("[x]", "5"), ("'", "6"), ("% c", "0")] {
        assert_eq!(sources(&*catalog, &text(needle)).await, [want], "{needle}");
    }
    for nothing in ["*", "a%b", "slashend", "slash end"] {
        assert_eq!(sources(&*catalog, &text(nothing)).await, Vec::<String>::new(), "{nothing}");
    }
}

pub(crate) async fn text_ignores_case_in_every_script(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for (n, title) in ["Ænima ÅÄÖ", "Жизнь", "ΟΔΟΣ", "Straße", "君が代"].iter().enumerate() {
        let metadata = Metadata { title: Some((*title).into()), ..Metadata::default() };
        added(&*catalog, NewTrack { metadata, ..new_track(&format!("{n}"), n as u64) }).await;
    }
    for (needle, want) in
        [("ænima åä", "0"), ("ЖИЗНЬ", "1"), ("οδος", "2"), ("δοσ", "2"), ("STRASSE", "3"), ("が代", "4")]
    {
        assert_eq!(sources(&*catalog, &text(needle)).await, [want], "{needle}");
    }
}

pub(crate) async fn unusual_text_is_stored_unchanged(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let unusual = [
        "",
        " ",
        "'; DROP TABLE tracks; --",
        "line\nbreak\ttab",
        "👩🏽‍🎤 e\u{301}",
        "\u{202e}right to left",
        "\u{fffd}",
    ];
    for (n, word) in unusual.iter().enumerate() {
        let metadata = Metadata {
            title: Some((*word).into()),
            extra: [((*word).to_owned(), (*word).to_owned())].into(),
            ..Metadata::default()
        };
        let track = added(&*catalog, NewTrack { metadata, ..new_track(word, n as u64) }).await;
        assert_eq!(catalog.find_by_source(word).await.unwrap().unwrap(), track);
        assert!(catalog.list(&text(word), None, 100).await.unwrap().contains(&track), "{word:?}");
    }
    let long = "long ".repeat(50_000);
    let metadata = Metadata { title: Some(long.clone()), ..Metadata::default() };
    let track = added(&*catalog, NewTrack { metadata, ..new_track("long", 99) }).await;
    assert_eq!(catalog.by_id(track.id).await.unwrap().unwrap().metadata.title, Some(long));
}

pub(crate) async fn nul_characters_are_replaced(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let metadata_with = |nul: &str| Metadata {
        artist: Some(format!("One{nul}Other")),
        extra: [(format!("a{nul}"), format!("{nul}b"))].into(),
        ..Metadata::default()
    };
    let track = added(&*catalog, NewTrack { metadata: metadata_with("\0"), ..new_track("a", 1) }).await;
    assert_eq!(track.metadata, metadata_with("\u{fffd}"));
    assert_eq!(catalog.by_id(track.id).await.unwrap().unwrap(), track);
    let update = TrackUpdate { metadata: Some(metadata_with("\0\0")), rule: None };
    let track = catalog.update(track.id, update).await.unwrap().unwrap();
    assert_eq!(track.metadata, metadata_with("\u{fffd}\u{fffd}"));
    assert_eq!(catalog.by_id(track.id).await.unwrap().unwrap(), track);
}

pub(crate) async fn links_are_listed_in_pages(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    assert_eq!(catalog.list_near_duplicates(None, 10).await.unwrap(), []);
    let mut tracks = Vec::new();
    for n in 0..5 {
        tracks.push(added(&*catalog, new_track(&format!("{n}"), n)).await);
    }
    let link = |a: usize, b: usize| NearDuplicate {
        track: tracks[a].number,
        of: tracks[b].number,
        seconds: (a * 10 + b) as f64,
    };
    for link in [link(4, 1), link(3, 0), link(4, 2), link(2, 1), link(4, 0)] {
        catalog.link_near_duplicate(link).await.unwrap();
    }
    let all = [link(2, 1), link(3, 0), link(4, 0), link(4, 1), link(4, 2)];
    assert_eq!(catalog.list_near_duplicates(None, 10).await.unwrap(), all);
    let mut paged: Vec<NearDuplicate> = Vec::new();
    loop {
        let after = paged.last().map(|link| (link.track, link.of));
        let page = catalog.list_near_duplicates(after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
    catalog.remove(tracks[0].id).await.unwrap();
    let remaining = [link(2, 1), link(4, 1), link(4, 2)];
    assert_eq!(catalog.list_near_duplicates(None, 10).await.unwrap(), remaining);
}
