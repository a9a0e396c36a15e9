//! Where AWS is.

/// The table `[aws]` of `docs/service.toml`. What is `None` is as the SDK finds it in its own variables and files; what
/// is set goes over those.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// Region, for example `eu-west-1`.
    pub region: Option<String>,
    /// Address of every service, for tests and look-alikes.
    pub endpoint_url: Option<String>,
    /// Address of S3, over that of every service; so are the following.
    pub endpoint_url_s3: Option<String>,
    /// Address of SQS.
    pub endpoint_url_sqs: Option<String>,
    /// Address of SNS.
    pub endpoint_url_sns: Option<String>,
    /// Address of IVS.
    pub endpoint_url_ivs: Option<String>,
    /// Whether buckets are in the path and not in the host's name. By default where an endpoint of S3 is given, in
    /// whatever way.
    pub path_style: Option<bool>,
}
