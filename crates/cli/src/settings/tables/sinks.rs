//! The entries of `[[sinks]]`.

use std::path::PathBuf;

use refrain_service::delivery::DEFAULT_KEY;
use refrain_service::settings::{DetectionOrigin, SinkFormat};

use super::words::{SecretText, SinkKindName};
use crate::settings::declare::settings;
use crate::settings::limit::Limit::{Any, Between, NotEmpty};

settings! {
    /// An entry of `[[sinks]]`. The keys that its kind allows are checked later. `lists.toml` documents it.
    "" SinkTable {
        /// Name: 1 to 40 characters, only a-z, 0-9 and hyphen.
        name: String, default(none "the kind"), Any;
        /// Kind of the sink.
        kind: SinkKindName, default(none "required"), Any;
        /// Name of an S3 bucket.
        bucket: String, default(none "required"), Any;
        /// Key of an object, or path below the folder.
        key: String, default(DEFAULT_KEY.to_owned(), "\"{stream_id}/{file}\""), Any;
        /// ARN of an SNS topic.
        topic: String, default(none "required"), Any;
        /// URL of a webhook.
        url: SecretText, default(none "required"), Any;
        /// File with the secret that signs the requests of a webhook.
        secret_file: PathBuf, default(none "not signed"), Any;
        // With 5 s, receivers that start on demand often fail the first time. With 20 s, a receiver that hangs blocks a
        // delivery slot longer. A delivery that timed out is retried, so the receiver can get it twice.
        /// Timeout of a webhook in seconds.
        timeout_seconds: u32, default(10), Between(1.0, 60.0);
        /// True to accept a private or loopback address of the receiver.
        allow_private: bool, default(false), Any;
        /// Path of a folder.
        path: PathBuf, default(none "required"), Any;
        /// Format of the messages.
        format: SinkFormat, default(SinkFormat::Response, "\"response\""), Any;
        /// Sources of the detections.
        from: Vec<DetectionOrigin>, default(vec![DetectionOrigin::Live, DetectionOrigin::Archive], "[\"live\", \"archive\"]"),
            NotEmpty("live, archive or file");
    }
}
