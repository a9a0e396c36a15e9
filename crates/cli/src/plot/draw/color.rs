//! Colours and the colour map of spectrograms.

use plotters::style::RGBColor;

/// Colour of text and axes.
pub(in crate::plot) const INK: RGBColor = RGBColor(0x1f, 0x24, 0x2b);
/// Colour of less important text.
pub(in crate::plot) const FAINT: RGBColor = RGBColor(0x6a, 0x73, 0x7d);
/// Colour of grid lines.
pub(in crate::plot) const EDGE: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);
/// Colour of elements that are only drawn for comparison, such as the peaks of the input.
pub(in crate::plot) const GHOST: RGBColor = RGBColor(0xb4, 0xbc, 0xc6);
/// Colour of found peaks. People with colour blindness can distinguish this colour from [`MISSING`] and [`BAND`] (Okabe
/// and Ito 2008).
pub(in crate::plot) const FOUND: RGBColor = RGBColor(0x00, 0x72, 0xb2);
/// Colour of missing peaks.
pub(in crate::plot) const MISSING: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
/// Colour of the range of delays within the tolerance.
pub(in crate::plot) const BAND: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
/// Colour of the peaks on a spectrogram. It does not occur in the colour map, so the peaks are visible everywhere.
pub(in crate::plot) const PEAK: RGBColor = RGBColor(0x4d, 0xf5, 0xff);
/// Colour of the parts of a spectrogram without audio.
pub(in crate::plot) const BARE: RGBColor = RGBColor(0x0b, 0x08, 0x14);

/// Colours of the bars of songs. They are dark enough for white text.
const MARKS: [RGBColor; 5] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x00, 0x85, 0x63),
    RGBColor(0xb8, 0x51, 0x00),
    RGBColor(0xa8, 0x4f, 0x80),
    RGBColor(0x5a, 0x5f, 0x66),
];

/// Returns the colour for the bar of the song with this index. Colours repeat after five songs.
pub(in crate::plot) fn mark(index: usize) -> RGBColor {
    MARKS[index % MARKS.len()]
}

/// Number of colours of a [`HeatMap`].
const SHADES: usize = 256;
/// Chroma and hue (in degrees) in OKLCH at evenly spaced points of the colour map, from cold to hot.
const STOPS: [(f64, f64); 5] = [(0.03, 290.0), (0.13, 298.0), (0.19, 350.0), (0.17, 52.0), (0.09, 106.0)];
/// Lightness in OKLCH of the coldest and of the hottest colour. Between them, it increases linearly.
const LIGHTNESS: (f64, f64) = (0.14, 0.97);

/// A colour map for levels, from black through purple and orange to pale yellow.
///
/// The lightness in OKLab increases linearly, so equal differences of level look equally large, even in greyscale.
#[derive(Debug)]
pub(in crate::plot) struct HeatMap([[u8; 3]; SHADES]);

impl HeatMap {
    pub(in crate::plot) fn new() -> Self {
        Self(std::array::from_fn(|k| shade(k as f64 / (SHADES - 1) as f64)))
    }

    /// Returns the colour of a level between 0 (cold) and 1 (hot). Levels outside of this range get the colour of its
    /// nearest end.
    pub(in crate::plot) fn of(&self, level: f32) -> [u8; 3] {
        // The conversion to an integer turns NaN and negative numbers into 0.
        self.0[((level * (SHADES - 1) as f32).round() as usize).min(SHADES - 1)]
    }
}

fn shade(level: f64) -> [u8; 3] {
    let place = level * (STOPS.len() - 1) as f64;
    let stop = (place as usize).min(STOPS.len() - 2);
    let part = place - stop as f64;
    // Colours are interpolated in Cartesian coordinates, because hue is an angle and passes from 360 to 0 degrees.
    let corner = |(chroma, hue): (f64, f64)| {
        let (sin, cos) = hue.to_radians().sin_cos();
        (chroma * cos, chroma * sin)
    };
    let (low, high) = (corner(STOPS[stop]), corner(STOPS[stop + 1]));
    let lightness = LIGHTNESS.0 + (LIGHTNESS.1 - LIGHTNESS.0) * level;
    srgb(lightness, low.0 + part * (high.0 - low.0), low.1 + part * (high.1 - low.1))
}

/// Converts a colour from OKLab to sRGB (B. Ottosson, "A perceptual color space for image processing", 2020).
fn srgb(lightness: f64, a: f64, b: f64) -> [u8; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ];
    linear.map(|part| {
        let part = part.clamp(0.0, 1.0);
        let curved = if part <= 0.003_130_8 { 12.92 * part } else { 1.055 * part.powf(1.0 / 2.4) - 0.055 };
        (curved * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_increases_with_the_level() {
        let heat = HeatMap::new();
        let bright = |[r, g, b]: [u8; 3]| {
            let linear = |part: u8| (f64::from(part) / 255.0).powf(2.2);
            0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
        };
        let levels: Vec<f64> = (0..SHADES).map(|k| bright(heat.of(k as f32 / 255.0)).cbrt()).collect();
        assert!(levels.windows(16).all(|w| w[15] > w[0] + 0.015), "{levels:?}");
        assert_eq!(srgb(1.0, 0.0, 0.0), [255; 3]);
        assert_eq!((heat.of(-1.0), heat.of(f32::NAN)), (heat.of(0.0), heat.of(0.0)));
        assert_eq!(heat.of(7.0), heat.of(1.0));
    }
}
