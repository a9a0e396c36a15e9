//! The demuxer that callers see.

use super::frames::{AudioFrame, FrameSplitter};
use super::headers::AudioCoding;
use super::packet::{is_copy, payload};
use super::pes::Pes;
use super::psi::{self, Entry, Sections};
use super::sync::{self, PACKET, PacketSync};

/// Packet ids are 13 bits.
const PIDS: usize = 1 << 13;
/// A continuity counter before its first packet.
const UNKNOWN: u8 = 0xFF;
/// Packet id of the program association table.
const PAT: u16 = 0;

/// The audio stream that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TsStream {
    /// Its packet id.
    pub pid: u16,
    /// How its frames are coded.
    pub coding: AudioCoding,
    /// Packet id of the table that named it.
    table: u16,
}

/// What was damaged so far, over the whole stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TsDamage {
    /// Packets of the audio stream that are missing, as far as their counters tell.
    pub lost_packets: u64,
    /// Packets with a bad sync byte or marked as damaged, and places where packets had to be found again.
    pub bad_packets: u64,
    /// Tables with a bad checksum or structure, and PES packets without a header.
    pub bad_sections: u64,
    /// Packets of the audio stream that are encrypted.
    pub scrambled_packets: u64,
    /// Places where audio frames were damaged or lost.
    pub bad_frames: u64,
}

/// Takes pushed bytes of a transport stream and gives the frames of its first supported audio stream.
///
/// It may live as long as a live stream: memory stays bounded as long as [`TsDemuxer::next_frame`] is called.
/// A stream that moves to another packet id is followed when its table says so.
#[derive(Debug)]
pub struct TsDemuxer {
    sync: PacketSync,
    /// Last continuity counter by packet id.
    counters: Vec<u8>,
    pat: Sections,
    tables: Vec<(u16, Sections)>,
    tables_read: bool,
    stream: Option<TsStream>,
    refused: Option<&'static str>,
    pes: Pes,
    splitter: Option<FrameSplitter>,
    /// Frames of streams that were followed before.
    left: Vec<AudioFrame>,
    /// The last packet of the audio stream, to know its copy from one that only counts the same.
    last: [u8; PACKET],
    damage: TsDamage,
    cut: bool,
}

impl Default for TsDemuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl TsDemuxer {
    /// A demuxer that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sync: PacketSync::default(),
            counters: vec![UNKNOWN; PIDS],
            pat: Sections::default(),
            tables: Vec::new(),
            tables_read: false,
            stream: None,
            refused: None,
            pes: Pes::default(),
            splitter: None,
            left: Vec::new(),
            last: [0; PACKET],
            damage: TsDamage::default(),
            cut: false,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.sync.push(bytes);
        while let Some(packet) = self.sync.next(false) {
            self.take(&packet);
        }
    }

    /// Notes that another segment begins, with these bytes, which are still to be pushed: if they begin with a packet
    /// while one is incomplete, that one was cut off and is given up.
    pub fn begin_segment(&mut self, head: &[u8]) {
        if self.sync.has_rest() && sync::starts_with_packets(head) {
            self.drain();
            self.cut |= self.sync.has_rest();
            self.sync.restart();
        }
    }

    /// Notes that a stretch of the stream is missing here: complete frames before it can still be asked for, what is
    /// incomplete is given up. Which stream is followed stays known.
    pub fn interrupt(&mut self) {
        self.drain();
        self.sync.restart();
        self.counters.fill(UNKNOWN);
        self.pes = Pes::default();
        self.splitter.iter_mut().for_each(FrameSplitter::gap);
        self.pat.gap();
        self.tables.iter_mut().for_each(|(_, sections)| sections.gap());
    }

    /// Ends the stream: what is complete can still be asked for.
    pub fn finish(&mut self) {
        self.drain();
        self.cut |= self.sync.has_rest();
        self.cut |= self.splitter.as_mut().is_some_and(FrameSplitter::finish);
    }

    /// The next frame, in order.
    pub fn next_frame(&mut self) -> Option<AudioFrame> {
        if self.left.is_empty() {
            return self.splitter.as_mut()?.next_frame();
        }
        Some(self.left.remove(0))
    }

    /// Takes back the memory of a frame that is done with, for one to come.
    pub fn recycle(&mut self, frame: AudioFrame) {
        if let Some(splitter) = &mut self.splitter {
            splitter.recycle(frame);
        }
    }

    /// The stream that is followed, once a table named one.
    #[must_use]
    pub fn stream(&self) -> Option<TsStream> {
        self.stream
    }

    /// An audio codec that is in the stream and not supported, by name.
    #[must_use]
    pub fn refused(&self) -> Option<&'static str> {
        self.refused
    }

    /// Whether a table of streams was read, so that no [`TsDemuxer::stream`] means no audio.
    #[must_use]
    pub fn knows_streams(&self) -> bool {
        self.tables_read
    }

    /// What was damaged so far.
    #[must_use]
    pub fn damage(&self) -> TsDamage {
        let bad_frames = self.damage.bad_frames + self.splitter.as_ref().map_or(0, FrameSplitter::damaged);
        TsDamage { bad_packets: self.damage.bad_packets + self.sync.damaged, bad_frames, ..self.damage }
    }

    /// Whether the stream ended within a packet or a frame, as a file does that was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Takes the packets that stand at an end.
    fn drain(&mut self) {
        while let Some(packet) = self.sync.next(true) {
            self.take(&packet);
        }
    }

    fn take(&mut self, packet: &[u8; PACKET]) {
        let [_, flags, low, control, ..] = *packet;
        let pid = u16::from_be_bytes([flags & 0x1F, low]);
        let audio = self.stream.is_some_and(|stream| stream.pid == pid);
        let table = self.tables.iter().any(|(table, _)| *table == pid);
        if !(audio || table || pid == PAT) {
            return;
        }
        if flags & 0x80 != 0 {
            self.damage.bad_packets += 1; // marked by whoever received it
            return;
        }
        let Some((payload, announced)) = payload(packet, control) else { return };
        let copy = !audio || is_copy(packet, &std::mem::replace(&mut self.last, *packet));
        match self.continuity(pid, control & 0xF) {
            Continuity::Repeated if copy => return,
            // A packager that counts anew in each segment, or a loss of sixteen packets.
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
            Ok(Some(piece)) => {
                if let Some(splitter) = &mut self.splitter {
                    splitter.push(piece.bytes, piece.pts);
                }
            }
            Ok(None) => {}
            Err(()) => self.damage.bad_sections += 1,
        }
    }

    fn continuity(&mut self, pid: u16, counter: u8) -> Continuity {
        let before = std::mem::replace(&mut self.counters[usize::from(pid)], counter);
        match counter.wrapping_sub(before) & 0xF {
            _ if before == UNKNOWN => Continuity::Next,
            0 => Continuity::Repeated,
            1 => Continuity::Next,
            step => Continuity::Jump(u64::from(step) - 1),
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
                    if self.tables.iter().all(|(known, _)| *known != table) && self.tables.len() < 64 {
                        self.tables.push((table, Sections::default()));
                    }
                }
            }
            return;
        }
        let Some((_, sections)) = self.tables.iter_mut().find(|(table, _)| *table == pid) else { return };
        for section in sections.push(payload, unit_start, damaged) {
            if let Some(entries) = psi::read_pmt(&section) {
                self.choose(pid, &entries);
            }
        }
    }

    /// Follows the first supported audio stream, unless the one that is followed goes on.
    fn choose(&mut self, table: u16, entries: &[Entry]) {
        self.tables_read = true;
        if self.stream.is_some_and(|stream| stream.table != table) {
            return; // another program
        }
        let current = self.stream.map(|stream| (stream.pid, Ok(stream.coding)));
        if entries.iter().any(|entry| Some((entry.pid, entry.coding)) == current) {
            return;
        }
        self.refused = self.refused.or_else(|| entries.iter().find_map(|entry| entry.coding.err()));
        let Some((pid, coding)) = entries.iter().find_map(|e| Some((e.pid, e.coding.ok()?))) else { return };
        if let Some(mut old) = self.splitter.replace(FrameSplitter::new(coding)) {
            old.finish();
            self.left.extend(std::iter::from_fn(|| old.next_frame()));
            self.damage.bad_frames += old.damaged();
        }
        self.stream = Some(TsStream { pid, coding, table });
        self.pes = Pes::default();
        self.counters[usize::from(pid)] = UNKNOWN;
    }
}

enum Continuity {
    Next,
    Repeated,
    Jump(u64),
}
