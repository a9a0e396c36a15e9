//! A drawing backend for the library plotters: a bitmap in memory, with its own rendering of text and antialiased
//! circles.

use anyhow::Result;
use plotters::backend::{BitMapBackend, DrawingBackend};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

use super::Typeface;

type DrawResult<B> = Result<(), DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

/// A bitmap in memory with 3 bytes (red, green, blue) per pixel.
pub(in crate::plot) struct Backend<'a> {
    bitmap: BitMapBackend<'a>,
    face: Typeface,
}

impl<'a> Backend<'a> {
    pub(super) fn new(pixels: &'a mut [u8], size: (u32, u32), face: Typeface) -> Result<Self> {
        Ok(Self { bitmap: BitMapBackend::with_buffer_and_format(pixels, size)?, face })
    }
}

fn with_opacity(color: BackendColor, share: f64) -> BackendColor {
    BackendColor { alpha: color.alpha * share.clamp(0.0, 1.0), ..color }
}

impl<'a> DrawingBackend for Backend<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.bitmap.get_size()
    }

    fn ensure_prepared(&mut self) -> DrawResult<Self> {
        self.bitmap.ensure_prepared()
    }

    fn present(&mut self) -> DrawResult<Self> {
        self.bitmap.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> DrawResult<Self> {
        self.bitmap.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> DrawResult<Self> {
        self.bitmap.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> DrawResult<Self> {
        self.bitmap.draw_rect(from, to, style, fill)
    }

    /// Draws an antialiased circle. The circles of plotters have visible steps if they are as small as the dots of
    /// peaks.
    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> DrawResult<Self> {
        let (outer, half) = (f64::from(radius), f64::from(style.stroke_width()) / 2.0);
        let max_delay_ms = (outer + half + 1.0).ceil() as i32;
        for dy in -max_delay_ms..=max_delay_ms {
            for dx in -max_delay_ms..=max_delay_ms {
                let distance = f64::from(dx).hypot(f64::from(dy));
                // The share of the pixel that the circle covers: 1 inside, 0 outside, and between 0 and 1 close to the
                // edge.
                let share = if fill { outer - distance } else { half - (distance - outer).abs() } + 0.5;
                if share > 0.0 {
                    self.draw_pixel((x + dx, y + dy), with_opacity(style.color(), share))?;
                }
            }
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        at: BackendCoord,
    ) -> DrawResult<Self> {
        let (width, height) = self.estimate_text_size(text, style)?;
        let (width, height) = (width as i32, height as i32);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => width / 2,
            HPos::Right => width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => height / 2,
            VPos::Bottom => height,
        };
        let (turn, color) = (style.transform(), style.color());
        // The callback cannot return an error, so its first error is stored and returned later.
        let mut result = Ok(());
        let Self { bitmap, face } = self;
        face.draw(text, style.size(), |x, y, ink| {
            // The text rotates around its anchor, so positions are computed relative to the anchor.
            let (x, y) = turn.transform(x - left, y - top);
            if result.is_ok() {
                result = bitmap.draw_pixel((at.0 + x, at.1 + y), with_opacity(color, f64::from(ink)));
            }
        });
        result
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        Ok((self.face.width(text, style.size()).ceil() as u32, style.size().ceil() as u32))
    }

    fn blit_bitmap(&mut self, at: BackendCoord, size: (u32, u32), pixels: &[u8]) -> DrawResult<Self> {
        self.bitmap.blit_bitmap(at, size, pixels)
    }
}
