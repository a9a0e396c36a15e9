//! Generation of a target's inputs by number.

use fastrand::Rng;

use crate::corpus::Corpus;
use crate::limits::MAX_INPUT_BYTES;
use crate::mutate::mutate;
use crate::targets::Target;

/// Share of the inputs after the seeds that the grammar generates. The others are mutated seeds.
const GRAMMAR_SHARE: f64 = 0.4;

/// Share of the inputs of the grammar that are also mutated.
const MUTATED_SHARE: f64 = 0.5;

/// The inputs of a target for one random seed: first the unchanged corpus, then an unlimited number of mutated and generated
/// inputs. An input depends only on its number, not on the inputs before it.
#[derive(Debug, Clone)]
pub struct Inputs {
    target: &'static Target,
    corpus: Corpus,
    seed: u64,
}

impl Inputs {
    /// Creates the inputs of a target from its corpus.
    #[must_use]
    pub fn new(target: &'static Target, corpus: Corpus, seed: u64) -> Self {
        Self { target, corpus, seed }
    }

    /// Returns the input of this number.
    #[must_use]
    pub fn input(&self, number: u64) -> Vec<u8> {
        let seeds = self.corpus.inputs();
        if let Some(seed) = usize::try_from(number).ok().and_then(|number| seeds.get(number)) {
            return seed.clone();
        }
        let name =
            self.target.name.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte));
        // Neighbouring numbers need unrelated sequences: the generator's own first output mixes them.
        let mut rng = Rng::with_seed(
            Rng::with_seed(self.seed ^ name).u64(..) ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        );
        let made = seeds.is_empty() || rng.f64() < GRAMMAR_SHARE;
        let mut input = match made.then(|| self.target.grammar.make(&mut rng, seeds)).flatten() {
            Some(made) if rng.f64() >= MUTATED_SHARE => made,
            Some(mut made) => {
                mutate(&mut made, seeds, &mut rng);
                made
            }
            None => {
                let mut seed = rng.choice(seeds).cloned().unwrap_or_default();
                mutate(&mut seed, seeds, &mut rng);
                seed
            }
        };
        input.truncate(MAX_INPUT_BYTES);
        input
    }
}
