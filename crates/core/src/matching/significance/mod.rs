//! Significance: the probability that an alignment arose by chance.
//!
//! For each peak of the track that is expected in the query, chance has some probability of finding a peak at the
//! expected place. If each peak of the track survives with some rate, the likelihood of the found and missing peaks
//! divided by their likelihood by chance is an e-value: under chance it exceeds `x` with probability at most `1 / x`
//! (Vovk and Wang 2021), for any number of peaks. The mean over several hypotheses of survival is an e-value, too.
//!
//! This holds for peaks that chance finds independently. Music is less random, so two effects are measured on each
//! alignment and each query. The first is how unevenly the found peaks are distributed over moments and seconds: notes
//! of another piece agree in some places, a recording agrees throughout ([`evidence`], quasi-likelihood). The second is
//! how much of the same query other places and other tracks explain ([`super::competitors`]): many tracks share beats
//! and samples.

mod chance;
mod evidence;
mod ranks;
mod spread;
mod survival;

pub(super) use chance::Chance;
pub(super) use evidence::PeakEvidence;
pub(super) use survival::{BANDS, MISSING_PEAK_SCORE, Survival, band, mean, screening_score};
