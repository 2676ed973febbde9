//! The six calls as routes: each request is parsed strictly and passed to the platform.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{Html, Response};
use axum::routing::{get, post};

use super::answer::{ApiError, FIND_PATH};
use super::body::{self, trimmed};
use super::debug_routes;
use super::faults::Size;
use super::platform::{Caller, LOGIN_PATH, Platform};
use super::request::ApiRequest;

type Shared = State<Arc<Platform>>;
type PathId = Result<Path<String>, PathRejection>;

/// The routes of the API, of the login page, and for debugging.
pub fn router(platform: Arc<Platform>) -> Router {
    Router::new()
        .route(FIND_PATH, get(find))
        .route("/api/v1/contact/{id}", get(read).put(update))
        .route("/api/v1/contact/{id}/tags", post(add_tags).delete(remove_tags))
        // Documented with the slash in the example and without it in the heading.
        .route("/api/v1/contact/", post(create))
        .route("/api/v1/contact", post(create))
        .route(LOGIN_PATH, get(async || Html("<!DOCTYPE html>\n<title>Login</title>\n<h1>Login</h1>\n")))
        .merge(debug_routes::router())
        .method_not_allowed_fallback(wrong_method)
        .fallback(wrong_path)
        .with_state(platform)
}

async fn find(State(platform): Shared, caller: Caller, uri: Uri) -> Response {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|query| query.0).unwrap_or_default();
    // Of several values the last one counts, as in PHP.
    let parameter = |name: &str| pairs.iter().rev().find(|(key, _)| key == name).and_then(|(_, value)| trimmed(value));
    let page = parameter("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
    platform.take(caller, ApiRequest::Find { name: parameter("name"), value: parameter("value"), page }).await
}

async fn read(State(platform): Shared, caller: Caller, id: PathId) -> Response {
    platform.take(caller, ApiRequest::Read(text(id))).await
}

async fn create(State(platform): Shared, caller: Caller, body: JsonBody) -> Response {
    platform.take(caller, ApiRequest::Create(body.read(body::fields))).await
}

async fn update(State(platform): Shared, caller: Caller, id: PathId, body: JsonBody) -> Response {
    platform.take(caller, ApiRequest::Update(text(id), body.read(body::fields))).await
}

async fn add_tags(State(platform): Shared, caller: Caller, id: PathId, body: JsonBody) -> Response {
    platform.take(caller, ApiRequest::AddTags(text(id), body.read(body::tags))).await
}

async fn remove_tags(State(platform): Shared, caller: Caller, id: PathId, body: JsonBody) -> Response {
    platform.take(caller, ApiRequest::RemoveTags(text(id), body.read(body::tags))).await
}

async fn wrong_method(State(platform): Shared, caller: Caller) -> Response {
    platform.take_other(caller, ApiError::WrongMethod).await
}

async fn wrong_path(State(platform): Shared, caller: Caller) -> Response {
    platform.take_other(caller, ApiError::WrongPath).await
}

// An id that is not text belongs to no contact.
fn text(id: PathId) -> String {
    id.map(|Path(id)| id).unwrap_or_default()
}

// The body of a write, if its type is JSON.
struct JsonBody(Result<Bytes, ApiError>);

impl JsonBody {
    fn read<T>(self, read: impl FnOnce(&[u8]) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.0.and_then(|body| read(&body))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let is_json = has(request.headers(), &header::CONTENT_TYPE, "application/json");
        let body: Result<Bytes, BytesRejection> = Bytes::from_request(request, state).await;
        Ok(Self(match body {
            Err(rejection) => Err(ApiError::Malformed(rejection.body_text())),
            Ok(_) if !is_json => Err(ApiError::Malformed("The Content-Type must be application/json.".into())),
            Ok(body) => Ok(body),
        }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let wants_json = has(&parts.headers, &header::ACCEPT, "application/json");
        Ok(Self { token: token.trim().into(), wants_json, size: size(parts) })
    }
}

fn size(parts: &Parts) -> Size {
    let url = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    Size { url, head: url + headers, body: length.and_then(|length| length.parse().ok()).unwrap_or(0) }
}

fn has(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers.get_all(name).iter().any(|value| value.to_str().is_ok_and(|value| value.contains(wanted)))
}
