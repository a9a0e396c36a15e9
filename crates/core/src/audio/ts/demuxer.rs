//! The demuxer of transport streams.

use super::choice::{ChoiceFit, TrackChoice};
use super::continuity::{Continuity, ContinuityCounters};
use super::damage::TsDamage;
use super::frames::{AudioFrame, FrameSplitter};
use super::headers::AudioCoding;
use super::packet::{is_duplicate, payload};
use super::pes::Pes;
use super::psi::{self, MAX_PROGRAMS, PmtEntry, SectionAssembler};
use super::sync::{self, PACKET_BYTES, PacketSync};

/// Packet id of the program association table, which lists the programs.
const PAT: u16 = 0;

/// The audio stream that a [`TsDemuxer`] has selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TsStream {
    /// Packet id of the stream.
    pub pid: u16,
    /// Coding of the audio frames.
    pub coding: AudioCoding,
    /// Packet id of the program map table that lists the stream.
    table: u16,
}

/// Splits the pushed bytes of a transport stream into the frames of one supported audio stream, which [`TrackChoice`]
/// describes.
///
/// The memory of a demuxer is limited, also for live streams, if the caller reads all frames with
/// [`TsDemuxer::next_frame`]. If a program map table moves the audio stream to another packet id, the demuxer follows
/// it.
///
/// # Examples
///
/// ```
/// use refrain_core::audio::LiveDecoder;
/// use refrain_core::audio::ts::TsDemuxer;
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/aac.ts");
/// let (mut demuxer, mut decoder) = (TsDemuxer::new(), LiveDecoder::new());
/// for piece in std::fs::read(file)?.chunks(1_000) {
///     demuxer.push(piece);
///     while let Some(frame) = demuxer.next_frame() {
///         decoder.use_frames(frame.format)?;
///         decoder.decode(&frame.data)?;
///         demuxer.recycle(frame);
///     }
/// }
/// assert!(decoder.ready().len() > 44_100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TsDemuxer {
    sync: PacketSync,
    counters: ContinuityCounters,
    pat: SectionAssembler,
    tables: Vec<(u16, SectionAssembler)>,
    tables_read: bool,
    choice: TrackChoice,
    stream: Option<TsStream>,
    /// How well the selected stream satisfies `choice`.
    fit: ChoiceFit,
    unsupported_codec: Option<&'static str>,
    pes: Pes,
    splitter: Option<FrameSplitter>,
    /// Unread frames of audio streams that were selected before the current one.
    leftover_frames: Vec<AudioFrame>,
    /// Last packet of the audio stream, to distinguish a duplicate of it from another packet with the same counter.
    last: [u8; PACKET_BYTES],
    damage: TsDamage,
    truncated: bool,
}

impl Default for TsDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsDemuxer {
    /// Creates a demuxer at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::with_choice(TrackChoice::default())
    }

    /// Creates a demuxer at the start of a stream, with a preference for one of its audio streams.
    #[must_use]
    pub fn with_choice(choice: TrackChoice) -> Self {
        Self {
            sync: PacketSync::default(),
            counters: ContinuityCounters::new(),
            pat: SectionAssembler::default(),
            tables: Vec::new(),
            tables_read: false,
            choice,
            stream: None,
            fit: ChoiceFit::default(),
            unsupported_codec: None,
            pes: Pes::default(),
            splitter: None,
            leftover_frames: Vec::new(),
            last: [0; PACKET_BYTES],
            damage: TsDamage::default(),
            truncated: false,
        }
    }

    /// Adds the next bytes of the transport stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.sync.push(bytes);
        while let Some(packet) = self.sync.next(false) {
            self.take(&packet);
        }
    }

    /// Announces that the next pushed bytes begin a new segment. `head` are its first bytes, which are not added by
    /// this call. If `head` begins with a packet, an incomplete packet at the end of the previous segment is discarded,
    /// and [`TsDemuxer::is_truncated`] returns true from then on.
    pub fn begin_segment(&mut self, head: &[u8]) {
        if self.sync.has_partial_packet() && sync::starts_with_packets(head) {
            self.drain();
            self.truncated |= self.sync.has_partial_packet();
            self.sync.restart();
        }
    }

    /// Records that a section of the stream is missing between the last push and the next one. Complete frames before
    /// the gap can still be read, and an incomplete frame is discarded. The audio stream stays selected.
    pub fn interrupt(&mut self) {
        self.drain();
        self.sync.restart();
        self.counters.reset();
        self.pes = Pes::default();
        self.splitter.iter_mut().for_each(FrameSplitter::gap);
        self.pat.gap();
        self.tables.iter_mut().for_each(|(_, sections)| sections.gap());
    }

    /// Ends the stream. Complete frames can still be read.
    pub fn finish(&mut self) {
        self.drain();
        self.truncated |= self.sync.has_partial_packet();
        self.truncated |= self.splitter.as_mut().is_some_and(FrameSplitter::finish);
    }

    /// Returns the next frame in stream order, or `None` if more bytes are needed.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        if self.leftover_frames.is_empty() {
            return self.splitter.as_mut()?.next_frame();
        }
        Some(self.leftover_frames.remove(0))
    }

    /// Reuses the memory of a frame that the caller does not need any more.
    pub fn recycle(&mut self, frame: AudioFrame) {
        if let Some(splitter) = &mut self.splitter {
            splitter.recycle(frame);
        }
    }

    /// Returns the selected audio stream, or `None` before a program map table lists a supported audio stream.
    #[must_use]
    pub fn stream(&self) -> Option<TsStream> {
        self.stream
    }

    /// Returns the name of an audio codec that is not supported: of the selected stream if only its frames name their
    /// codec, or of the first such stream if none is selected. Returns `None` otherwise.
    #[must_use]
    pub fn unsupported_codec(&self) -> Option<&str> {
        match &self.splitter {
            Some(splitter) => splitter.unsupported_codec(),
            None => self.unsupported_codec,
        }
    }

    /// Returns true if a program map table was read. If true, `None` from [`TsDemuxer::stream`] means that the program
    /// has no supported audio.
    #[must_use]
    pub fn has_program_map(&self) -> bool {
        self.tables_read
    }

    /// Returns the counts of damage so far.
    #[must_use]
    pub fn damage(&self) -> TsDamage {
        let bad_frames = self.damage.bad_frames + self.splitter.as_ref().map_or(0, FrameSplitter::damaged);
        TsDamage { bad_packets: self.damage.bad_packets + self.sync.damaged, bad_frames, ..self.damage }
    }

    /// Returns true if the stream, or a segment of it, ended within a packet or a frame.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Processes the remaining packets at the end of a stream or segment.
    fn drain(&mut self) {
        while let Some(packet) = self.sync.next(true) {
            self.take(&packet);
        }
    }

    fn take(&mut self, packet: &[u8; PACKET_BYTES]) {
        let [_, flags, low, control, ..] = *packet;
        let pid = u16::from_be_bytes([flags & 0x1F, low]);
        let audio = self.stream.is_some_and(|stream| stream.pid == pid);
        let table = self.tables.iter().any(|(table, _)| *table == pid);
        if !(audio || table || pid == PAT) {
            return;
        }
        if flags & 0x80 != 0 {
            self.damage.bad_packets += 1; // marked as damaged by the receiver
            return;
        }
        let Some((payload, announced)) = payload(packet, control) else { return };
        // Packets of tables are not compared, because reading a section twice has no effect.
        let duplicate = !audio || is_duplicate(packet, &std::mem::replace(&mut self.last, *packet));
        match self.counters.record(pid, control & 0xF) {
            Continuity::Repeated if duplicate => return,
            // Another packet with an equal counter: its counter restarted with a segment, or packets were lost.
            Continuity::Repeated => self.gap(pid, audio, 0),
            Continuity::Next => {}
            Continuity::Jump(missing) => self.gap(pid, audio, if announced { 0 } else { missing }),
        }
        let unit_start = flags & 0x40 != 0;
        if !audio {
            return self.take_table(pid, payload, unit_start);
        }
        if control & 0xC0 != 0 {
            self.damage.scrambled_packets += 1;
            return;
        }
        match self.pes.push(payload, unit_start) {
            Ok(Some(pes_payload)) => {
                if let Some(splitter) = &mut self.splitter {
                    splitter.push(pes_payload.bytes, pes_payload.pts);
                }
            }
            Ok(None) => {}
            Err(()) => self.damage.bad_sections += 1,
        }
    }

    fn gap(&mut self, pid: u16, audio: bool, missing: u64) {
        if audio {
            self.damage.lost_packets += missing;
            self.pes.gap();
            self.splitter.iter_mut().for_each(FrameSplitter::gap);
        } else if pid == PAT {
            self.pat.gap();
        } else {
            let of = self.tables.iter_mut().filter(|(table, _)| *table == pid);
            of.for_each(|(_, sections)| sections.gap());
        }
    }

    fn take_table(&mut self, pid: u16, payload: &[u8], unit_start: bool) {
        let damaged = &mut self.damage.bad_sections;
        if pid == PAT {
            for section in self.pat.push(payload, unit_start, damaged) {
                for table in psi::read_pat(&section).unwrap_or_default() {
                    if self.tables.iter().all(|(known, _)| *known != table)
                        && self.tables.len() < MAX_PROGRAMS
                    {
                        self.tables.push((table, SectionAssembler::default()));
                    }
                }
            }
            return;
        }
        let Some((_, sections)) = self.tables.iter_mut().find(|(table, _)| *table == pid) else { return };
        for section in sections.push(payload, unit_start, damaged) {
            if let Some(entries) = psi::read_pmt(&section) {
                self.select_stream(pid, &entries);
            }
        }
    }

    /// Selects the best supported audio stream in `entries`, the content of the program map table with packet id
    /// `table`. Keeps the current stream if `entries` still lists it, or if the current stream belongs to another
    /// table, unless the best one satisfies the preferences better.
    fn select_stream(&mut self, table: u16, entries: &[PmtEntry]) {
        self.tables_read = true;
        let best = self.choice.best(entries);
        let is_better = best.is_some_and(|(_, fit)| fit < self.fit);
        if self.stream.is_some_and(|stream| stream.table != table) && !is_better {
            return; // another program
        }
        let current = self.stream.map(|stream| (stream.pid, Ok(stream.coding)));
        if entries.iter().any(|entry| Some((entry.pid, entry.coding)) == current) && !is_better {
            return;
        }
        self.unsupported_codec =
            self.unsupported_codec.or_else(|| entries.iter().find_map(|entry| entry.coding.err()));
        let Some((PmtEntry { pid, coding: Ok(coding), .. }, fit)) = best else { return };
        let (pid, coding) = (*pid, *coding);
        if let Some(mut old) = self.splitter.replace(FrameSplitter::new(coding)) {
            old.finish();
            self.leftover_frames.extend(std::iter::from_fn(|| old.next_frame()));
            self.damage.bad_frames += old.damaged();
        }
        (self.stream, self.fit) = (Some(TsStream { pid, coding, table }), fit);
        self.pes = Pes::default();
        // Packets with this id were ignored before, so the stored counter is out of date.
        self.counters.reset_pid(pid);
    }
}
