//! What the service needs of others: queues, objects, topics, channels. `refrain-aws` has them of AWS; nothing here knows
//! whose they are.

mod channels;
mod error;
mod objects;
mod queue;
mod topics;

use std::sync::Arc;

pub use channels::{Channel, ChannelStream, Channels};
pub use error::{OutsideError, OutsideErrorKind};
pub use objects::{ListedObject, ObjectFacts, ObjectName, Objects, Put};
pub use queue::{Message, Queue, QueueFacts};
pub use topics::Topics;

/// What there is of the outside; what is `None` is not configured.
#[derive(Clone, Default)]
pub struct Outside {
    /// "IVS Stream State Change".
    pub streams: Option<Arc<dyn Queue>>,
    /// "MediaLive Channel State Change".
    pub medialive: Option<Arc<dyn Queue>>,
    /// Objects to check.
    pub check: Option<Arc<dyn Queue>>,
    /// Objects to index.
    pub index: Option<Arc<dyn Queue>>,
    /// Buckets.
    pub objects: Option<Arc<dyn Objects>>,
    /// Topics.
    pub topics: Option<Arc<dyn Topics>>,
    /// IVS.
    pub channels: Option<Arc<dyn Channels>>,
}
