//! Settings of the connection to AWS.

/// The table `[aws]` of `docs/service.toml`. A field that is `None` takes its value from the SDK's own environment
/// variables and files; a field that is set overrides them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// AWS region, for example `eu-west-1`; `None` for the region of the SDK's configuration.
    pub region: Option<String>,
    /// Endpoint URL of all services, for tests and for compatible products; `None` for the endpoints of the SDK.
    pub endpoint_url: Option<String>,
    /// Endpoint URL of S3, which overrides `endpoint_url`; `None` does not override it.
    pub endpoint_url_s3: Option<String>,
    /// Endpoint URL of SQS, which overrides `endpoint_url`; `None` does not override it.
    pub endpoint_url_sqs: Option<String>,
    /// Endpoint URL of SNS, which overrides `endpoint_url`; `None` does not override it.
    pub endpoint_url_sns: Option<String>,
    /// Endpoint URL of IVS, which overrides `endpoint_url`; `None` does not override it.
    pub endpoint_url_ivs: Option<String>,
    /// True if requests to S3 have the bucket name in the path instead of the host name. `None` means true if any
    /// setting, variable or file configures an endpoint of S3 or of all services, else false.
    pub path_style: Option<bool>,
}
