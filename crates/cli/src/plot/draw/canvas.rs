//! A picture from the first pixel to the PNG.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle, WHITE};

use super::{Backend, Typeface};

/// Where one draws; positions are pixels from the upper left corner.
pub(in crate::plot) type Area<'a> = DrawingArea<Backend<'a>, Shift>;

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plot) struct Size {
    pub(in crate::plot) width: u32,
    pub(in crate::plot) height: u32,
}

/// The size at which lengths are as they stand in the code; text and lines grow with larger pictures …
const NATURAL: Size = Size { width: 1600, height: 900 };
/// … and shrink with smaller ones, but no further than can be read.
const SCALES: (f64, f64) = (0.6, 4.0);

/// How things are drawn: lengths in pixels of a picture of the natural size.
#[derive(Debug)]
pub(in crate::plot) struct Look {
    face: Typeface,
    scale: f64,
}

impl Look {
    fn new(size: Size) -> Result<Self> {
        let wide = f64::from(size.width) / f64::from(NATURAL.width);
        let high = f64::from(size.height) / f64::from(NATURAL.height);
        let face = Typeface::new().context("the font in the program cannot be read")?;
        Ok(Self { face, scale: wide.min(high).clamp(SCALES.0, SCALES.1) })
    }

    /// A length in pixels of this picture.
    pub(in crate::plot) fn px(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    /// A radius or a line's width: at least one pixel.
    pub(in crate::plot) fn pen(&self, length: f64) -> u32 {
        self.px(length).max(1) as u32
    }

    /// The size of this picture's lengths, squared: what areas grow by.
    pub(in crate::plot) fn area(&self) -> f64 {
        self.scale * self.scale
    }

    /// A style for text of lines so high.
    pub(in crate::plot) fn text(
        &self,
        size: f64,
        colour: RGBColor,
        side: HPos,
        line: VPos,
    ) -> TextStyle<'static> {
        let size = size * self.scale;
        // The family is not looked at: there is one typeface.
        let style = TextStyle::from(("sans-serif", size).into_font());
        TextStyle { color: colour.to_backend_color(), ..style.pos(Pos::new(side, line)) }
    }

    /// Width of a text in pixels of this picture.
    pub(in crate::plot) fn width(&self, text: &str, size: f64) -> i32 {
        self.face.width(text, size * self.scale).ceil() as i32
    }

    /// Writes a line of text, cut to `width` pixels, so that `at` is its upper corner on one side.
    pub(in crate::plot) fn write(
        &self,
        area: &Area<'_>,
        text: &str,
        (size, colour, side): (f64, RGBColor, HPos),
        at: (i32, i32),
        width: i32,
    ) -> Result<()> {
        let text = self.face.fit(text, size * self.scale, f64::from(width));
        area.draw(&Text::new(text, at, self.text(size, colour, side, VPos::Top)))?;
        Ok(())
    }
}

/// Draws a picture on white and gives the bytes of its PNG file.
pub(in crate::plot) fn png(size: Size, draw: impl FnOnce(&Area<'_>, &Look) -> Result<()>) -> Result<Vec<u8>> {
    let look = Look::new(size)?;
    let mut pixels = vec![0; size.width as usize * size.height as usize * 3];
    let area = Backend::new(&mut pixels, (size.width, size.height), look.face.clone())?.into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area, &look)?;
    area.present()?;
    drop(area);
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}
