//! The hash of an object. It is computed while a decoder reads the object, so that the object is fetched only once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use refrain_catalog::ContentHash;

/// A hash of the content of an object, whose bytes may be read in any order. Clones share one hash.
///
/// Only bytes that directly follow the hashed ones are hashed. Decoders read most formats from the start to the end
/// with a few jumps, so nearly all bytes are hashed while they are decoded. Bytes behind a jump have to be read again.
#[derive(Clone, Default)]
pub(super) struct Digest(Arc<Mutex<DigestState>>);

#[derive(Default)]
struct DigestState {
    hasher: blake3::Hasher,
    /// Number of bytes from the start of the object that are hashed.
    hashed: u64,
}

impl Digest {
    /// Adds bytes that were read at `position`. Only those that directly follow the hashed bytes are hashed.
    pub(super) fn add(&self, position: u64, bytes: &[u8]) {
        let mut state = self.lock();
        let hashed_already = state.hashed.checked_sub(position).and_then(|count| usize::try_from(count).ok());
        // Bytes before the hashed position were hashed already, and bytes behind a gap cannot be hashed yet. Both give
        // an empty slice here.
        let new = hashed_already.and_then(|count| bytes.get(count..)).unwrap_or_default();
        state.hasher.update(new);
        state.hashed += new.len() as u64;
    }

    /// Returns the number of bytes from the start of the object that are hashed.
    pub(super) fn hashed(&self) -> u64 {
        self.lock().hashed
    }

    /// Returns the hash of the bytes that are hashed so far.
    pub(super) fn value(&self) -> ContentHash {
        ContentHash(*self.lock().hasher.finalize().as_bytes())
    }

    fn lock(&self) -> MutexGuard<'_, DigestState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_order_of_reads_gives_the_hash_of_the_whole(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
            reads in prop::collection::vec((0_usize..500, 0_usize..200), 0..20),
        ) {
            let digest = Digest::default();
            for (start, length) in reads {
                let start = start.min(bytes.len());
                digest.add(start as u64, &bytes[start..(start + length).min(bytes.len())]);
            }
            let rest = digest.hashed();
            digest.add(rest, &bytes[rest as usize..]);
            prop_assert_eq!(digest.hashed(), bytes.len() as u64);
            prop_assert_eq!(digest.value(), ContentHash(*blake3::hash(&bytes).as_bytes()));
        }
    }
}
