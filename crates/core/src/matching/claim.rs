//! The claimed probability that a match arose by chance, and the evidence that a claim requires.
//!
//! The evidence that remains after [`super::competitors`] and [`super::masking`] is a p-value for one hypothesis. This
//! p-value is multiplied by the number of hypotheses that were tried (Bonferroni correction). `docs/accuracy.md` shows
//! how accurate the claimed probabilities are.

/// Returns the probability, at most 1, that is claimed for a match whose log-probability of chance is `log_p`.
/// `hypotheses` is the natural logarithm of the number of hypotheses that were tried.
pub(super) fn claimed(log_p: f64, hypotheses: f64) -> f64 {
    (log_p + hypotheses).min(0.0).exp()
}

/// Returns the highest log-probability of chance with which a match can be claimed at `probability`. `hypotheses` is
/// the natural logarithm of the number of hypotheses that were tried.
pub(super) fn needed(probability: f64, hypotheses: f64) -> f64 {
    probability.max(f64::MIN_POSITIVE).ln() - hypotheses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_evidence_gives_the_claimed_probability() {
        for probability in [0.9, 0.02, 1e-3, 1e-12, 1e-200] {
            let again = claimed(needed(probability, 9.7), 9.7);
            assert!((again / probability - 1.0).abs() < 1e-9, "{probability} {again}");
        }
        assert!(claimed(-5.0, 9.7) >= 1.0, "more hypotheses than evidence");
        assert!(claimed(-1e6, 9.7) == 0.0 && needed(0.0, 9.7).is_finite());
    }
}
