//! Significance: the probability that an alignment arose by chance.
//!
//! Each peak of the track that is expected in the query has a probability that a peak is found at its place by chance.
//! If each peak survives with some rate, the likelihood of the found and missing peaks divided by their likelihood by
//! chance is an e-value: under chance it exceeds `x` with probability at most `1 / x` (Vovk and Wang 2021), for any
//! number of peaks. The mean over several hypotheses of survival is an e-value, too.
//!
//! This holds for peaks that chance finds independently. Music is less random, so two effects are measured on each
//! alignment and each query. The first is how unevenly the found peaks are distributed over moments and seconds: notes
//! of another piece agree in some places, a recording agrees throughout ([`evidence`], quasi-likelihood). The second is
//! how much other places and other tracks explain of the same query ([`super::competitors`]): many tracks share beats
//! and samples.

mod chance;
mod evidence;
mod ranks;
mod spread;
mod survival;

pub(super) use chance::Chance;
pub(super) use evidence::PeakEvidence;
pub(super) use survival::{BANDS, MISSING_PEAK_SCORE, Survival, band, mean, screening_score};
