//! Rules for the headers of requests and responses, by path.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};

use super::body::ResponseBody;
use super::fault::matches;
use super::response::status_only;
use super::server::{Origin, OriginState, Reset, respond};

/// Rules for headers. All rules that match a path apply.
#[derive(Debug, Default)]
pub(super) struct HeaderRules(Mutex<Vec<HeaderRule>>);

#[derive(Debug)]
struct HeaderRule {
    pattern: String,
    name: HeaderName,
    value: HeaderValue,
    kind: RuleKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RuleKind {
    /// A request without the header is answered with the status 403.
    Required,
    /// The response gets the header.
    Added,
}

impl Origin {
    /// Responds with the status 403 to requests whose path matches `pattern`, a path in which one `*` matches any text,
    /// unless they have the header `name` with exactly this value.
    pub fn require_header(&self, pattern: &str, name: &'static str, value: &'static str) {
        self.add_rule(pattern, name, value, RuleKind::Required);
    }

    /// Adds a header to the responses to requests whose path matches `pattern`, also to redirects and errors.
    pub fn add_header(&self, pattern: &str, name: &'static str, value: &'static str) {
        self.add_rule(pattern, name, value, RuleKind::Added);
    }

    fn add_rule(&self, pattern: &str, name: &'static str, value: &'static str, kind: RuleKind) {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        self.shared.rules.lock().push(HeaderRule { pattern: pattern.to_owned(), name, value, kind });
    }
}

impl HeaderRules {
    /// Returns true if a request does not have all required headers.
    fn refuse(&self, path: &str, headers: &HeaderMap) -> bool {
        self.lock().iter().any(|rule| {
            let is_required = rule.kind == RuleKind::Required && matches(&rule.pattern, path);
            is_required && headers.get(&rule.name) != Some(&rule.value)
        })
    }

    fn add_to(&self, path: &str, headers: &mut HeaderMap) {
        for rule in self.lock().iter() {
            if rule.kind == RuleKind::Added && matches(&rule.pattern, path) {
                headers.append(rule.name.clone(), rule.value.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<HeaderRule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Responds to a request and applies the rules for its path.
pub(super) async fn respond_by_rules(
    request: Request<Incoming>,
    shared: Arc<OriginState>,
) -> Result<Response<ResponseBody>, Reset> {
    let path = request.uri().path().to_owned();
    let is_refused = shared.rules.refuse(&path, request.headers());
    let mut response = respond(request, Arc::clone(&shared)).await?;
    if is_refused {
        response = status_only(403);
    }
    shared.rules.add_to(&path, response.headers_mut());
    Ok(response)
}
