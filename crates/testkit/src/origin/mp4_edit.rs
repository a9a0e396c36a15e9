//! Changes of MP4 files that ffmpeg wrote.

/// Length of a header of a box in bytes.
const HEADER: usize = 8;

/// Returns a box.
pub(super) fn new_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&((HEADER + body.len()) as u32).to_be_bytes(), &name[..], body].concat()
}

/// Number of bytes before the boxes within a box.
fn fields(name: &[u8; 4]) -> usize {
    match name {
        b"stsd" => 8,
        b"mp4a" => 28,
        _ => 0,
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word) as usize
}

fn add(bytes: &mut [u8], at: usize, more: usize) {
    let changed = (number(bytes, at) + more) as u32;
    bytes[at..at + 4].copy_from_slice(&changed.to_be_bytes());
}

/// Returns the position of the first box with this name between two positions.
fn find(bytes: &[u8], name: &[u8; 4], mut at: usize, end: usize) -> Option<usize> {
    while at + HEADER <= end {
        if &bytes[at + 4..at + HEADER] == name {
            return Some(at);
        }
        at += number(bytes, at).max(HEADER);
    }
    None
}

/// Appends `content` to the box at `path`, and returns the position of that box.
pub(super) fn append(bytes: &mut Vec<u8>, path: &[&[u8; 4]], content: &[u8]) -> usize {
    let (mut start, mut end, mut last) = (0, bytes.len(), 0);
    for name in path {
        last = find(bytes, name, start, end).expect("the box exists");
        start = last + HEADER + fields(name);
        end = last + number(bytes, last);
        add(bytes, last, content.len());
    }
    bytes.splice(end..end, content.iter().copied());
    last
}

/// Passes the samples of each fragment to `change`, which can change them and returns a box that is added to the track
/// fragment. Each fragment has one track, whose data offsets are relative to the fragment.
pub(super) fn change_fragments(
    segment: &[u8],
    change: &mut dyn FnMut(&mut [&mut [u8]]) -> Vec<u8>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(number(rest, 0));
        if &now[4..HEADER] == b"moof" {
            let data = number(later, 0);
            let mut fragment = rest[..now.len() + data].to_vec();
            change_fragment(&mut fragment, now.len(), change);
            out.extend(fragment);
            rest = &later[data..];
        } else {
            out.extend(now);
            rest = later;
        }
    }
    out
}

/// Changes a fragment: a `moof` box of `length` bytes and the `mdat` box after it.
fn change_fragment(
    fragment: &mut Vec<u8>,
    length: usize,
    change: &mut dyn FnMut(&mut [&mut [u8]]) -> Vec<u8>,
) {
    let traf = find(fragment, b"traf", HEADER, length).expect("a track fragment");
    let end = traf + number(fragment, traf);
    let tfhd = find(fragment, b"tfhd", traf + HEADER, end).expect("a header");
    let trun = find(fragment, b"trun", traf + HEADER, end).expect("a track run");
    let flags = number(fragment, trun + HEADER) & 0xFF_FFFF;
    assert_eq!(flags & 5, 1, "a data offset and no flags of the first sample");
    let count = number(fragment, trun + 12);
    let width = 4 * [0x100, 0x200, 0x400, 0x800].into_iter().filter(|flag| flags & flag != 0).count();
    let size_at = if flags & 0x100 != 0 { 4 } else { 0 };
    let default = {
        let flags = number(fragment, tfhd + HEADER);
        let before = [2, 8].into_iter().filter(|flag| flags & flag != 0).count();
        if flags & 0x10 != 0 { number(fragment, tfhd + 16 + 4 * before) } else { 0 }
    };
    let sizes: Vec<usize> = (0..count)
        .map(|i| if flags & 0x200 != 0 { number(fragment, trun + 20 + i * width + size_at) } else { default })
        .collect();
    let mut samples = Vec::new();
    let offset = number(fragment, trun + 16);
    let mut data = &mut fragment[offset..];
    for size in sizes {
        let (sample, later) = data.split_at_mut(size);
        samples.push(sample);
        data = later;
    }
    let added = change(&mut samples);
    add(fragment, trun + 16, added.len());
    append(fragment, &[b"moof", b"traf"], &added);
}
