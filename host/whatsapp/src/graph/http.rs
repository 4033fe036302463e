//! One HTTP exchange over kept connections: hyper's client without what a browser would need. Bounded in time and size.

use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Below the idle time of Meta's servers: a connection that the other end has just closed makes an outcome unknown.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// Nothing has left.
    #[error("no connection: {0}")]
    Connect(String),
    /// The request was on its way.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The request was on its way.
    #[error("no answer within {0} ms")]
    Late(u128),
    /// The answer is over its bound.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

/// One request.
pub(super) struct Exchange {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) authorization: HeaderValue,
    /// JSON.
    pub(super) body: Option<Vec<u8>>,
}

pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    pub(super) fn new(connections_max: usize) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(connections_max)
            // A message must not be sent a second time behind our back.
            .retry_canceled_requests(false)
            .build(connector);
        Self { client }
    }

    /// JSON out, bytes in.
    pub(super) async fn exchange(&self, exchange: Exchange, timeout: Duration, bytes_max: usize) -> Result<(u16, Bytes), HttpError> {
        let mut request = Request::new(Full::new(Bytes::from(exchange.body.unwrap_or_default())));
        *request.method_mut() = exchange.method;
        *request.uri_mut() = exchange.uri;
        request.headers_mut().insert(AUTHORIZATION, exchange.authorization);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.run(request, timeout, bytes_max).await
    }

    /// Any request.
    pub(super) async fn run(&self, request: Request<Full<Bytes>>, timeout: Duration, bytes_max: usize) -> Result<(u16, Bytes), HttpError> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|problem| match problem.is_connect() {
                true => HttpError::Connect(root(&problem)),
                false => HttpError::Broken(root(&problem)),
            })?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), bytes_max).collect().await.map_err(|problem| match problem.is::<LengthLimitError>() {
                true => HttpError::TooLarge { bytes_max },
                false => HttpError::Broken(problem.to_string()),
            })?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or_else(|_| Err(HttpError::Late(timeout.as_millis())))
    }
}

/// The innermost reason: the outer ones say only that there was one.
fn root(problem: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = problem;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
