//! How likely it is that an alignment is chance.
//!
//! For each peak of the track that should be heard there is a probability to find a peak in its place by
//! chance. The likelihood of what was found, if each peak survives with some rate, over its likelihood by
//! chance is an e-value: chance exceeds `x` with probability at most `1 / x` (Vovk and Wang 2021), whatever
//! the number of peaks. The mean over several ways to survive is one too.
//!
//! That holds for peaks that chance finds one by one. Music is less random, so two things are measured on
//! each alignment and each query. How unevenly the found peaks are spread over moments and seconds: notes of
//! another piece agree here and there, a recording agrees throughout ([`evidence`], quasi-likelihood). And
//! what other places and other tracks explain of the same query ([`super::rivals`]): beats and samples are
//! shared by many.

mod chance;
mod evidence;
mod spread;
mod survival;

pub(super) use chance::Chance;
pub(super) use evidence::Evidence;
pub(super) use survival::{BANDS, BROKEN_PROMISE, Survival, band, mean, promise};
