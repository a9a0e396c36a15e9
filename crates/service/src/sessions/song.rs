//! The current song of a stream, for sinks that receive only its changes.

use refrain_catalog::DetectionId;

use crate::delivery::CurrentSong;
use refrain_core::matching::live::EventKind;

/// The songs that are playing, and the song that was reported last.
#[derive(Debug, Default, Clone)]
pub(super) struct SongState {
    /// Id, song and score of the open airings, in the order in which they were found. The last one is the song of the
    /// stream.
    playing: Vec<(DetectionId, String, u32)>,
    /// The song that was reported last; `Some(None)`: the last report was that no song plays. `None`: this session has
    /// no report yet.
    reported: Option<Option<String>>,
}

impl SongState {
    /// Creates the state of a stream that an earlier worker followed. The current song counts as reported.
    pub(super) fn resumed(playing: Vec<(DetectionId, String, u32)>) -> Self {
        let reported = playing.last().map(|(_, song, _)| song.clone());
        Self { playing, reported: Some(reported) }
    }

    /// Returns true if nothing has been reported and no song plays.
    pub(super) fn is_unreported(&self) -> bool {
        self.reported.is_none() && self.playing.is_empty()
    }

    /// Returns the state after an event of an airing.
    pub(super) fn after(mut self, kind: EventKind, id: DetectionId, song: &str, score: u32) -> Self {
        let known = self.playing.iter_mut().find(|(known, ..)| *known == id);
        match (kind, known) {
            // The previous song becomes the current one again if it still plays.
            (EventKind::Final, _) => self.playing.retain(|(known, ..)| *known != id),
            (_, Some(known)) => known.2 = score,
            // An update without a start also adds the song: this worker may not have received the start.
            (_, None) => self.playing.push((id, song.to_owned(), score)),
        }
        self
    }

    /// Returns the change to report; `None` if the current song is the one that was reported last.
    pub(super) fn change(&self) -> Option<CurrentSong<'_>> {
        let now = self.playing.last();
        let (song, score) = (now.map(|(_, song, _)| song.as_str()), now.map_or(0, |(.., score)| *score));
        let changed = match &self.reported {
            None => song.is_some(),
            Some(reported) => reported.as_deref() != song,
        };
        changed.then_some(CurrentSong { song, score, begins: self.reported.is_none() })
    }

    /// Records that the current song was reported.
    pub(super) fn set_reported(&mut self) {
        self.reported = Some(self.playing.last().map(|(_, song, _)| song.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(songs: &SongState) -> Option<(Option<&str>, bool)> {
        songs.change().map(|now| (now.song, now.begins))
    }

    #[test]
    fn only_changes_are_reported() {
        let (a, b) = (DetectionId::generate(), DetectionId::generate());
        let mut songs = SongState::default();
        assert!(songs.is_unreported() && change(&songs).is_none());
        songs = songs.after(EventKind::Start, a, "one", 10);
        assert_eq!(change(&songs), Some((Some("one"), true)));
        songs.set_reported();
        songs = songs.after(EventKind::Update, a, "one", 20);
        assert_eq!(change(&songs), None);
        // The second song begins before the first one ends.
        songs = songs.after(EventKind::Start, b, "two", 5);
        assert_eq!(change(&songs), Some((Some("two"), false)));
        songs.set_reported();
        songs = songs.after(EventKind::Final, a, "one", 30);
        assert_eq!(change(&songs), None);
        songs = songs.after(EventKind::Final, b, "two", 30);
        assert_eq!(change(&songs), Some((None, false)));
        songs.set_reported();
        assert!(change(&songs).is_none() && !songs.is_unreported());
    }

    proptest::proptest! {
        #[test]
        fn last_report_is_the_current_song(steps in proptest::collection::vec((0..4_usize, 0..3_u8), 1..40)) {
            let ids: Vec<_> = (0..4).map(|_| DetectionId::generate()).collect();
            let (mut songs, mut last, mut has_report) = (SongState::default(), None, false);
            for (n, kind) in steps {
                let kind = [EventKind::Start, EventKind::Update, EventKind::Final][usize::from(kind)];
                // Two of the four airings have the same song.
                songs = songs.after(kind, ids[n], ["a", "b", "c", "a"][n], 1);
                if let Some(now) = songs.change() {
                    proptest::prop_assert_eq!(now.begins, !has_report);
                    proptest::prop_assert_ne!(now.song.map(str::to_owned), last.clone());
                    last = now.song.map(str::to_owned);
                }
                songs.set_reported();
                has_report = true;
                proptest::prop_assert_eq!(songs.playing.last().map(|(_, song, _)| song.clone()), last.clone());
            }
        }
    }

    #[test]
    fn worker_that_takes_over_repeats_no_report() {
        let a = DetectionId::generate();
        let songs = SongState::resumed(vec![(a, "one".to_owned(), 9)]);
        assert_eq!(change(&songs.clone().after(EventKind::Update, a, "one", 11)), None);
        assert_eq!(change(&songs.after(EventKind::Final, a, "one", 11)), Some((None, false)));
        assert!(!SongState::resumed(Vec::new()).is_unreported());
    }
}
