//! Errors of the configuration of sinks.

use refrain_net::ClientError;

/// Error of a sink that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkConfigError {
    /// The sink needs an AWS service that is not available in this process.
    #[error(
        "sink {sink} needs AWS ({what}), but this process has no AWS client; restart it if the sink is new, build refrain \
         with the feature aws, or remove the sink"
    )]
    MissingCloudService {
        /// Name of the sink.
        sink: String,
        /// The AWS resources that the sink needs: buckets or topics.
        what: &'static str,
    },
    /// The URL of the sink is invalid.
    #[error("sink {sink}: invalid URL: {source}")]
    Url {
        /// Name of the sink.
        sink: String,
        /// The reason why the URL is invalid.
        source: url::ParseError,
    },
    /// The HTTP client of the sink cannot be created.
    #[error("sink {sink}: {source}")]
    Client {
        /// Name of the sink.
        sink: String,
        /// The error of the client.
        source: ClientError,
    },
}
