//! Text rendering with an embedded font, so that pictures do not depend on the fonts of the machine.

use ab_glyph::{Font, FontRef, InvalidFont, Point, PxScaleFont, ScaleFont};

/// Replaces the hyphens in a text of numbers by minus signs, which are as wide as plus signs.
pub(in crate::plot) fn minus(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

/// Character that replaces the end of a text that is too long.
const CUT: char = '…';

/// The font DejaVu Sans, with Latin, Greek, Cyrillic and many symbols. Letters of scripts that need shaping are drawn
/// one by one, and characters that the font does not contain are drawn as empty boxes.
#[derive(Debug, Clone)]
pub(in crate::plot) struct Typeface(FontRef<'static>);

impl Typeface {
    pub(in crate::plot) fn new() -> Result<Self, InvalidFont> {
        FontRef::try_from_slice(dejavu::sans::regular()).map(Self)
    }

    fn scaled(&self, size: f64) -> PxScaleFont<&FontRef<'static>> {
        self.0.as_scaled(size as f32)
    }

    /// Returns the width of a line of text in pixels. `size` is the height of the line in pixels.
    pub(in crate::plot) fn width(&self, text: &str, size: f64) -> f64 {
        let font = self.scaled(size);
        f64::from(advances(&font, text).last().map_or(0.0, |(_, _, end)| end))
    }

    /// Returns the text, shortened to at most `width` pixels. If something was removed, the text ends with `…`. If even
    /// `…` is too wide, the text is empty.
    pub(in crate::plot) fn fit(&self, text: &str, size: f64, width: f64) -> String {
        let font = self.scaled(size);
        let room = width as f32 - font.h_advance(font.glyph_id(CUT));
        // The loop ends where the text is cut, because the text can be very long.
        let mut kept = 0;
        for (start, c, end) in advances(&font, text) {
            if end <= room {
                kept = start + c.len_utf8();
            } else if end > width as f32 {
                let mut cut = text[..kept].trim_end().to_owned();
                if room >= 0.0 {
                    cut.push(CUT);
                }
                return cut;
            }
        }
        text.to_owned()
    }

    /// Calls `sink` for the pixels of a line of text. The coordinates are relative to the upper left corner of the
    /// text, and the last argument is the share of the pixel that the text covers, from 0 to 1.
    pub(in crate::plot) fn draw(&self, text: &str, size: f64, mut sink: impl FnMut(i32, i32, f32)) {
        let font = self.scaled(size);
        for (_, c, end) in advances(&font, text) {
            let mut glyph = font.scaled_glyph(c);
            // The ends of the advances include the kerning, so the position of a glyph is computed from the end of its
            // advance.
            glyph.position = Point { x: end - font.h_advance(glyph.id), y: font.ascent() };
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|x, y, ink| sink(corner.x as i32 + x as i32, corner.y as i32 + y as i32, ink));
            }
        }
    }
}

/// Returns for each character its byte offset in the text, the character, and the position of its right end in pixels.
fn advances<'a>(
    font: &'a PxScaleFont<&FontRef<'static>>,
    text: &'a str,
) -> impl Iterator<Item = (usize, char, f32)> + 'a {
    text.char_indices().scan((None, 0.0), |(before, x), (start, c)| {
        let id = font.glyph_id(c);
        *x += before.map_or(0.0, |before| font.kern(before, id)) + font.h_advance(id);
        *before = Some(id);
        Some((start, c, *x))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_truncated_to_the_width() {
        let face = Typeface::new().unwrap();
        let text = "Über den Wolken ".repeat(5000);
        for width in [5.0, 40.0, 100.0, 333.0] {
            let cut = face.fit(&text, 16.0, width);
            assert!(face.width(&cut, 16.0) <= width && (cut.is_empty() || cut.ends_with(CUT)), "{cut}");
            assert!(width < 100.0 || face.width(&cut, 16.0) > width - 30.0, "{cut}");
        }
        assert_eq!(face.fit("short", 16.0, 100.0), "short");
        assert_eq!(face.fit("short", 16.0, 0.0), "");
    }

    #[test]
    fn pixels_of_text_are_within_the_line() {
        let face = Typeface::new().unwrap();
        let (mut ink, width) = (0.0, face.width("Agjy|→", 20.0) as i32);
        face.draw("Agjy|→", 20.0, |x, y, part| {
            assert!((-1..=width + 1).contains(&x) && (-1..=21).contains(&y), "{x} {y}");
            ink += part;
        });
        assert!(ink > 100.0);
    }
}
