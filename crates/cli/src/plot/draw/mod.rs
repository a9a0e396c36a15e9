//! Drawing primitives that do not depend on audio: canvas, text, colours and axes.

mod axes;
mod backend;
mod canvas;
mod colour;
mod typeface;

pub(super) use axes::{Axis, Chart, Margins, chart, grid};
pub(super) use canvas::{Area, Look, Size, png};
pub(super) use colour::{BAND, BARE, EDGE, FAINT, FOUND, GHOST, Heat, INK, MISSING, PEAK, mark};

use backend::Backend;
use typeface::Typeface;
pub(super) use typeface::minus;
