//! Functions for drawing that are independent of audio: canvas, text, colours and axes.

mod axes;
mod backend;
mod color;
mod picture;
mod typeface;

pub(super) use axes::{Axis, Chart, Margins, chart, grid};
pub(super) use color::{BAND, BARE, EDGE, FAINT, FOUND, GHOST, HeatMap, INK, MISSING, PEAK, mark};
pub(super) use picture::{Area, PictureTheme, Size, png};

use backend::Backend;
use typeface::Typeface;
pub(super) use typeface::minus;
