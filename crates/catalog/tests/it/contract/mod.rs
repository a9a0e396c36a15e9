//! The contract of every catalog. A backend implements [`TestStorage`] and calls [`contract_suite!`].

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
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod tracks;
pub(crate) mod turns;

/// Storage for one catalog, initially empty. Each call of `open` returns another handle, as in another process.
#[async_trait]
pub(crate) trait TestStorage: Send + Sync {
    async fn open(&self) -> Arc<dyn Catalog>;

    /// URL of the catalog.
    fn url(&self) -> String;
}

/// Defines one test per guarantee. `$storage` creates an empty place.
macro_rules! contract_suite {
    ($storage:expr) => {
        contract_suite! { $storage;
            tracks: add_returns_the_stored_track, adding_the_same_content_again_is_unchanged,
                other_content_replaces_the_track, a_replaced_track_keeps_its_rule,
                same_content_under_another_source_is_another_track, an_import_keeps_its_id,
                an_import_of_a_live_id_updates_that_track, a_source_of_another_track_is_an_error,
                removal_keeps_the_record, a_removed_id_can_be_added_again,
                update_changes_only_the_given_fields, many_tracks_are_found_by_number,
                invalid_lengths_are_rejected, sources_with_nul_are_rejected, near_duplicates_are_linked_once,
                add_all_gives_the_results_of_single_additions;
            listing: pages_are_complete_and_in_order, filters_select_tracks, text_filters_match_literally,
                text_ignores_case_in_every_script, unusual_text_is_stored_unchanged, nul_characters_are_replaced,
                links_are_listed_in_pages;
            changes: changes_list_added_and_removed_tracks, constellations_are_deleted_with_their_track,
                constellations_of_any_size_are_stored, a_metadata_update_is_a_change, waiting_ends_with_a_change;
            health: a_valid_catalog_is_healthy;
            identity: open_existing_creates_no_catalog, each_handle_returns_the_same_identity,
                a_second_handle_sees_all_changes, closing_twice_succeeds;
            races: one_source_added_concurrently_is_one_track,
                concurrent_replacements_and_removals_stay_consistent,
                readers_see_complete_tracks_during_writes,
                a_dropped_call_takes_effect_completely_or_not_at_all;
            streams: a_start_reported_twice_is_one_stream, headers_are_replaced_by_the_next_start,
                a_late_start_of_an_earlier_session_is_ignored,
                a_session_without_a_name_starts_again_after_its_end, an_end_applies_to_one_session_only,
                streams_are_listed_in_pages, concurrent_reports_of_the_same_starts_agree;
            leases: streams_are_claimed_oldest_first_up_to_the_limit, archives_are_claimed_separately,
                an_expired_lease_is_taken_over, released_streams_are_claimable_at_once,
                concurrent_claims_return_each_stream_once;
            sessions: a_report_needs_the_lease_and_the_session, open_alerts_are_stored_until_the_next_session, a_worker_that_lost_its_stream_cannot_record,
                an_update_of_a_session_is_stored_completely_or_not_at_all, a_repeated_update_changes_nothing,
                an_update_after_the_end_stores_its_detections, the_position_belongs_to_the_stored_detections;
            attempts: a_stream_that_kills_its_process_is_quarantined,
                confirmation_and_release_clear_the_deaths_of_a_stream,
                other_streams_of_a_killed_worker_are_not_quarantined,
                deaths_of_decoders_are_counted_until_the_stream_is_healthy, expired_lease_counts_as_waiting,
                attempts_are_counted_until_they_end, a_remembered_end_rejects_a_late_start;
            comparisons: a_new_track_is_pending_until_it_is_compared, a_removed_track_is_not_pending;
            turns: one_caller_per_period_gets_the_turn, open_detections_without_a_live_stream_are_found,
                recently_final_detections_are_found;
            detections: an_airing_is_one_row_from_start_to_end, an_older_state_does_not_replace_a_newer_one,
                detections_are_found_by_overlap, overlap_queries_agree_with_a_linear_scan,
                pages_of_detections_are_complete, open_detections_are_listed_until_they_are_final,
                invalid_detections_are_rejected, the_last_state_of_an_airing_wins_a_race;
            backlog: messages_that_no_process_claims_expire, messages_of_a_sink_are_counted_and_dropped;
            outbox: messages_are_due_by_the_clock_of_the_database,
                a_message_is_stored_once_per_sink_and_key, a_message_is_due_again_after_its_claim_expires,
                failed_deliveries_are_retried_until_they_are_dead, delivered_messages_stay_delivered,
                messages_are_listed_in_pages, concurrent_claims_return_each_message_once,
                the_backlog_is_counted, expired_records_are_pruned_in_batches,
                each_kind_of_record_has_its_own_age_limit;
        }
    };
    ($storage:expr; $($module:ident: $($name:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::contract::$module::$name(&$storage).await;
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

/// Deterministic bytes that identify their track.
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

/// All tracks, including removed ones, read in pages of an odd size.
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
