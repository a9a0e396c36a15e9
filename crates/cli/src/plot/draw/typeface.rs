//! Text with a font that is in the binary: pictures come out the same on a machine without any.

use ab_glyph::{Font, FontRef, InvalidFont, Point, PxScaleFont, ScaleFont};

/// A number's text with a minus sign for its hyphen.
pub(in crate::plot) fn minus(number: &str) -> String {
    number.replace('-', "\u{2212}")
}

/// What stands where text had to be cut.
const CUT: char = '…';

/// DejaVu Sans: Latin, Greek, Cyrillic and many symbols. Scripts that need shaping stand letter by letter, characters
/// that it lacks are empty boxes.
#[derive(Debug, Clone)]
pub(in crate::plot) struct Typeface(FontRef<'static>);

impl Typeface {
    pub(in crate::plot) fn new() -> Result<Self, InvalidFont> {
        FontRef::try_from_slice(dejavu::sans::regular()).map(Self)
    }

    fn scaled(&self, size: f64) -> PxScaleFont<&FontRef<'static>> {
        self.0.as_scaled(size as f32)
    }

    /// Width in pixels of a line of text whose lines are `size` pixels high.
    pub(in crate::plot) fn width(&self, text: &str, size: f64) -> f64 {
        let font = self.scaled(size);
        f64::from(advances(&font, text).last().map_or(0.0, |(_, _, end)| end))
    }

    /// The text, cut so that it is no wider than `width` pixels.
    pub(in crate::plot) fn fit(&self, text: &str, size: f64, width: f64) -> String {
        let font = self.scaled(size);
        let room = width as f32 - font.h_advance(font.glyph_id(CUT));
        // Where to cut is known before the end of a text that may be very long.
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

    /// Hands out the pixels of a line of text, from its upper left corner, with the part of each that is ink.
    pub(in crate::plot) fn draw(&self, text: &str, size: f64, mut sink: impl FnMut(i32, i32, f32)) {
        let font = self.scaled(size);
        for (_, c, end) in advances(&font, text) {
            let mut glyph = font.scaled_glyph(c);
            // Kerning is in the advances: a glyph ends where its advance does.
            glyph.position = Point { x: end - font.h_advance(glyph.id), y: font.ascent() };
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|x, y, ink| sink(corner.x as i32 + x as i32, corner.y as i32 + y as i32, ink));
            }
        }
    }
}

/// Each character with its place in the text, and where it ends in pixels.
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
    fn text_is_cut_to_its_room() {
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
    fn ink_stays_in_the_line() {
        let face = Typeface::new().unwrap();
        let (mut ink, width) = (0.0, face.width("Agjy|→", 20.0) as i32);
        face.draw("Agjy|→", 20.0, |x, y, part| {
            assert!((-1..=width + 1).contains(&x) && (-1..=21).contains(&y), "{x} {y}");
            ink += part;
        });
        assert!(ink > 100.0);
    }
}
