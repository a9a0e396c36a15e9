//! The current song of a stream, for sinks that receive only its changes.

use refrain_catalog::DetectionId;

use crate::delivery::SongNow;
use refrain_monitor::EventKind;

/// The songs that are playing, and the song that was reported last.
#[derive(Debug, Default, Clone)]
pub(crate) struct Songs {
    /// Open airings in the order in which they were found. The last one is the song of the stream.
    playing: Vec<(DetectionId, String, u32)>,
    /// The song that was reported last; `Some(None)`: the last report was that no song plays. `None`: this session has no
    /// report yet.
    told: Option<Option<String>>,
}

impl Songs {
    /// Creates the state of a stream that an earlier worker followed. The current song counts as reported.
    pub(crate) fn continued(playing: Vec<(DetectionId, String, u32)>) -> Self {
        let told = playing.last().map(|(_, song, _)| song.clone());
        Self { playing, told: Some(told) }
    }

    /// Returns true if nothing has been reported and no song plays.
    pub(crate) fn are_untold(&self) -> bool {
        self.told.is_none() && self.playing.is_empty()
    }

    /// Returns the state after an event of an airing.
    pub(crate) fn after(mut self, kind: EventKind, id: DetectionId, song: &str, score: u32) -> Self {
        let known = self.playing.iter_mut().find(|(known, ..)| *known == id);
        match (kind, known) {
            (EventKind::Final, _) => self.playing.retain(|(known, ..)| *known != id),
            (_, Some(known)) => known.2 = score,
            (_, None) => self.playing.push((id, song.to_owned(), score)),
        }
        self
    }

    /// Returns the change to report, if the current song differs from the one that was reported last.
    pub(crate) fn change(&self) -> Option<SongNow<'_>> {
        let now = self.playing.last();
        let (song, score) = (now.map(|(_, song, _)| song.as_str()), now.map_or(0, |(.., score)| *score));
        let changed = match &self.told {
            None => song.is_some(),
            Some(told) => told.as_deref() != song,
        };
        changed.then_some(SongNow { song, score, begins: self.told.is_none() })
    }

    /// Records that the current song was reported.
    pub(crate) fn told(&mut self) {
        self.told = Some(self.playing.last().map(|(_, song, _)| song.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(songs: &Songs) -> Option<(Option<&str>, bool)> {
        songs.change().map(|now| (now.song, now.begins))
    }

    #[test]
    fn only_changes_are_reported() {
        let (a, b) = (DetectionId::fresh(), DetectionId::fresh());
        let mut songs = Songs::default();
        assert!(songs.are_untold() && change(&songs).is_none());
        songs = songs.after(EventKind::Start, a, "one", 10);
        assert_eq!(change(&songs), Some((Some("one"), true)));
        songs.told();
        songs = songs.after(EventKind::Update, a, "one", 20);
        assert_eq!(change(&songs), None);
        // The second song begins before the first one ends.
        songs = songs.after(EventKind::Start, b, "two", 5);
        assert_eq!(change(&songs), Some((Some("two"), false)));
        songs.told();
        songs = songs.after(EventKind::Final, a, "one", 30);
        assert_eq!(change(&songs), None);
        songs = songs.after(EventKind::Final, b, "two", 30);
        assert_eq!(change(&songs), Some((None, false)));
        songs.told();
        assert!(change(&songs).is_none() && !songs.are_untold());
    }

    proptest::proptest! {
        #[test]
        fn last_report_is_the_current_song(steps in proptest::collection::vec((0..4_usize, 0..3_u8), 1..40)) {
            let ids: Vec<_> = (0..4).map(|_| DetectionId::fresh()).collect();
            let (mut songs, mut last, mut begun) = (Songs::default(), None, false);
            for (n, kind) in steps {
                let kind = [EventKind::Start, EventKind::Update, EventKind::Final][usize::from(kind)];
                // Two of the four airings have the same song.
                songs = songs.after(kind, ids[n], ["a", "b", "c", "a"][n], 1);
                if let Some(now) = songs.change() {
                    proptest::prop_assert_eq!(now.begins, !begun);
                    proptest::prop_assert_ne!(now.song.map(str::to_owned), last.clone());
                    last = now.song.map(str::to_owned);
                }
                songs.told();
                begun = true;
                proptest::prop_assert_eq!(songs.playing.last().map(|(_, song, _)| song.clone()), last.clone());
            }
        }
    }

    #[test]
    fn worker_that_takes_over_repeats_no_report() {
        let a = DetectionId::fresh();
        let songs = Songs::continued(vec![(a, "one".to_owned(), 9)]);
        assert_eq!(change(&songs.clone().after(EventKind::Update, a, "one", 11)), None);
        assert_eq!(change(&songs.after(EventKind::Final, a, "one", 11)), Some((None, false)));
        assert!(!Songs::continued(Vec::new()).are_untold());
    }
}
