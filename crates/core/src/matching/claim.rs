//! What is claimed of evidence: the probability that a match is chance, and what has to be proved for one.
//!
//! The evidence that [`super::rivals`] and [`super::cover`] leave is a p-value for one hypothesis; all that were tried
//! multiply it (Bonferroni). The README shows how true the claims are that follow.

/// The probability claimed for evidence with this logarithm, where so many hypotheses (logarithm) were tried.
pub(super) fn claimed(log_p: f64, hypotheses: f64) -> f64 {
    (log_p + hypotheses).min(0.0).exp()
}

/// Logarithm of the evidence that a match needs for a claim of this probability.
pub(super) fn needed(probability: f64, hypotheses: f64) -> f64 {
    probability.max(f64::MIN_POSITIVE).ln() - hypotheses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_for_a_claim_gives_it() {
        for probability in [0.9, 0.02, 1e-3, 1e-12, 1e-200] {
            let again = claimed(needed(probability, 9.7), 9.7);
            assert!((again / probability - 1.0).abs() < 1e-9, "{probability} {again}");
        }
        assert!(claimed(-5.0, 9.7) >= 1.0, "more hypotheses than evidence");
        assert!(claimed(-1e6, 9.7) == 0.0 && needed(0.0, 9.7).is_finite());
    }
}
