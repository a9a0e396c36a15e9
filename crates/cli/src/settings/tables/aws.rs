//! The tables `[aws]`, `[queues]` and `[bucket]`.

use crate::settings::declare::settings;
use crate::settings::limit::Limit::{Any, Between};

settings! {
    /// AWS. Credentials come from the sources of the AWS SDK (usually the role of the task), never from this file. The
    /// variables of the SDK (AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3 …) apply where this table has no value.
    "aws" AwsTable {
        /// Region of all resources.
        region: String, default(none "the region of the SDK"), Any, example "\"eu-west-1\"";
        /// Endpoint of every service instead of that of the region, for tests and compatible services.
        endpoint_url: String, default(none "none"), Any, example "\"http://127.0.0.1:5000\"";
        /// Endpoint of S3.
        endpoint_url_s3: String, default(none "endpoint_url"), Any, example "\"http://127.0.0.1:5000\"";
        /// Endpoint of SQS.
        endpoint_url_sqs: String, default(none "endpoint_url"), Any, example "\"http://127.0.0.1:5000\"";
        /// Endpoint of SNS.
        endpoint_url_sns: String, default(none "endpoint_url"), Any, example "\"http://127.0.0.1:5000\"";
        /// Endpoint of IVS.
        endpoint_url_ivs: String, default(none "endpoint_url"), Any, example "\"http://127.0.0.1:5001\"";
        /// True to write bucket names in the path instead of the host name.
        path_style: bool, default(none "false; true if an endpoint of S3 is set"), Any, example "true";
    }
}

settings! {
    /// URLs of SQS queues. A queue without a URL is not read. Visibility timeout and number of attempts are attributes of
    /// the queue; the service extends the timeout while it processes a message. Invalid messages go at once to the
    /// dead-letter queue of the redrive policy.
    "queues" QueuesTable {
        /// Queue with "IVS Stream State Change" of EventBridge.
        streams: String, default(none "the variable STREAM_START_QUEUE_URL"), Any,
            example "\"https://sqs.eu-west-1.amazonaws.com/123456789012/stream-start-queue\"";
        /// Queue for objects under check_prefix and streams_prefix: "Object Created" of EventBridge, or notifications of S3,
        /// raw or through SNS. `check` and `index` can be one queue if every process has both roles or none of them; a
        /// message for a role that its reader lacks goes to the dead-letter queue.
        check: String, default(none "none"), Any,
            example "\"https://sqs.eu-west-1.amazonaws.com/123456789012/refrain-check\"";
        /// Queue for objects under index_prefix, with the same messages.
        index: String, default(none "none"), Any,
            example "\"https://sqs.eu-west-1.amazonaws.com/123456789012/refrain-index\"";
        /// Queue with "MediaLive Channel State Change".
        medialive: String, default(none "none"), Any,
            example "\"https://sqs.eu-west-1.amazonaws.com/123456789012/refrain-medialive\"";
    }
}

settings! {
    /// Files in S3. Prefixes are case-insensitive; the longest matching prefix is used.
    "bucket" BucketTable {
        /// Bucket of the files. Events of other buckets are refused.
        source: String, default(none "any bucket of an event is accepted"), Any, example "\"refrain-source\"";
        /// Prefix of files to index.
        index_prefix: String, default(text "songs_to_index/"), Any;
        /// Prefix of files to identify.
        check_prefix: String, default(text "songs_to_check/"), Any;
        /// Prefix of segments of MediaLive's archive outputs.
        streams_prefix: String, default(text "songs_to_check/streams/"), Any;
        /// Name modifier of MediaLive, which is removed from the end of the name of a segment, before its counter. Empty: none.
        name_modifier: String, default(text ""), Any;
        /// Maximum size of an object in GB (10^9 bytes). Larger objects get a report with this reason.
        largest_object_gb: f64, default(50.0), Between(0.001, 5_000.0);
        /// Time to wait for a missing segment before it becomes a gap, in seconds.
        segment_wait_seconds: u32, default(60), Between(0.0, 3_600.0);
        /// Time without a new segment after which a stream of segments ends, in seconds.
        stream_end_seconds: u32, default(300), Between(10.0, 86_400.0);
    }
}
