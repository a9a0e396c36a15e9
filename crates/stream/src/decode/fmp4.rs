//! Parser of MP4 fragments, which finds the packets of a track and their times (ISO/IEC 14496-12, 8.8).
//!
//! The MP4 demuxer of `refrain-core` reads the configuration of the codec. It cannot read single fragments and ignores
//! their time (`tfdt`), so this parser reads them.

/// Names of the boxes with which a segment or an initialization section can begin.
const FIRST_BOXES: [&[u8; 4]; 11] =
    [b"styp", b"moof", b"sidx", b"emsg", b"prft", b"ftyp", b"moov", b"mdat", b"free", b"skip", b"uuid"];

/// Returns true if `bytes` begin like a segment or an initialization section of MP4.
pub(crate) fn looks_like_mp4(bytes: &[u8]) -> bool {
    bytes.get(4..8).is_some_and(|name| FIRST_BOXES.iter().any(|first| *first == name))
}

/// Returns the bytes of a segment before its first fragment if they describe the tracks (`moov`); otherwise `None`.
pub(crate) fn embedded_init(segment: &[u8]) -> Option<&[u8]> {
    let mut described = false;
    for found in Boxes::new(segment) {
        match &found.name {
            b"moov" => described = true,
            b"moof" => return segment.get(..found.start).filter(|_| described),
            _ => {}
        }
    }
    None
}

/// One MP4 sample of a track: a packet of the codec, not an audio sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mp4Sample<'a> {
    /// Bytes of the packet.
    pub(crate) data: &'a [u8],
    /// Position of the packet in the segment, in bytes.
    pub(crate) start: usize,
    /// Start in ticks of the track; `None` if the fragment contains no start time.
    pub(super) time: Option<u64>,
    /// Duration in ticks of the track.
    pub(super) duration: u32,
}

/// Default duration (ticks) and size (bytes) of the MP4 samples of a track, for fragments without these values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Defaults {
    duration: u32,
    size: u32,
}

impl Defaults {
    /// Reads the defaults of a track (`trex`) from an initialization section. Both are 0 if the section has none for
    /// the track.
    pub(crate) fn read(init: &[u8], track: u32) -> Self {
        let trex =
            child(init, b"moov").and_then(|moov| child(moov, b"mvex")).into_iter().flat_map(Boxes::new);
        let read = |body: &[u8]| {
            let mut fields = BigEndianReader(body);
            fields.skip(4)?;
            let id = fields.u32()?;
            fields.skip(4)?;
            Some((id, Self { duration: fields.u32()?, size: fields.u32()? }))
        };
        let mut all = trex.filter(|found| &found.name == b"trex").filter_map(|found| read(found.body));
        all.find(|(id, _)| *id == track).map(|(_, defaults)| defaults).unwrap_or_default()
    }
}

/// Passes the MP4 samples of a track in a segment to `emit`, in order. After damage, the rest of the track fragment is
/// skipped. All samples together have at most as many bytes as the segment: otherwise, track runs (`trun`) that
/// repeatedly refer to the same bytes could turn a megabyte into days of work.
pub(crate) fn samples<'a>(
    segment: &'a [u8],
    track: u32,
    defaults: Defaults,
    emit: &mut dyn FnMut(Mp4Sample<'a>),
) {
    let mut remaining = segment.len();
    for moof in Boxes::new(segment).filter(|found| &found.name == b"moof") {
        let mut end = moof.start;
        for traf in Boxes::new(moof.body).filter(|found| &found.name == b"traf") {
            let fragment = Fragment::read(traf.body, defaults, moof.start, end);
            let Some(fragment) = fragment else { continue };
            end = fragment
                .run(traf.body, segment, &mut remaining, &mut |sample| {
                    if fragment.track == track {
                        emit(sample);
                    }
                })
                .unwrap_or(end);
        }
    }
}

/// Header (`tfhd`) and start time (`tfdt`) of a track fragment.
struct Fragment {
    track: u32,
    /// Position in the segment to which data offsets are relative.
    base: usize,
    time: Option<u64>,
    defaults: Defaults,
}

impl Fragment {
    fn read(traf: &[u8], mut defaults: Defaults, moof: usize, end: usize) -> Option<Self> {
        let mut fields = BigEndianReader(child(traf, b"tfhd")?);
        let flags = fields.u32()?;
        let track = fields.u32()?;
        let mut base = if flags & 0x2_0000 != 0 { moof } else { end };
        if flags & 1 != 0 {
            base = usize::try_from(fields.u64()?).ok()?;
        }
        fields.skip(if flags & 2 != 0 { 4 } else { 0 })?;
        if flags & 8 != 0 {
            defaults.duration = fields.u32()?;
        }
        if flags & 0x10 != 0 {
            defaults.size = fields.u32()?;
        }
        let time = child(traf, b"tfdt").and_then(|body| {
            let mut fields = BigEndianReader(body);
            if fields.u32()? >> 24 == 1 { fields.u64() } else { fields.u32().map(u64::from) }
        });
        Some(Self { track, base, time, defaults })
    }

    /// Passes the MP4 samples of all track runs (`trun`) in `traf` to `emit`, and subtracts their lengths from
    /// `remaining`. Returns the offset in `segment` of the end of the last sample, or `None` after damage or if the
    /// samples have more than `remaining` bytes.
    fn run<'a>(
        &self,
        traf: &[u8],
        segment: &'a [u8],
        remaining: &mut usize,
        emit: &mut dyn FnMut(Mp4Sample<'a>),
    ) -> Option<usize> {
        let (mut at, mut time) = (self.base, self.time);
        for trun in Boxes::new(traf).filter(|found| &found.name == b"trun") {
            let mut fields = BigEndianReader(trun.body);
            let flags = fields.u32()?;
            let count = fields.u32()?;
            if flags & 1 != 0 {
                at = self.base.checked_add_signed(isize::try_from(fields.u32()?.cast_signed()).ok()?)?;
            }
            fields.skip(if flags & 4 != 0 { 4 } else { 0 })?;
            for _ in 0..count {
                let duration = if flags & 0x100 != 0 { fields.u32()? } else { self.defaults.duration };
                let size = if flags & 0x200 != 0 { fields.u32()? } else { self.defaults.size };
                fields.skip(if flags & 0x400 != 0 { 4 } else { 0 })?;
                fields.skip(if flags & 0x800 != 0 { 4 } else { 0 })?;
                let end = at.checked_add(usize::try_from(size).ok()?)?;
                // Without this check, an attacker could declare four billion empty samples.
                let data = segment.get(at..end).filter(|data| !data.is_empty())?;
                *remaining = remaining.checked_sub(data.len())?;
                emit(Mp4Sample { data, start: at, time, duration });
                time = time.map(|time| time.saturating_add(duration.into()));
                at = end;
            }
        }
        Some(at)
    }
}

/// An MP4 box.
struct Mp4Box<'a> {
    name: [u8; 4],
    /// Offset of the header of the box in the bytes that [`Boxes`] iterates over.
    start: usize,
    body: &'a [u8],
}

/// Iterator over consecutive boxes. The last box may be truncated.
struct Boxes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Boxes<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = Mp4Box<'a>;

    fn next(&mut self) -> Option<Mp4Box<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..)?;
        let mut fields = BigEndianReader(rest);
        let size = fields.u32()?;
        let name = fields.u32()?.to_be_bytes();
        let (header, size) = match size {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(fields.u64()?).ok()?),
            size => (8, usize::try_from(size).ok()?),
        };
        // A truncated box is read as far as it goes, because a live segment can end within its `mdat`.
        let end = size.min(rest.len());
        let body = rest.get(header..end)?;
        self.at = start + end;
        Some(Mp4Box { name, start, body })
    }
}

fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes::new(bytes).find(|found| &found.name == name).map(|found| found.body)
}

/// Reads numbers whose most significant byte is first. The methods return `None` if too few bytes are left.
struct BigEndianReader<'a>(&'a [u8]);

impl BigEndianReader<'_> {
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }

    fn u32(&mut self) -> Option<u32> {
        let (now, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*now))
    }

    fn u64(&mut self) -> Option<u64> {
        let (now, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(8 + body.len() as u32).to_be_bytes(), &name[..], body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Returns a segment of two tracks, one fragment each, with sizes and durations in every place where they are
    /// allowed.
    fn segment() -> Vec<u8> {
        let build = |data: u32| {
            let video = [
                make(b"tfhd", &words(&[0x2_0010, 1, 5])),
                make(b"trun", &words(&[1, 2, data])), // two samples of the default size
            ];
            let audio = [
                make(b"tfhd", &words(&[0x2_0000, 2])),
                make(b"tfdt", &words(&[1 << 24, 1, 7])),
                make(b"trun", &words(&[0x305, 2, data + 10, 0, 100, 3, 200, 4])),
                make(b"trun", &words(&[0x200, 1, 2])),
            ];
            let trafs = [make(b"traf", &video.concat()), make(b"traf", &audio.concat())];
            make(b"moof", &trafs.concat())
        };
        let length = build(0).len() as u32 + 8;
        [make(b"styp", b"msdh"), build(length), make(b"mdat", b"vvvvvVVVVVaaabbbbcc")].concat()
    }

    fn of_track(segment: &[u8], track: u32) -> Vec<(Vec<u8>, Option<u64>, u32)> {
        let mut all = Vec::new();
        let defaults = Defaults { duration: 50, size: 9 };
        samples(segment, track, defaults, &mut |s| all.push((s.data.to_vec(), s.time, s.duration)));
        all
    }

    #[test]
    fn samples_are_found_with_their_times() {
        let start = (1 << 32) + 7;
        let audio = [
            (b"aaa".to_vec(), Some(start), 100),
            (b"bbbb".to_vec(), Some(start + 100), 200),
            (b"cc".to_vec(), Some(start + 300), 50),
        ];
        assert_eq!(of_track(&segment(), 2), audio);
        assert_eq!(of_track(&segment(), 1), [(b"vvvvv".to_vec(), None, 50), (b"VVVVV".to_vec(), None, 50)]);
    }

    #[test]
    fn truncated_and_damaged_segments_do_not_panic() {
        let intact = segment();
        for cut in 0..intact.len() {
            assert!(of_track(&intact[..cut], 2).len() < 3);
            let mut damaged = intact.clone();
            damaged[cut] ^= 0xFF;
            of_track(&damaged, 2);
        }
    }

    #[test]
    fn defaults_are_read_from_the_trex_of_the_track() {
        let trex = |id, size| make(b"trex", &words(&[0, id, 1, 1_024, size, 0]));
        let moov = make(b"moov", &make(b"mvex", &[trex(1, 11), trex(2, 22)].concat()));
        let init = [make(b"ftyp", b"isom"), moov].concat();
        assert_eq!(Defaults::read(&init, 2), Defaults { duration: 1_024, size: 22 });
        assert_eq!(Defaults::read(&init, 3), Defaults::default());
        assert!(looks_like_mp4(&init) && !looks_like_mp4(b"<html></html>"));
        assert_eq!(
            embedded_init(&[init.clone(), segment()].concat()),
            Some(&[init, make(b"styp", b"msdh")].concat()[..])
        );
        assert_eq!(embedded_init(&segment()), None);
    }
}
