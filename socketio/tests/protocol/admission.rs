//! The application decides which requests may open a session, and how the other requests are answered.

use std::{rc::Rc, sync::Arc};

use actix_socketio::{
    SocketIo,
    engineio::{EngineServer, HandshakeError, OpenRequest},
};
use actix_web::{
    App, HttpResponse,
    error::{Error, InternalError},
    http::{StatusCode, header::HeaderName},
};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    echo::EchoNamespace,
    http_server::HttpServer,
    polling_client::{PollResponse, PollingClient},
    test_server::{TestServer, quiet_config},
    timeout::within_timeout,
};

/// Starts an echo server with the given admission function.
fn start_server_with_admission<T: 'static>(
    admit: impl Fn(&OpenRequest) -> Result<T, Error> + Clone + Send + 'static,
) -> TestServer {
    TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let namespaces = SocketIo::new()
                .namespace("/", EchoNamespace)
                .admit(admit.clone());
            let server = EngineServer::new(quiet_config(), sessions.clone(), Rc::new(namespaces));
            App::new().configure(server.routes("/socket.io/"))
        });
        let server = server.workers(1).h1_allow_half_closed(false);
        Ok(server.listen(listener)?.run())
    })
}

/// Sends a handshake, for the WebSocket transport with an upgrade, and returns the response.
async fn send_handshake(server: &TestServer, transport: &str) -> PollResponse {
    let address = server.address;
    let url = format!("http://{address}/socket.io/?EIO=4&transport={transport}");
    let mut request = reqwest::Client::new().get(url);
    if transport == "websocket" {
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
    }
    PollResponse::read(within_timeout(request.send()).await.unwrap()).await
}

#[actix_web::test]
async fn request_that_is_not_admitted_is_forbidden() {
    let server = start_server_with_admission(|_| Err::<(), _>(HandshakeError::Forbidden.into()));
    for transport in ["polling", "websocket"] {
        let response = send_handshake(&server, transport).await;
        assert_eq!(response.status, 403);
        assert_eq!(response.body, r#"{"code":4,"message":"Forbidden"}"#);
    }
    assert_eq!(server.sessions.open(), 0);
}

/// Takes a permit for a session, or refuses it with a response of the application.
fn try_acquire(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    permits.clone().try_acquire_owned().map_err(|error| {
        let response = HttpResponse::build(StatusCode::TOO_MANY_REQUESTS)
            .insert_header(("retry-after", "5"))
            .json(json!({ "code": "LIMIT_EXCEEDED" }));
        InternalError::from_response(error, response).into()
    })
}

#[actix_web::test]
async fn application_may_answer_a_refused_request_and_a_permit_is_released_when_its_session_ends() {
    let permits = Arc::new(Semaphore::new(2));
    let admission_permits = permits.clone();
    let server = start_server_with_admission(move |_| try_acquire(&admission_permits));

    let polling = PollingClient::connect_to_namespace(&server).await;
    let websocket = server.connect_to_namespace().await;
    for transport in ["polling", "websocket"] {
        let response = send_handshake(&server, transport).await;
        assert_eq!(response.status, 429);
        assert_eq!(response.content_type.as_deref(), Some("application/json"));
        assert_eq!(response.body, r#"{"code":"LIMIT_EXCEEDED"}"#);
    }
    assert_eq!(server.sessions.open(), 2);

    drop(websocket);
    let first = within_timeout(permits.clone().acquire_owned())
        .await
        .unwrap();
    polling.post_ok("1").await;
    let second = within_timeout(permits.clone().acquire_owned())
        .await
        .unwrap();
    drop((first, second));
    server.connect_to_namespace().await;
}

#[actix_web::test]
async fn request_without_a_websocket_upgrade_takes_no_permit() {
    let permits = Arc::new(Semaphore::new(1));
    let admission_permits = permits.clone();
    let server = start_server_with_admission(move |_| try_acquire(&admission_permits));
    let url = format!(
        "http://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    for _ in 0..3 {
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 400);
    }
    assert_eq!(permits.available_permits(), 1);
}

#[actix_web::test]
async fn handshake_is_refused_if_the_session_would_keep_too_much_of_its_headers() {
    let is_kept = |name: &HeaderName| name == "x-kept";
    let server = TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let namespaces =
                SocketIo::new()
                    .namespace("/", EchoNamespace)
                    .trim_request(move |request| {
                        request
                            .retain_headers(|name, value| is_kept(name).then(|| value.to_owned()));
                    });
            let server = EngineServer::new(quiet_config(), sessions.clone(), Rc::new(namespaces));
            App::new().configure(server.routes("/socket.io/"))
        });
        Ok(server.workers(1).listen(listener)?.run())
    });
    let address = server.address;
    let url = format!("http://{address}/socket.io/?EIO=4&transport=polling");
    let handshake = async |name: &str, bytes: usize| {
        let request = reqwest::Client::new().get(&url);
        let request = request.header(name, "x".repeat(bytes));
        PollResponse::read(within_timeout(request.send()).await.unwrap()).await
    };
    assert_eq!(handshake("x-removed", 60_000).await.status, 200);
    assert_eq!(handshake("x-kept", 16_000).await.status, 200);
    let refused = handshake("x-kept", 17_000).await;
    assert_eq!(refused.status, 431);
    let body = r#"{"code":3,"message":"Request headers too large"}"#;
    assert_eq!(refused.body, body);
    assert_eq!(server.sessions.open(), 2);
}
