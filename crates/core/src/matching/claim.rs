//! What is claimed of evidence: the probability that a match is chance, and what has to be proved for one.
//!
//! The evidence of [`super::significance`] holds for peaks that agree by chance. Music agrees for other reasons too: one
//! maker's pieces share loops, samples and beats. Where that happens evidence grows as it does for a true match, so among
//! unknown music of the same makers false matches die out far more slowly than the e-value says. A likelihood under a model
//! that is wrong in this way is tempered: it counts with a power below 1 (Bissiri, Holmes and Walker 2016; Grünwald and van
//! Ommen 2017). The README shows how true the claims are that follow.

/// Power with which evidence counts.
const TEMPER: f64 = 0.5;

/// The probability claimed for evidence with this logarithm, where so many hypotheses (logarithm) were tried.
pub(super) fn claimed(log_p: f64, hypotheses: f64) -> f64 {
    (TEMPER * (log_p + hypotheses)).min(0.0).exp()
}

/// Logarithm of the evidence that a match needs for a claim of this probability.
pub(super) fn needed(probability: f64, hypotheses: f64) -> f64 {
    probability.max(f64::MIN_POSITIVE).ln() / TEMPER - hypotheses
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
