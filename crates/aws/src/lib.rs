//! Implements the cloud interfaces of `refrain-service` (its module `cloud`) with the AWS SDK: [`SqsQueue`],
//! [`S3Objects`], [`SnsTopics`] and [`IvsChannels`]. The API of this crate contains no types of the SDK, except in
//! [`Aws::new`], which takes the SDK's configuration.
//!
//! ```text
//! AwsSettings ─┐
//!              ├► Aws ─► queue(url) · objects() · topics() · channels(calls_per_second)
//! environment ─┘
//! ```
//!
//! **Errors.** Every failure becomes a `CloudError`. The kind of the error comes from the service's error code or, for
//! an unknown code, from the HTTP status. The text of the error names the queue, object, topic or channel, the
//! response, and the missing permission.
//!
//! **Timeouts.** Connecting, one attempt and the whole call have timeouts ([`Aws`]). A long poll has its own timeout. A
//! body without progress is aborted. A call is attempted three times; after that the caller has to retry later.

mod batch;
mod channels;
mod connect;
mod error;
mod objects;
mod pace;
mod queue;
mod settings;
mod topics;

pub use channels::IvsChannels;
pub use connect::Aws;
pub use objects::S3Objects;
pub use queue::SqsQueue;
pub use settings::AwsSettings;
pub use topics::SnsTopics;
