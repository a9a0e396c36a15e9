//! Builds the SDK's clients from the settings and the environment.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

use crate::{AwsSettings, IvsChannels, S3Objects, SnsTopics, SqsQueue};

/// Timeout of connecting, including the TLS handshake. Within a region, connecting takes milliseconds, between
/// continents less than a second. At half this value, a loaded machine can miss it; at twice this value, three attempts
/// to connect to an unreachable address take more than half of the time of a call ([`CALL_TIMEOUT`]).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout from sending a request to receiving the head of its response. Long polls have their own timeout. At half
/// this value, an upload of several megabytes over a slow line exceeds it; at twice this value, one lost request takes
/// most of the call's time.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Timeout of a call with all its attempts. This timeout allows two attempts that time out and a short third one. At
/// half this value, an attempt that times out is retried once at most; at twice this value, a caller such as a lease
/// holder waits too long for an error.
const CALL_TIMEOUT: Duration = Duration::from_secs(50);

/// Number of attempts before a call fails. Callers retry by themselves, so a few attempts are enough; three is also the
/// default of the SDK. With 1, each short failure is logged by the caller; with 6, a failure is reported much later.
const MAX_ATTEMPTS: u32 = 3;

/// Maximum pause between two attempts. The SDK doubles a random pause that begins at up to one second. With three
/// attempts the pauses are at most 1 and 2 s, so half or twice this limit changes nothing; it matters only for more
/// attempts.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A request or response body that makes no progress for this duration is aborted. At half this value, a congested
/// network aborts transfers that would have continued; at twice this value, a stalled reader of an object delays its
/// work for 20 s.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Clients of AWS services, configured by the settings and the environment. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Option<String>,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    ivs: aws_sdk_ivs::Client,
}

impl Aws {
    /// Reads the SDK's environment variables and configuration files; sends no request to AWS. The SDK looks up
    /// credentials at the first call, and again before they expire: in the environment, in profiles, and in the role of
    /// a task or an instance.
    pub async fn connect(settings: &AwsSettings) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &settings.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        Self::new(&loader.load().await, settings)
    }

    /// Creates the clients from a configuration of the SDK, which also provides the credentials. Region and general
    /// endpoint come from `sdk`; of `settings` only the endpoints of single services and `path_style` are used.
    #[must_use]
    pub fn new(sdk: &SdkConfig, settings: &AwsSettings) -> Self {
        // The limits also apply to a configuration of the caller: without them, the SDK waits for a response without
        // end.
        let sdk = with_limits(sdk);
        let mut s3 = aws_sdk_s3::config::Builder::from(&sdk);
        s3.set_force_path_style(Some(path_style(&sdk, settings)));
        let mut sqs = aws_sdk_sqs::config::Builder::from(&sdk);
        let mut sns = aws_sdk_sns::config::Builder::from(&sdk);
        let mut ivs = aws_sdk_ivs::config::Builder::from(&sdk);
        // Setters are called only for configured endpoints: setting `None` would discard what the builders read from
        // the environment.
        if let Some(url) = &settings.endpoint_url_s3 {
            s3 = s3.endpoint_url(url);
        }
        if let Some(url) = &settings.endpoint_url_sqs {
            sqs = sqs.endpoint_url(url);
        }
        if let Some(url) = &settings.endpoint_url_sns {
            sns = sns.endpoint_url(url);
        }
        if let Some(url) = &settings.endpoint_url_ivs {
            ivs = ivs.endpoint_url(url);
        }
        Self {
            region: sdk.region().map(ToString::to_string),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            ivs: aws_sdk_ivs::Client::from_conf(ivs.build()),
        }
    }

    /// Returns the region, or `None` if none is configured. Without a region, every call fails.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Returns a client of the queue with this URL.
    #[must_use]
    pub fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.sqs.clone(), url)
    }

    /// Returns a client of S3.
    #[must_use]
    pub fn objects(&self) -> S3Objects {
        S3Objects::new(self.s3.clone())
    }

    /// Returns a client of SNS.
    #[must_use]
    pub fn topics(&self) -> SnsTopics {
        SnsTopics::new(self.sns.clone())
    }

    /// Returns a client of IVS that makes at most `calls_per_second` calls per second. Clones of a client share this
    /// limit; clients from separate calls of this function do not share it.
    #[must_use]
    pub fn channels(&self, calls_per_second: f64) -> IvsChannels {
        IvsChannels::new(self.ivs.clone(), calls_per_second)
    }
}

fn with_limits(sdk: &SdkConfig) -> SdkConfig {
    let mut builder = sdk
        .to_builder()
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS).with_max_backoff(MAX_PAUSE))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled().grace_period(STALL_TIMEOUT).build(),
        );
    // The name is part of the user agent, so that the provider's logs show which application sent a request.
    builder.set_app_name(AppName::new("refrain").ok());
    builder.build()
}

/// Returns true if requests to S3 have the bucket name in the path. Without a setting, this is the case for any custom
/// endpoint, because S3-compatible stores rarely support bucket names as part of the host name.
fn path_style(sdk: &SdkConfig, settings: &AwsSettings) -> bool {
    // An explicit setting wins, because some S3-compatible stores do need host names.
    settings.path_style.unwrap_or_else(|| {
        settings.endpoint_url_s3.is_some() || sdk.endpoint_url().is_some() || has_s3_endpoint(sdk)
    })
}

/// Returns true if the SDK's own configuration has an endpoint of S3: `AWS_ENDPOINT_URL_S3`, or `endpoint_url` under
/// `s3` of a profile's services.
fn has_s3_endpoint(sdk: &SdkConfig) -> bool {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let found = |key| sdk.service_config().and_then(|config| config.load_config(key));
    key.ok().and_then(found).is_some()
}
