//! Whole sounds, from files and from objects: decoded, looked up, answered, learnt. The commands and the service do it by
//! the same piece.

mod answer;
mod damage;
mod decode;
mod learn;
mod same;

pub use answer::{Answer, song_name};
pub use damage::{damage, failure_code, hours};
pub use decode::limits;
pub use learn::{Learnt, NothingToLearn, learn, relabelled};
pub use refrain_isolation::Fingerprinted as Sound;
pub use same::{is_near_duplicate, shared_sound};
