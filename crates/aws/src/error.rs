//! Converts errors of the SDK to errors of the service.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use refrain_service::cloud::{CloudError, CloudErrorKind as Kind};

/// Maximum number of characters of a response or a cause that an error message quotes. Messages of IAM name the user
/// and the resource by ARN. At half this value, the second ARN can be cut off; at twice this value, more of an HTML
/// page of a proxy is logged.
const MAX_QUOTED_CHARS: usize = 300;

/// Error of a call of one of the SDK's clients.
pub(crate) type SdkFailure<E> = SdkError<E, HttpResponse>;

/// Converts an error of the SDK. `what` names the failed operation and its object ("cannot read s3://bucket/key"),
/// `permission` the IAM permission that the operation requires.
pub(crate) fn failed<E>(error: &SdkFailure<E>, what: impl Into<String>, permission: &str) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let (kind, why) = match error {
        SdkError::ServiceError(response) => {
            let status = response.raw().status().as_u16();
            let code = response.err().code();
            let message = response.err().message().map(str::to_owned);
            let message = message.or_else(|| exception_message(response.raw()));
            let kind = kind_of(code.unwrap_or_default(), status);
            (
                kind,
                response_reason(kind, code, status, message.as_deref(), permission)
                    + &region_note(response.raw()),
            )
        }
        // The response is no valid response of the service: a proxy or another server has sent it, so the status
        // decides.
        SdkError::ResponseError(response) => {
            let status = response.raw().status().as_u16();
            (kind_of_status(status), format!("{}: {}", unreadable_response(status), error_chain(error)))
        }
        SdkError::TimeoutError(_) => {
            (Kind::Unavailable, format!("no answer in time ({})", error_chain(error)))
        }
        _ => not_sent(error),
    };
    CloudError::new(kind, what, why)
}

/// Interprets the result of a call that tests a permission with invalid parameters. If the service rejected only the
/// parameters, the result is a success, because the service checks permissions first.
///
/// # Errors
/// Returns the error of a call that was denied or throttled, whose resource does not exist, or that got no response.
pub(crate) fn permitted<T>(result: Result<T, CloudError>) -> Result<(), CloudError> {
    match result {
        Err(error) if error.kind() != Kind::Invalid => Err(error),
        _ => Ok(()),
    }
}

/// Returns the HTTP status of the response, or `None` if there was no response.
pub(crate) fn status_of<E>(error: &SdkFailure<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Returns the kind of an error with this error code. If the code is unknown, the HTTP status decides. The codes are
/// taken from the error lists of the services; for SQS these are the names of its JSON protocol and the older names of
/// its query protocol.
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
        // Not transient, although tokens can be renewed: the SDK has renewed expired ones before the call.
        code if is_credential_error(code) => Kind::Denied,
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
        // An error with a status of success: the response is not from the service, or is incomplete.
        200..=299 => Kind::Unavailable,
        // Not implemented by an S3-compatible store. A retry cannot succeed.
        501 => Kind::Invalid,
        408 | 500.. => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

/// Returns true if the error code means invalid or expired credentials. In this case, other permissions would not help.
fn is_credential_error(code: &str) -> bool {
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

fn response_reason(
    kind: Kind,
    code: Option<&str>,
    status: u16,
    message: Option<&str>,
    permission: &str,
) -> String {
    let mut why = match code {
        Some(code) => code.to_owned(),
        None if (200..300).contains(&status) => unreadable_response(status),
        None => format!("status {status}"),
    };
    // The message of a signature error quotes the request, which contains the session token.
    let is_credential = code.is_some_and(is_credential_error);
    if let Some(message) = message.filter(|_| !is_credential).map(first_line).filter(|line| !line.is_empty())
    {
        why += &format!(": {message}");
    }
    match kind {
        Kind::Denied if is_credential => {
            why += "; the credentials are wrong or have expired, or this clock is wrong";
        }
        Kind::Denied => why += &format!("; the role or user needs the right {permission}"),
        _ => {}
    }
    why
}

fn unreadable_response(status: u16) -> String {
    format!("status {status} and an answer that cannot be read")
}

/// Returns the field `exceptionMessage` of a response, or `None` if it is missing. IVS puts its error message into this
/// field, which the SDK does not read.
fn exception_message(response: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    body.get("exceptionMessage")?.as_str().map(str::to_owned)
}

/// Returns a note about the bucket's region, or an empty text if the response does not name the region. S3 names it in
/// responses to requests in the wrong region.
fn region_note(response: &HttpResponse) -> String {
    match response.headers().get("x-amz-bucket-region") {
        Some(region) if matches!(response.status().as_u16(), 301 | 307 | 400) => {
            format!("; the bucket is in region {region}")
        }
        _ => String::new(),
    }
}

/// Explains a call without a response: the request was not sent (no credentials, no region, invalid request), or the
/// service was not reachable.
fn not_sent<E: Error + 'static>(error: &SdkFailure<E>) -> (Kind, String) {
    // The SDK reports missing credentials as a failure to send, with the reason further down the chain.
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(at) = cause {
        match at.downcast_ref::<CredentialsError>() {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                let why = "no credentials; give the task a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
                return (Kind::Denied, why.to_owned());
            }
            Some(CredentialsError::InvalidConfiguration(_)) => {
                return (
                    Kind::Denied,
                    format!("the configuration of the credentials is invalid: {}", error_chain(at)),
                );
            }
            Some(_) => return (Kind::Unavailable, format!("cannot get credentials: {}", error_chain(at))),
            None => cause = at.source(),
        }
    }
    let causes = error_chain(error);
    // The messages of the services' endpoint rules for a missing region.
    if ["Missing Region", "region must be set"].iter().any(|text| causes.contains(text)) {
        return (Kind::Invalid, "the region is missing; set aws.region or AWS_REGION".to_owned());
    }
    let is_invalid_request = match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_user(),
        _ => false,
    };
    match is_invalid_request {
        true => (Kind::Invalid, format!("invalid request: {causes}")),
        false => (Kind::Unavailable, format!("not reachable: {causes}")),
    }
}

/// Formats an error and its causes, outermost first, without repeated texts. The result has at most
/// [`MAX_QUOTED_CHARS`] characters.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = first_line(&error.to_string());
    let mut cause = error.source();
    while let Some(at) = cause {
        let line = first_line(&at.to_string());
        // Many errors of the SDK repeat the text of their cause.
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        cause = at.source();
    }
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().chars().take(MAX_QUOTED_CHARS).collect()
}
