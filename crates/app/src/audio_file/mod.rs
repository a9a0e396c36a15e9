//! Complete files, read from disk or from objects: decoding, identification, responses, indexing. The commands and the service
//! share this code.

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
