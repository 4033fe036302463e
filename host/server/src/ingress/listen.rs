//! The listener: hyper 1 with bounds that axum's own does not set: connections at once, and time to send a header.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::leftover;

/// A request's header has to be there by then.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take until it is answered, its body included.
pub type TimeFor = fn(&hyper::Method, &hyper::Uri) -> Duration;

/// Binds the address.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop`; then takes no more connections, ends idle ones, and returns when all requests in hand are
/// answered. The caller bounds how long it waits.
pub async fn serve(listener: TcpListener, router: Router, connections_max: usize, time_for: TimeFor, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(connections_max));
    let connections = TaskTracker::new();
    loop {
        // Over the bound nobody is accepted: the kernel's queue holds them, then their clients' patience.
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let router = router.clone();
                let timeout = time_for(request.method(), request.uri());
                async move {
                    if request.body().is_end_stream() {
                        return Ok::<_, Infallible>(answer(router, request.map(Body::new), timeout).await);
                    }
                    let expects_continue = request.headers().contains_key(header::EXPECT);
                    let (head, body) = request.into_parts();
                    let (lent, left) = leftover::lend(body);
                    let mut response = answer(router, hyper::Request::from_parts(head, Body::new(lent)), timeout).await;
                    left.read_past(expects_continue, &mut response).await;
                    Ok(response)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn answer(router: Router, request: hyper::Request<Body>, timeout: Duration) -> Response {
    match tokio::time::timeout(timeout, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => hyper::StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(problem) => {
            tracing::warn!(%problem, "a connection could not be accepted");
            // Out of file descriptors, most likely: ask again when some may have been closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
