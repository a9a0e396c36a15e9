//! Interfaces of the external services that this program uses: queues, objects, topics, channels. `refrain-aws`
//! implements them for AWS; this module does not depend on a provider.

mod channels;
mod error;
mod objects;
mod queue;
mod topics;

use std::sync::Arc;

pub use channels::{Channel, ChannelStream, Channels};
pub use error::{CloudError, CloudErrorKind};
pub use objects::{ListedObject, ObjectFacts, ObjectName, Objects, Put};
pub use queue::{Queue, QueueFacts, QueueMessage};
pub use topics::Topics;

/// The external services of a process. A field is `None` if the settings do not contain that service.
#[derive(Clone, Default)]
pub struct CloudServices {
    /// Queue of events "IVS Stream State Change".
    pub streams: Option<Arc<dyn Queue>>,
    /// Queue of events "MediaLive Channel State Change".
    pub medialive: Option<Arc<dyn Queue>>,
    /// Queue of events about objects to check.
    pub check: Option<Arc<dyn Queue>>,
    /// Queue of events about objects to index.
    pub index: Option<Arc<dyn Queue>>,
    /// Access to objects in buckets.
    pub objects: Option<Arc<dyn Objects>>,
    /// Access to topics.
    pub topics: Option<Arc<dyn Topics>>,
    /// Access to IVS channels.
    pub channels: Option<Arc<dyn Channels>>,
}
