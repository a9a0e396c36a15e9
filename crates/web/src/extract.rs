//! Extractors of axum whose rejections have the JSON body of all errors of the API.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A parameter of the path. The request is rejected with 400 if it is not UTF-8 after percent-decoding.
pub(super) struct ApiPath<T>(pub(super) T);

/// The query string. The request is rejected with 400 if a key is unknown or a value cannot be parsed.
pub(super) struct ApiQuery<T>(pub(super) T);

/// The body. The request is rejected with 400 for malformed JSON, 415 for another content type, and 422 for wrong types
/// and unknown fields.
pub(super) struct ApiJson<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(Path::<T>::from_request_parts(parts, state).await?.0))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(Query::<T>::from_request_parts(parts, state).await?.0))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Ok(Self(axum::Json::<T>::from_request(request, state).await?.0))
    }
}

macro_rules! rejected {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for ApiError {
            fn from(rejection: $rejection) -> Self {
                // axum knows the status that fits each rejection. Only its plain text body is replaced by JSON.
                Self::Rejected(rejection.status(), rejection.body_text())
            }
        }
    )*};
}
rejected!(PathRejection, QueryRejection, JsonRejection);
