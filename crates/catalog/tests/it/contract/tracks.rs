//! Adding, replacing, changing and removing tracks.

use refrain_catalog::{
    CatalogError, ChangeKind, Metadata, NearDuplicate, NewTrack, TrackNumber, TrackUpdate,
};

use super::*;

pub(crate) async fn add_returns_the_stored_track(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let metadata = Metadata {
        title: Some("Title".into()),
        artist: Some("Artist".into()),
        album: Some("Album".into()),
        isrc: Some("USZZ00000001".into()),
        label: Some("Label".into()),
        vendor: Some("Vendor".into()),
        upc: Some("012345678900".into()),
        release_date: Some("1999-12-31".into()),
        category: Some("Music".into()),
        extra: [("a", "1"), ("", ""), ("quote\"", "ключ\n")].map(|(k, v)| (k.into(), v.into())).into(),
    };
    let new = NewTrack { metadata, rule: Some(rule("block")), ..new_track("/music/a.ogg", 1) };
    let before =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let track = added(&*catalog, new.clone()).await;
    assert_eq!((&track.source, track.content, track.seconds), (&new.source, new.content, new.seconds));
    assert_eq!((&track.metadata, &track.rule), (&new.metadata, &new.rule));
    assert!((before..before + 60_000).contains(&track.added_at) && track.removed_at.is_none());

    let catalog = storage.open().await;
    assert_eq!(catalog.by_id(track.id).await.unwrap().as_ref(), Some(&track));
    assert_eq!(catalog.find_by_source("/music/a.ogg").await.unwrap().as_ref(), Some(&track));
    assert_eq!(catalog.find_by_content(&content(1)).await.unwrap().as_ref(), Some(&track));
    assert_eq!(catalog.by_numbers(&[track.number]).await.unwrap(), std::slice::from_ref(&track));
    assert_eq!(constellation(&*catalog, track.number).await, Some(new.constellation));
    assert_eq!(catalog.find_by_source("/music/A.ogg").await.unwrap(), None);
    assert_eq!(catalog.find_by_content(&content(2)).await.unwrap(), None);
    assert_eq!(catalog.by_id(id(5)).await.unwrap(), None);
}

pub(crate) async fn adding_the_same_content_again_is_unchanged(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let track = added(&*catalog, new_track("a", 1)).await;
    let again = NewTrack { metadata: Metadata::default(), rule: Some(rule("allow")), ..new_track("a", 1) };
    assert_eq!(unchanged(&*catalog, again).await, track);
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (1, 1));
}

pub(crate) async fn other_content_replaces_the_track(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let old = added(&*catalog, new_track("a", 1)).await;
    let new = replaced(&*catalog, NewTrack { seconds: 99.0, ..new_track("a", 2) }).await;
    assert_eq!(new.id, old.id);
    assert!(new.number > old.number);
    assert_eq!((new.seconds, new.metadata.title.as_deref()), (99.0, Some("Title 2")));
    assert_eq!(catalog.by_id(old.id).await.unwrap().as_ref(), Some(&new));
    assert_eq!(catalog.find_by_source("a").await.unwrap().as_ref(), Some(&new));
    assert_eq!(catalog.find_by_content(&content(1)).await.unwrap(), None);
    assert_eq!(catalog.count().await.unwrap(), 1);
    let record = catalog.by_numbers(&[old.number]).await.unwrap().remove(0);
    assert!(record.removed_at.is_some());
    assert_eq!((record.id, record.content), (old.id, old.content));
    // Back to the old content: a third number, the same id.
    let third = replaced(&*catalog, new_track("a", 1)).await;
    assert_eq!(third.id, old.id);
    assert!(third.number > new.number);
}

pub(crate) async fn a_replaced_track_keeps_its_rule(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    added(&*catalog, NewTrack { rule: Some(rule("block")), ..new_track("a", 1) }).await;
    assert_eq!(replaced(&*catalog, new_track("a", 2)).await.rule, Some(rule("block")));
    let allowed = NewTrack { rule: Some(rule("allow")), ..new_track("a", 3) };
    assert_eq!(replaced(&*catalog, allowed).await.rule, Some(rule("allow")));
}

pub(crate) async fn same_content_under_another_source_is_another_track(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let first = added(&*catalog, new_track("a", 1)).await;
    let second = added(&*catalog, new_track("b", 1)).await;
    assert_ne!(first.id, second.id);
    assert_eq!(catalog.find_by_content(&content(1)).await.unwrap().unwrap(), first);
    assert!(catalog.remove(first.id).await.unwrap());
    assert_eq!(catalog.find_by_content(&content(1)).await.unwrap().unwrap(), second);
}

pub(crate) async fn an_import_keeps_its_id(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let track = added(&*catalog, NewTrack { id: Some(id(77)), ..new_track("a", 1) }).await;
    assert_eq!(track.id, id(77));
    // The existing id of the source takes precedence over the requested one.
    assert_eq!(unchanged(&*catalog, NewTrack { id: Some(id(78)), ..new_track("a", 1) }).await.id, id(77));
    assert_eq!(replaced(&*catalog, NewTrack { id: Some(id(78)), ..new_track("a", 2) }).await.id, id(77));
    assert_eq!(catalog.by_id(id(78)).await.unwrap(), None);
}

pub(crate) async fn an_import_of_a_live_id_updates_that_track(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let import = |source, n| NewTrack { id: Some(id(77)), ..new_track(source, n) };
    let track = added(&*catalog, import("a", 1)).await;
    assert_eq!(unchanged(&*catalog, import("a", 1)).await, track);
    assert_eq!(unchanged(&*catalog, import("elsewhere", 1)).await, track);
    let moved = replaced(&*catalog, import("b", 2)).await;
    assert_eq!((moved.id, moved.source.as_str()), (id(77), "b"));
    assert_eq!(catalog.find_by_source("a").await.unwrap(), None);
    assert_eq!(catalog.count().await.unwrap(), 1);
}

pub(crate) async fn a_source_of_another_track_is_an_error(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    added(&*catalog, NewTrack { id: Some(id(1)), ..new_track("a", 1) }).await;
    added(&*catalog, NewTrack { id: Some(id(2)), ..new_track("b", 2) }).await;
    let both = catalog.add(NewTrack { id: Some(id(1)), ..new_track("b", 3) }).await;
    assert!(matches!(both, Err(CatalogError::SourceTaken { .. })), "{both:?}");
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (2, 2));
}

pub(crate) async fn removal_keeps_the_record(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let track = added(&*catalog, new_track("a", 1)).await;
    assert!(catalog.remove(track.id).await.unwrap());
    assert!(!catalog.remove(track.id).await.unwrap());
    assert!(!catalog.remove(id(9)).await.unwrap());
    let record = catalog.by_id(track.id).await.unwrap().unwrap();
    assert!(record.removed_at.unwrap() >= record.added_at);
    assert_eq!(record, refrain_catalog::Track { removed_at: record.removed_at, ..track.clone() });
    assert_eq!(catalog.by_numbers(&[track.number]).await.unwrap(), [record]);
    assert_eq!(catalog.find_by_source("a").await.unwrap(), None);
    assert_eq!(catalog.find_by_content(&content(1)).await.unwrap(), None);
    assert_eq!(constellation(&*catalog, track.number).await, None);
    assert_eq!(catalog.count().await.unwrap(), 0);
    // The source can be added again, as another track with another number.
    let again = added(&*catalog, new_track("a", 1)).await;
    assert!(again.number > track.number && again.id != track.id);
}

pub(crate) async fn a_removed_id_can_be_added_again(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let import = NewTrack { id: Some(id(7)), ..new_track("a", 1) };
    let first = added(&*catalog, import.clone()).await;
    assert!(catalog.remove(id(7)).await.unwrap());
    let second = added(&*catalog, import.clone()).await;
    assert!(second.number > first.number);
    assert_eq!(catalog.by_id(id(7)).await.unwrap().unwrap(), second);
    assert!(catalog.remove(id(7)).await.unwrap());
    assert_eq!(catalog.by_id(id(7)).await.unwrap().unwrap().number, second.number);
}

pub(crate) async fn update_changes_only_the_given_fields(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let track = added(&*catalog, NewTrack { rule: Some(rule("block")), ..new_track("a", 1) }).await;
    let metadata = Metadata { artist: Some("Björk".into()), ..Metadata::default() };
    let update = TrackUpdate { metadata: Some(metadata.clone()), rule: None };
    let after = catalog.update(track.id, update).await.unwrap().unwrap();
    assert_eq!((&after.metadata, &after.rule), (&metadata, &track.rule));
    let update = TrackUpdate { metadata: None, rule: Some(None) };
    let after = catalog.update(track.id, update).await.unwrap().unwrap();
    assert_eq!((&after.metadata, &after.rule), (&metadata, &None));
    assert_eq!(after, refrain_catalog::Track { metadata, rule: None, ..track.clone() });
    assert_eq!(catalog.by_id(track.id).await.unwrap().unwrap(), after);
    let by_text = |text: &str| refrain_catalog::TrackFilter { text: Some(text.into()), ..Default::default() };
    assert_eq!(catalog.list(&by_text("björk"), None, 9).await.unwrap(), std::slice::from_ref(&after));
    assert_eq!(catalog.list(&by_text("title 1"), None, 9).await.unwrap(), []);
    assert_eq!(catalog.update(track.id, TrackUpdate::default()).await.unwrap().unwrap(), after);
    assert_eq!(catalog.update(id(9), TrackUpdate::default()).await.unwrap(), None);
    let changes = catalog.changes_after(1, 10).await.unwrap();
    assert!(
        changes.iter().all(|change| change.kind == ChangeKind::Relabeled),
        "the audio is unchanged: {changes:?}"
    );
    catalog.remove(track.id).await.unwrap();
    assert_eq!(catalog.update(track.id, TrackUpdate::default()).await.unwrap(), None);
}

pub(crate) async fn many_tracks_are_found_by_number(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    assert_eq!(catalog.by_numbers(&[]).await.unwrap(), []);
    let a = added(&*catalog, new_track("a", 1)).await;
    let b = added(&*catalog, new_track("b", 2)).await;
    let mut numbers = vec![TrackNumber(0), TrackNumber(u32::MAX), b.number, a.number, b.number];
    numbers.extend((1000..40_000).map(TrackNumber));
    let mut found = catalog.by_numbers(&numbers).await.unwrap();
    found.sort_by_key(|track| track.number);
    assert_eq!(found, [a, b]);
}

pub(crate) async fn invalid_lengths_are_rejected(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    for seconds in [f64::NAN, f64::INFINITY, -1.0] {
        let rejected = catalog.add(NewTrack { seconds, ..new_track("a", 1) }).await;
        assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    }
    assert_eq!(catalog.position().await.unwrap(), 0);
    added(&*catalog, NewTrack { seconds: 0.0, ..new_track("a", 1) }).await;
}

pub(crate) async fn sources_with_nul_are_rejected(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let outcomes = catalog.add_all(vec![new_track("a\0b", 1), new_track("a", 2)]).await.unwrap();
    assert!(matches!(outcomes[0], Err(CatalogError::Invalid { .. })), "{outcomes:?}");
    assert!(outcomes[1].is_ok(), "the other tracks are added: {outcomes:?}");
    let rejected = catalog.add(new_track("a\0", 3)).await;
    assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    assert_eq!(catalog.find_by_source("a\0b").await.unwrap(), None);
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (1, 1));
}

pub(crate) async fn near_duplicates_are_linked_once(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    let mut tracks = Vec::new();
    for n in 0..3 {
        tracks.push(added(&*catalog, new_track(&format!("{n}"), n)).await);
    }
    let link = |a: usize, b: usize, seconds| NearDuplicate {
        track: tracks[a].number,
        of: tracks[b].number,
        seconds,
    };
    for link in [link(1, 0, 30.5), link(1, 0, 31.0), link(0, 1, 32.0), link(2, 1, 9.0)] {
        catalog.link_near_duplicate(link).await.unwrap();
    }
    let of = async |index: usize| catalog.near_duplicates(tracks[index].number).await.unwrap();
    assert_eq!(of(0).await, [link(1, 0, 30.5)]);
    assert_eq!(of(1).await, [link(1, 0, 30.5), link(2, 1, 9.0)]);
    for invalid in
        [link(1, 1, 1.0), NearDuplicate { of: TrackNumber(99), ..link(1, 0, 1.0) }, link(2, 0, f64::NAN)]
    {
        let rejected = catalog.link_near_duplicate(invalid).await;
        assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    }
    catalog.remove(tracks[0].id).await.unwrap();
    assert_eq!(of(0).await, []);
    assert_eq!(of(1).await, [link(2, 1, 9.0)]);
    assert_eq!(catalog.near_duplicates(TrackNumber(99)).await.unwrap(), []);
}

pub(crate) async fn add_all_gives_the_results_of_single_additions(storage: &dyn TestStorage) {
    let catalog = storage.open().await;
    assert!(catalog.add_all(Vec::new()).await.unwrap().is_empty());
    let old = added(&*catalog, new_track("old", 1)).await;
    let kept = added(&*catalog, new_track("kept", 2)).await;
    let batch = vec![
        new_track("new", 3),
        new_track("old", 4),
        new_track("kept", 2),
        NewTrack { seconds: f64::NAN, ..new_track("endless", 5) },
        new_track("new", 3),
        new_track("new", 6),
        NewTrack { id: Some(id(7)), ..new_track("with an id", 7) },
    ];
    let outcomes = catalog.add_all(batch).await.unwrap();
    let [first, second, third, rejected, again, other, with_id] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    let Ok(AddOutcome::Added(new)) = first else { panic!("{first:?}") };
    assert!(
        matches!(second, Ok(AddOutcome::Replaced(track)) if track.id == old.id && track.number != old.number)
    );
    assert_eq!(third.as_ref().unwrap(), &AddOutcome::Unchanged(kept));
    assert!(matches!(rejected, Err(CatalogError::Invalid { .. })), "{rejected:?}");
    assert_eq!(again.as_ref().unwrap(), &AddOutcome::Unchanged(new.clone()));
    assert!(matches!(other, Ok(AddOutcome::Replaced(track)) if track.id == new.id));
    assert!(matches!(with_id, Ok(AddOutcome::Added(track)) if track.id == id(7)));
    assert_eq!((catalog.count().await.unwrap(), catalog.position().await.unwrap()), (4, 8));
    for track in everything(&*catalog).await.iter().filter(|track| track.removed_at.is_none()) {
        let bytes = constellation(&*catalog, track.number).await.unwrap();
        assert_eq!(content(bytes_of(&bytes)), track.content, "{}", track.source);
    }
}

/// Returns the number from which `packed` made these bytes; numbers in tests are below 100.
fn bytes_of(bytes: &[u8]) -> u64 {
    (0..100).find(|n| packed(*n, bytes.len()) == bytes).unwrap()
}
