//! Mixes decoded audio of any sample format to mono.

use symphonia::core::audio::sample::{Sample, i24, u24};
use symphonia::core::audio::{Audio, AudioBuffer, GenericAudioBufferRef};

/// Maximum magnitude of a valid sample, +96 dB. The nominal maximum is 1, and the loudest known float files reach +30
/// dB. Much larger values would overflow the power spectrum.
const MAX_MAGNITUDE: f32 = 65_536.0;

/// Converts a sample of any format to the range ±1.
trait Unit: Sample {
    fn unit(self) -> f32;
}

macro_rules! unit {
    ($($type:ty: $sample:ident => $value:expr;)*) => {
        $(impl Unit for $type {
            #[inline(always)]
            fn unit(self) -> f32 {
                let $sample = self;
                $value
            }
        })*
    };
}

// In f32, integers of more than 24 bits lose their lowest bits. These are inaudible and irrelevant for fingerprints.
unit! {
    u8: s => (f32::from(s) - 128.0) / 128.0;
    i8: s => f32::from(s) / 128.0;
    u16: s => (f32::from(s) - 32_768.0) / 32_768.0;
    i16: s => f32::from(s) / 32_768.0;
    u24: s => (s.inner() as f32 - 8_388_608.0) / 8_388_608.0;
    i24: s => s.inner() as f32 / 8_388_608.0;
    u32: s => (s ^ 0x8000_0000).cast_signed() as f32 / 2_147_483_648.0;
    i32: s => s as f32 / 2_147_483_648.0;
    f32: s => s;
    f64: s => s as f32;
}

/// Appends the average of all channels of `buffer` to `mono`, without the first `skip` and the last `drop` samples of
/// each channel.
pub(super) fn mix_to_mono(buffer: &GenericAudioBufferRef<'_>, skip: usize, drop: usize, mono: &mut Vec<f32>) {
    match buffer {
        GenericAudioBufferRef::U8(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::U16(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::U24(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::U32(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::S8(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::S16(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::S24(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::S32(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::F32(b) => average(b, skip, drop, mono),
        GenericAudioBufferRef::F64(b) => average(b, skip, drop, mono),
    }
}

/// Channels of decoded audio, one after the other.
#[derive(Debug, Default)]
pub(super) struct Planes {
    /// All samples of the first channel, then those of the second one, and so on.
    pub(super) samples: Vec<f32>,
    /// Number of channels.
    pub(super) channels: usize,
}

impl Planes {
    /// Replaces the content by the channels of `buffer`, without the first `skip` and the last `drop` samples of each.
    pub(super) fn copy(&mut self, buffer: &GenericAudioBufferRef<'_>, skip: usize, drop: usize) {
        match buffer {
            GenericAudioBufferRef::U8(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::U16(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::U24(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::U32(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::S8(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::S16(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::S24(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::S32(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::F32(b) => self.copy_planes(b, skip, drop),
            GenericAudioBufferRef::F64(b) => self.copy_planes(b, skip, drop),
        }
    }

    /// Replaces the content by interleaved samples of `channels` channels, at least 1.
    pub(super) fn copy_interleaved(&mut self, samples: &[f32], channels: usize) {
        self.samples.clear();
        self.channels = channels;
        for channel in 0..channels {
            self.samples.extend(samples.chunks_exact(channels).filter_map(|frame| frame.get(channel)));
        }
    }

    fn copy_planes<S: Unit>(&mut self, buffer: &AudioBuffer<S>, skip: usize, drop: usize) {
        let end = buffer.frames().saturating_sub(drop);
        let range = skip.min(end)..end;
        self.samples.clear();
        self.channels = buffer.num_planes();
        for plane in buffer.iter_planes() {
            self.samples
                .extend(plane.get(range.clone()).unwrap_or_default().iter().map(|&sample| sample.unit()));
        }
    }
}

fn average<S: Unit>(buffer: &AudioBuffer<S>, skip: usize, drop: usize, mono: &mut Vec<f32>) {
    let end = buffer.frames().saturating_sub(drop);
    let range = skip.min(end)..end;
    // Stereo is the most common layout. One pass over both channels is faster than accumulating plane by plane.
    if let Some((left, right)) = buffer.plane_pair(0, 1).filter(|_| buffer.num_planes() == 2) {
        let pairs = left[range.clone()].iter().zip(&right[range]);
        mono.extend(pairs.map(|(&l, &r)| (l.unit() + r.unit()) * 0.5));
        return;
    }
    let Some(first) = buffer.plane(0) else { return };
    let start = mono.len();
    mono.extend(first[range.clone()].iter().map(|&s| s.unit()));
    if buffer.num_planes() == 1 {
        return;
    }
    let out = &mut mono[start..];
    for plane in buffer.iter_planes().skip(1) {
        for (sum, &s) in out.iter_mut().zip(&plane[range.clone()]) {
            *sum += s.unit();
        }
    }
    let scale = 1.0 / buffer.num_planes() as f32;
    for sum in out {
        *sum *= scale;
    }
}

/// Appends the average of interleaved channels to `mono`. `channels` is their number, at least 1.
pub(super) fn mix_interleaved(samples: &[f32], channels: usize, mono: &mut Vec<f32>) {
    let scale = 1.0 / channels as f32;
    mono.extend(samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
}

/// Appends the average of the front channels of interleaved channels to `mono`: of the first three channels, which are
/// left, right and center, or of all if there are fewer. `channels` is their number, at least 1.
///
/// Surround channels are left out, because encoders of matrix formats write them with the opposite phase, so that they
/// would cancel the music in the front channels.
pub(super) fn mix_front(samples: &[f32], channels: usize, mono: &mut Vec<f32>) {
    const FRONT_CHANNELS: usize = 3;
    let front = channels.min(FRONT_CHANNELS);
    let scale = 1.0 / front as f32;
    mono.extend(samples.chunks_exact(channels).map(|frame| frame[..front].iter().sum::<f32>() * scale));
}

/// Replaces invalid samples (NaN, infinity, magnitudes above [`MAX_MAGNITUDE`]) by 0 and returns their number.
pub(super) fn replace_invalid(mono: &mut [f32]) -> u64 {
    // Comparisons with NaN are false, so `!within` also finds NaN. The loop has no branch, so the compiler vectorizes
    // it.
    let within = |s: &f32| s.abs() <= MAX_MAGNITUDE;
    if mono.iter().fold(true, |all, s| all & within(s)) {
        return 0;
    }
    let mut replaced = 0;
    for s in mono.iter_mut().filter(|s| !within(s)) {
        *s = 0.0;
        replaced += 1;
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use symphonia::core::audio::{AudioMut, AudioSpec, Channels};

    fn buffer<S: Sample>(planes: &[&[S]]) -> AudioBuffer<S> {
        let spec = AudioSpec::new(44_100, Channels::Discrete(u16::try_from(planes.len()).unwrap()));
        let mut buffer = AudioBuffer::new(spec, planes[0].len());
        buffer.render_uninit(None);
        for (i, plane) in planes.iter().enumerate() {
            buffer.plane_mut(i).unwrap().copy_from_slice(plane);
        }
        buffer
    }

    #[test]
    fn every_channel_count_is_averaged_and_trimmed() {
        let mut mono = Vec::new();
        average(&buffer(&[&[0.1_f32, 0.2, 0.3, 0.4]]), 1, 1, &mut mono);
        assert_eq!(mono, [0.2, 0.3]);
        mono.clear();
        average(&buffer(&[&[i16::MIN, 0], &[0, 16_384]]), 0, 0, &mut mono);
        assert_eq!(mono, [-0.5, 0.25]);
        mono.clear();
        average(&buffer(&[&[255_u8], &[128], &[128]]), 0, 0, &mut mono);
        assert!((mono[0] - 127.0 / 384.0).abs() < 1e-6, "{mono:?}");
        mono.clear();
        average(&buffer(&[&[0.5_f32; 3]]), 9, 9, &mut mono);
        assert!(mono.is_empty());
    }

    #[test]
    fn surround_channels_do_not_cancel_the_front_channels() {
        let mut mono = Vec::new();
        mix_front(&[0.5, 0.4, 0.3, 0.9, -0.6, -0.6], 6, &mut mono);
        mix_front(&[0.25, 0.75], 2, &mut mono);
        mix_front(&[0.25], 1, &mut mono);
        assert!(mono.iter().zip([0.4, 0.5, 0.25]).all(|(a, b)| (a - b).abs() < 1e-6), "{mono:?}");
    }

    #[test]
    fn planes_contain_the_channels_one_after_the_other() {
        let mut planes = Planes::default();
        planes.copy_planes(&buffer(&[&[0.1_f32, 0.2, 0.3], &[0.4, 0.5, 0.6]]), 1, 0);
        assert_eq!((planes.channels, planes.samples.as_slice()), (2, [0.2, 0.3, 0.5, 0.6].as_slice()));
        planes.copy_interleaved(&[0.1, 0.4, 0.2, 0.5, 0.9], 2);
        assert_eq!((planes.channels, planes.samples.as_slice()), (2, [0.1, 0.2, 0.4, 0.5].as_slice()));
    }

    #[test]
    fn integers_reach_full_scale() {
        assert_eq!([i32::MIN.unit(), u32::MIN.unit(), i24(-8_388_608).unit(), u24(0).unit()], [-1.0; 4]);
        assert_eq!(
            [0_i32.unit(), 0x8000_0000_u32.unit(), i8::MIN.unit(), u16::MIN.unit()],
            [0.0, 0.0, -1.0, -1.0]
        );
    }

    #[test]
    fn invalid_samples_are_replaced_by_zero() {
        let mut mono = [0.5, f32::NAN, f32::INFINITY, -1e30, -1.5];
        assert_eq!(replace_invalid(&mut mono), 3);
        assert_eq!(mono, [0.5, 0.0, 0.0, 0.0, -1.5]);
        assert_eq!(replace_invalid(&mut mono), 0);
    }
}
