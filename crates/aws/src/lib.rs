//! What the service needs of AWS: [`SqsQueue`], [`S3Objects`], [`SnsTopics`] and [`IvsChannels`] are the `outside` of
//! `refrain-service` by the AWS SDK. Types of the SDK stop here, but for [`Aws::new`], which takes its configuration.
//!
//! ```text
//! AwsSettings ─┐
//!              ├► Aws ─► queue(url) · objects() · topics() · channels(calls_per_second)
//! environment ─┘
//! ```
//!
//! **Errors.** Every failure becomes an `OutsideError`: its kind comes of the service's error code, where there is none of
//! the HTTP status; its text names the queue, object, topic or channel, what was answered, and the right that is missing.
//!
//! **Time.** Connecting, one attempt and the whole call have their limits ([`Aws`]), a long poll has its own, and a body
//! that stands still is given up. A call is tried three times; what fails then is the caller's to try again later.

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
