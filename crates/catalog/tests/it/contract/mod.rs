//! What every catalogue promises. A backend brings a [`Place`] and calls [`contract_suite!`].

use std::sync::Arc;

use async_trait::async_trait;
use refrain_catalog::{
    AddOutcome, Catalog, ContentHash, Metadata, NewTrack, Rule, Track, TrackId, TrackNumber,
};

pub(crate) mod attempts;
pub(crate) mod backlog;
pub(crate) mod changes;
pub(crate) mod comparisons;
pub(crate) mod detections;
pub(crate) mod health;
pub(crate) mod identity;
pub(crate) mod leases;
pub(crate) mod listing;
pub(crate) mod outbox;
pub(crate) mod races;
pub(crate) mod streams;
pub(crate) mod tracks;
pub(crate) mod turns;

/// Where one catalogue lives, empty at first; each opening is a handle of its own, as of another process.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    async fn open(&self) -> Arc<dyn Catalog>;

    /// Its URL.
    fn url(&self) -> String;
}

/// One test per promise. `$place` makes a fresh place.
macro_rules! contract_suite {
    ($place:expr) => {
        contract_suite! { $place;
            tracks: add_gives_back_what_was_told, the_same_again_is_unchanged, other_content_replaces,
                a_replaced_track_keeps_its_rule, same_content_elsewhere_is_its_own_track,
                an_import_keeps_its_id, an_import_of_a_live_id, a_source_that_is_taken,
                removal_keeps_the_record, a_removed_id_may_come_back, update_changes_what_it_names,
                numbers_are_found_in_bulk, lengths_that_are_none_are_refused, near_duplicates_are_links,
                many_are_added_like_one_after_the_other;
            listing: pages_are_complete_and_in_order, filters_choose, text_is_taken_literally,
                text_ignores_case_in_every_script, nothing_is_too_odd_to_store, nul_is_replaced,
                links_are_listed_in_pages;
            changes: changes_tell_what_can_be_heard, constellations_go_with_their_track, constellations_of_any_size,
                a_new_label_is_told, a_change_is_waited_for;
            health: a_good_catalogue_is_well;
            identity: none_is_made_in_passing, each_catalogue_has_its_own, a_second_handle_sees_all, closing_twice_is_fine;
            races: one_source_added_by_many_is_one_track, replacing_and_removing_at_once, readers_are_never_in_the_way,
                a_dropped_call_leaves_nothing_half;
            streams: a_start_that_is_told_twice_is_one_stream, a_late_start_of_an_earlier_session_is_known,
                a_session_without_a_name_starts_again_when_it_is_over, an_end_is_of_one_session,
                streams_are_listed, many_tell_of_the_same_starts;
            leases: streams_are_claimed_as_capacity_allows, archives_are_claimed_by_themselves, a_lease_that_ran_out_is_taken_over,
                leases_are_handed_back_at_once, a_report_needs_the_lease_and_the_session,
                many_claim_each_stream_once;
            attempts: a_stream_that_kills_its_process_is_quarantined,
                orderly_ends_of_work_clear_the_deaths_of_a_stream,
                streams_of_a_killed_worker_are_not_quarantined_with_the_killer,
                deaths_of_decoders_are_counted_until_the_stream_is_healthy, expired_lease_counts_as_waiting,
                attempts_are_counted_until_they_end, only_the_holder_of_a_stream_records,
                a_remembered_end_refuses_a_late_start;
            comparisons: a_new_track_owes_its_comparison, a_removed_track_owes_nothing;
            turns: a_turn_is_for_one, what_nobody_would_end_is_found, what_ended_lately_is_found;
            detections: an_airing_is_one_row_from_start_to_end, what_is_known_better_stays,
                detections_are_found_by_overlap, overlap_is_as_simple_as_it_says, pages_of_detections_are_complete,
                open_detections_are_gone_on_with, detections_that_are_none_are_refused,
                the_last_state_of_an_airing_wins_a_race;
            backlog: messages_that_no_process_claims_expire, messages_of_a_sink_are_counted_and_dropped;
            outbox: messages_are_due_by_the_clock_of_the_database, a_message_is_taken_once_per_sink_and_key, a_claim_that_nobody_tells_of_comes_back,
                what_fails_is_tried_again_until_it_is_dead, what_is_delivered_is_delivered, messages_are_listed,
                many_claim_each_message_once, the_backlog_is_counted, retention_goes_in_batches, each_kind_has_an_age_of_its_own;
        }
    };
    ($place:expr; $($module:ident: $($name:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::contract::$module::$name(&$place).await;
            })+
        })+
    };
}
pub(crate) use contract_suite;

pub(crate) fn content(n: u64) -> ContentHash {
    let mut hash = [0xa5; 32];
    hash[..8].copy_from_slice(&n.to_le_bytes());
    ContentHash(hash)
}

pub(crate) fn new_track(source: &str, n: u64) -> NewTrack {
    NewTrack {
        id: None,
        source: source.into(),
        content: content(n),
        seconds: 200.5,
        metadata: Metadata { title: Some(format!("Title {n}")), ..Metadata::default() },
        rule: None,
        constellation: packed(n, 1000),
    }
}

/// Bytes that tell their track.
pub(crate) fn packed(n: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (n.wrapping_mul(31) ^ i.wrapping_mul(i + 7)) as u8).collect()
}

pub(crate) fn rule(text: &str) -> Rule {
    text.parse().unwrap()
}

pub(crate) fn id(n: u128) -> TrackId {
    TrackId(uuid::Uuid::from_u128(n))
}

pub(crate) async fn added(catalog: &dyn Catalog, new: NewTrack) -> Track {
    match catalog.add(new).await.unwrap() {
        AddOutcome::Added(track) => track,
        other => panic!("expected a new track: {other:?}"),
    }
}

pub(crate) async fn replaced(catalog: &dyn Catalog, new: NewTrack) -> Track {
    match catalog.add(new).await.unwrap() {
        AddOutcome::Replaced(track) => track,
        other => panic!("expected a replaced track: {other:?}"),
    }
}

pub(crate) async fn unchanged(catalog: &dyn Catalog, new: NewTrack) -> Track {
    match catalog.add(new).await.unwrap() {
        AddOutcome::Unchanged(track) => track,
        other => panic!("expected an unchanged track: {other:?}"),
    }
}

pub(crate) async fn constellation(catalog: &dyn Catalog, number: TrackNumber) -> Option<Vec<u8>> {
    let mut all = catalog.constellations(&[number]).await.unwrap();
    assert!(all.len() <= 1);
    all.pop().map(|(found, bytes)| {
        assert_eq!(found, number);
        bytes
    })
}

/// Every track, removed ones too, read in pages of an awkward size.
pub(crate) async fn everything(catalog: &dyn Catalog) -> Vec<Track> {
    let filter = refrain_catalog::TrackFilter { removed: true, ..Default::default() };
    let mut all: Vec<Track> = Vec::new();
    loop {
        let page = catalog.list(&filter, all.last().map(|track| track.number), 7).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}
