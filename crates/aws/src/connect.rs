//! From settings to clients.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

use crate::{AwsSettings, IvsChannels, S3Objects, SnsTopics, SqsQueue};

/// Longest wait for a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest time from a request to the head of its answer. Long polls have their own limit.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(20);

/// Longest time of a call with all its attempts.
const CALL: Duration = Duration::from_secs(50);

/// How often a call is tried before its caller hears that it failed. Callers try again themselves, so few is enough.
const ATTEMPTS: u32 = 3;

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A body of which nothing comes or goes for so long is given up.
const STALL: Duration = Duration::from_secs(10);

/// AWS, as the settings and the environment say. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Aws {
    region: Option<String>,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
    ivs: aws_sdk_ivs::Client,
}

impl Aws {
    /// Reads the SDK's variables and files; asks nobody. Credentials are looked for at the first call, and again before
    /// they expire, where the SDK finds them: environment, profiles, a task's or an instance's role.
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

    /// With a configuration of the SDK, which says where credentials come from. Its region and its endpoint of every
    /// service are used; those of `settings` are only looked at for single services.
    #[must_use]
    pub fn new(sdk: &SdkConfig, settings: &AwsSettings) -> Self {
        let sdk = with_limits(sdk);
        let mut s3 = aws_sdk_s3::config::Builder::from(&sdk);
        s3.set_force_path_style(Some(path_style(&sdk, settings)));
        let mut sqs = aws_sdk_sqs::config::Builder::from(&sdk);
        let mut sns = aws_sdk_sns::config::Builder::from(&sdk);
        let mut ivs = aws_sdk_ivs::config::Builder::from(&sdk);
        // Only what is set: else what the builders took from the environment would be lost.
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

    /// The region, if one is known. Without, every call fails.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The queue of this URL.
    #[must_use]
    pub fn queue(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.sqs.clone(), url)
    }

    /// Buckets.
    #[must_use]
    pub fn objects(&self) -> S3Objects {
        S3Objects::new(self.s3.clone())
    }

    /// Topics.
    #[must_use]
    pub fn topics(&self) -> SnsTopics {
        SnsTopics::new(self.sns.clone())
    }

    /// Channels of IVS, asked at most so often a second. Clones of what is returned share that; two calls of this do not.
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
                .connect_timeout(CONNECT)
                .operation_attempt_timeout(ATTEMPT)
                .operation_timeout(CALL)
                .build(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(LONGEST_PAUSE))
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL).build());
    // It shows in the provider's logs who asked.
    builder.set_app_name(AppName::new("refrain").ok());
    builder.build()
}

/// Look-alikes seldom answer to names of hosts that begin with a bucket's.
fn path_style(sdk: &SdkConfig, settings: &AwsSettings) -> bool {
    settings.path_style.unwrap_or_else(|| {
        settings.endpoint_url_s3.is_some() || sdk.endpoint_url().is_some() || has_endpoint_of_s3(sdk)
    })
}

/// As the SDK's own client of S3 looks for it: `AWS_ENDPOINT_URL_S3`, or `endpoint_url` under `s3` of a profile's services.
fn has_endpoint_of_s3(sdk: &SdkConfig) -> bool {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let found = |key| sdk.service_config().and_then(|config| config.load_config(key));
    key.ok().and_then(found).is_some()
}
