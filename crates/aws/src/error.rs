//! What the SDK says, as the service needs it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use refrain_service::outside::{OutsideError, OutsideErrorKind as Kind};

/// Most characters of an answer that are told.
const LONGEST_ANSWER: usize = 300;

/// Failures of calls by one of the clients.
pub(crate) type Failure<E> = SdkError<E, HttpResponse>;

/// `what` says what was tried on what ("cannot read s3://bucket/key"), `right` what IAM calls the right to it.
pub(crate) fn failed<E>(error: &Failure<E>, what: impl Into<String>, right: &str) -> OutsideError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, why) = match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let code = answer.err().code();
            let message = answer.err().message().map(str::to_owned);
            let message = message.or_else(|| exception_message(answer.raw()));
            let kind = kind_of(code.unwrap_or_default(), status);
            (kind, answered(kind, code, status, message.as_deref(), right) + &elsewhere(answer.raw()))
        }
        SdkError::ResponseError(answer) => {
            let status = answer.raw().status().as_u16();
            (kind_of_status(status), format!("{}: {}", unread(status), chain(error)))
        }
        SdkError::TimeoutError(_) => (Kind::Unavailable, format!("no answer in time ({})", chain(error))),
        _ => not_sent(error),
    };
    OutsideError::new(kind, what, why)
}

/// Returns success for a call that was made with invalid parameters if the service rejected only these: it checks
/// permissions first.
///
/// # Errors
/// Returns the error of a call that was denied, not found, throttled or not answered.
pub(crate) fn permitted<T>(result: Result<T, OutsideError>) -> Result<(), OutsideError> {
    match result {
        Err(error) if error.kind() != Kind::Invalid => Err(error),
        _ => Ok(()),
    }
}

/// The HTTP status that was answered, if any was.
pub(crate) fn status_of<E>(error: &Failure<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Of what kind a failure with this code, or without a known one this HTTP status, is. The codes are those of the
/// services' lists of errors; of SQS both the names of its JSON protocol and the older ones of its query protocol come.
pub(crate) fn kind_of(code: &str, status: u16) -> Kind {
    match code {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "Throttled"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "SlowDown"
        | "OverLimit"
        | "KmsThrottled"
        | "KMSThrottlingException"
        | "KMSThrottling" => Kind::Throttled,
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "AllAccessDisabled"
        | "KmsAccessDenied"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException" => Kind::Denied,
        code if is_of_credentials(code) => Kind::Denied,
        "NoSuchKey"
        | "NoSuchBucket"
        | "NotFound"
        | "NotFoundException"
        | "ResourceNotFoundException"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "MessageNotInflight"
        | "AWS.SimpleQueueService.MessageNotInflight" => Kind::NotFound,
        "ReceiptHandleIsInvalid" => Kind::Invalid,
        "PreconditionFailed" | "ConditionalRequestConflict" | "OperationAborted" => Kind::Conflict,
        "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "InternalError"
        | "InternalFailure"
        | "InternalErrorException"
        | "InternalServerException" => Kind::Unavailable,
        _ => kind_of_status(status),
    }
}

fn kind_of_status(status: u16) -> Kind {
    match status {
        401 | 403 => Kind::Denied,
        404 | 410 => Kind::NotFound,
        409 | 412 => Kind::Conflict,
        429 => Kind::Throttled,
        // Whoever answered this was not the service, or broke off.
        200..=299 => Kind::Unavailable,
        // What a look-alike has not built it will not have built later.
        501 => Kind::Invalid,
        408 | 500.. => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

/// The caller is not who he says, or not any more; no right of his would help.
fn is_of_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "InvalidSecurity"
            | "InvalidToken"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

fn answered(kind: Kind, code: Option<&str>, status: u16, message: Option<&str>, right: &str) -> String {
    let mut why = match code {
        Some(code) => code.to_owned(),
        None if (200..300).contains(&status) => unread(status),
        None => format!("status {status}"),
    };
    // Answers to wrong signatures quote the request, and with it the session's token.
    let quotes = code.is_some_and(is_of_credentials);
    if let Some(message) = message.filter(|_| !quotes).map(first_line).filter(|line| !line.is_empty()) {
        why += &format!(": {message}");
    }
    match kind {
        Kind::Denied if quotes => {
            why += "; the credentials are wrong or have expired, or this clock is wrong";
        }
        Kind::Denied => why += &format!("; whoever runs this needs the right {right}"),
        _ => {}
    }
    why
}

fn unread(status: u16) -> String {
    format!("status {status} and an answer that cannot be read")
}

/// IVS calls the message so, which the SDK does not know as one.
fn exception_message(answer: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(answer.body().bytes()?).ok()?;
    body.get("exceptionMessage")?.as_str().map(str::to_owned)
}

/// S3 tells where a bucket is when it is asked in the wrong region.
fn elsewhere(answer: &HttpResponse) -> String {
    match answer.headers().get("x-amz-bucket-region") {
        Some(region) if matches!(answer.status().as_u16(), 301 | 307 | 400) => {
            format!("; the bucket is in region {region}")
        }
        _ => String::new(),
    }
}

/// Nothing was asked, or nothing was heard: no credentials, no region, no connection.
fn not_sent<E: Error + 'static>(error: &Failure<E>) -> (Kind, String) {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(at) = cause {
        match at.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                let why = "no credentials; give the task a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                return (Kind::Denied, why.to_owned());
            }
            Some(CredentialsError::InvalidConfiguration(_)) => {
                return (Kind::Denied, format!("credentials are not set up right: {}", chain(at)));
            }
            Some(_) => return (Kind::Unavailable, format!("credentials cannot be had: {}", chain(at))),
            None => cause = at.source(),
        }
    }
    let causes = chain(error);
    // The services' rules for endpoints say it in these ways.
    if ["Missing Region", "region must be set"].iter().any(|told| causes.contains(told)) {
        return (Kind::Invalid, "no region is known; set aws.region or AWS_REGION".to_owned());
    }
    let ours = match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_user(),
        _ => false,
    };
    match ours {
        true => (Kind::Invalid, format!("the request cannot be made: {causes}")),
        false => (Kind::Unavailable, format!("not reachable: {causes}")),
    }
}

/// An error and its causes, each once, the outermost first.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = first_line(&error.to_string());
    let mut cause = error.source();
    while let Some(at) = cause {
        let line = first_line(&at.to_string());
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = at.source();
    }
    text.chars().take(LONGEST_ANSWER).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().chars().take(LONGEST_ANSWER).collect()
}
