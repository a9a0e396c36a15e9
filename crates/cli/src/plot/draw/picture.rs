//! Creates pictures and encodes them as PNG.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle, WHITE};

use super::{Backend, Typeface};

/// An area of the picture in which positions are given in pixels from its upper left corner.
pub(in crate::plot) type Area<'a> = DrawingArea<Backend<'a>, Shift>;

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plot) struct Size {
    pub(in crate::plot) width: u32,
    pub(in crate::plot) height: u32,
}

/// The natural size of a picture. All lengths in the code are in pixels of a picture of this size. In other pictures,
/// text and lines are scaled.
const REFERENCE_SIZE: Size = Size { width: 1600, height: 900 };
/// Minimum and maximum of the scale. At 0.6, the smallest text is 9 pixels high and just readable. Pictures of the
/// maximum size have a scale of 2.6, so the upper limit is only a safeguard.
const SCALES: (f64, f64) = (0.6, 4.0);

/// Scale and typeface of a picture. Its methods accept lengths in pixels at the natural size ([`REFERENCE_SIZE`]), and
/// convert them to pixels of the picture.
#[derive(Debug)]
pub(in crate::plot) struct PictureTheme {
    face: Typeface,
    scale: f64,
}

impl PictureTheme {
    fn new(size: Size) -> Result<Self> {
        let wide = f64::from(size.width) / f64::from(REFERENCE_SIZE.width);
        let high = f64::from(size.height) / f64::from(REFERENCE_SIZE.height);
        let face =
            Typeface::new().context("the embedded font is invalid, a bug in refrain; please report it")?;
        // The smaller ratio is used, so that text fits in both directions.
        Ok(Self { face, scale: wide.min(high).clamp(SCALES.0, SCALES.1) })
    }

    /// Converts a length to pixels of this picture.
    pub(in crate::plot) fn px(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    /// Converts a radius or line width to pixels of this picture. The result is at least 1.
    pub(in crate::plot) fn pen(&self, length: f64) -> u32 {
        self.px(length).max(1) as u32
    }

    /// Returns the area of one pixel at the natural size, in pixels of this picture.
    pub(in crate::plot) fn area(&self) -> f64 {
        self.scale * self.scale
    }

    /// Returns a text style for lines of height `size`. `side` and `line` are the horizontal and vertical position of
    /// the anchor in the text.
    pub(in crate::plot) fn text(
        &self,
        size: f64,
        color: RGBColor,
        side: HPos,
        line: VPos,
    ) -> TextStyle<'static> {
        let size = size * self.scale;
        // The backend has only one typeface and ignores this name.
        let style = TextStyle::from(("sans-serif", size).into_font());
        TextStyle { color: color.to_backend_color(), ..style.pos(Pos::new(side, line)) }
    }

    /// Returns the width in pixels of this picture of a text with lines of height `size`.
    pub(in crate::plot) fn width(&self, text: &str, size: f64) -> i32 {
        self.face.width(text, size * self.scale).ceil() as i32
    }

    /// Draws a line of text, truncated to `width` pixels. `at` is the position of its upper edge: the left end, the
    /// middle or the right end, depending on the alignment.
    pub(in crate::plot) fn write(
        &self,
        area: &Area<'_>,
        text: &str,
        (size, color, side): (f64, RGBColor, HPos),
        at: (i32, i32),
        width: i32,
    ) -> Result<()> {
        let text = self.face.fit(text, size * self.scale, f64::from(width));
        area.draw(&Text::new(text, at, self.text(size, color, side, VPos::Top)))?;
        Ok(())
    }
}

/// Creates a picture with a white background, calls `draw` for its contents, and returns the picture encoded as PNG.
pub(in crate::plot) fn png(
    size: Size,
    draw: impl FnOnce(&Area<'_>, &PictureTheme) -> Result<()>,
) -> Result<Vec<u8>> {
    let theme = PictureTheme::new(size)?;
    let mut pixels = vec![0; size.width as usize * size.height as usize * 3];
    let area = Backend::new(&mut pixels, (size.width, size.height), theme.face.clone())?.into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area, &theme)?;
    area.present()?;
    // The area borrows the pixels, so it is dropped before they are encoded.
    drop(area);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}
