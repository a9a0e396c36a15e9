//! The song of a stream, for those who only want to know when it changes.

use refrain_catalog::DetectionId;

use crate::delivery::SongNow;
use crate::monitor::EventKind;

/// What plays, and what was told of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Songs {
    /// Airings that go on, in the order in which they were found: the last one is the song of the stream.
    playing: Vec<(DetectionId, String, u32)>,
    /// What was told last; `Some(None)`: that no song plays. `None`: nothing was told of this session yet.
    told: Option<Option<String>>,
}

impl Songs {
    /// Those of a stream that somebody else had followed: what plays was told.
    pub(crate) fn continued(playing: Vec<(DetectionId, String, u32)>) -> Self {
        let told = playing.last().map(|(_, song, _)| song.clone());
        Self { playing, told: Some(told) }
    }

    /// Whether nothing was told and nothing plays.
    pub(crate) fn are_untold(&self) -> bool {
        self.told.is_none() && self.playing.is_empty()
    }

    /// After an event of an airing.
    pub(crate) fn after(mut self, kind: EventKind, id: DetectionId, song: &str, score: u32) -> Self {
        let known = self.playing.iter_mut().find(|(known, ..)| *known == id);
        match (kind, known) {
            (EventKind::Final, _) => self.playing.retain(|(known, ..)| *known != id),
            (_, Some(known)) => known.2 = score,
            (_, None) => self.playing.push((id, song.to_owned(), score)),
        }
        self
    }

    /// What is to be told, if the song is another than the one that was told.
    pub(crate) fn change(&self) -> Option<SongNow<'_>> {
        let now = self.playing.last();
        let (song, score) = (now.map(|(_, song, _)| song.as_str()), now.map_or(0, |(.., score)| *score));
        let changed = match &self.told {
            None => song.is_some(),
            Some(told) => told.as_deref() != song,
        };
        changed.then_some(SongNow { song, score, begins: self.told.is_none() })
    }

    /// It was told.
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
    fn only_changes_are_told() {
        let (a, b) = (DetectionId::fresh(), DetectionId::fresh());
        let mut songs = Songs::default();
        assert!(songs.are_untold() && change(&songs).is_none());
        songs = songs.after(EventKind::Start, a, "one", 10);
        assert_eq!(change(&songs), Some((Some("one"), true)));
        songs.told();
        songs = songs.after(EventKind::Update, a, "one", 20);
        assert_eq!(change(&songs), None);
        // Another begins before this one is over.
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
        fn what_was_told_last_is_what_plays(steps in proptest::collection::vec((0..4_usize, 0..3_u8), 1..40)) {
            let ids: Vec<_> = (0..4).map(|_| DetectionId::fresh()).collect();
            let (mut songs, mut last, mut begun) = (Songs::default(), None, false);
            for (n, kind) in steps {
                let kind = [EventKind::Start, EventKind::Update, EventKind::Final][usize::from(kind)];
                // Two airings are of one song.
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
    fn who_goes_on_repeats_nothing() {
        let a = DetectionId::fresh();
        let songs = Songs::continued(vec![(a, "one".to_owned(), 9)]);
        assert_eq!(change(&songs.clone().after(EventKind::Update, a, "one", 11)), None);
        assert_eq!(change(&songs.after(EventKind::Final, a, "one", 11)), Some((None, false)));
        assert!(!Songs::continued(Vec::new()).are_untold());
    }
}
