//! The claimed probability that a match arose by chance, and the evidence that a claim requires.
//!
//! The evidence that remains after [`super::competitors`] and [`super::masking`] is a p-value for one hypothesis. It is
//! multiplied by the number of hypotheses that were tried (Bonferroni correction). `docs/accuracy.md` shows how
//! accurate the claims are.

/// Returns the claimed probability for evidence `log_p`. `hypotheses` is the logarithm of the number of hypotheses that
/// were tried.
pub(super) fn claimed(log_p: f64, hypotheses: f64) -> f64 {
    (log_p + hypotheses).min(0.0).exp()
}

/// Returns the log-probability that a match needs for a claim of this probability. `hypotheses` is the logarithm of the
/// number of hypotheses that were tried.
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
