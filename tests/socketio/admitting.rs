//! Who may open a session is the application's decision, and so is what the others are told.

use std::{rc::Rc, sync::Arc};

use actix_web::{
    App, HttpResponse, HttpServer,
    error::{Error, InternalError},
    http::StatusCode,
};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vaultcast::{
    engineio::{HandshakeError, OpenRequest, Server},
    socketio::SocketIo,
};

use crate::{
    echo::Echo,
    poller::{Answer, Poller},
    server::{TestServer, patient, patiently},
};

fn admitting<T: 'static>(
    admit: impl Fn(&OpenRequest) -> Result<T, Error> + Clone + Send + 'static,
) -> TestServer {
    TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let namespaces = SocketIo::new().namespace("/", Echo).admit(admit.clone());
            let server = Server::new(patient(), sessions.clone(), Rc::new(namespaces));
            App::new().configure(server.routes("/socket.io/"))
        });
        let server = server.workers(1).h1_allow_half_closed(false);
        Ok(server.listen(listener)?.run())
    })
}

/// What a handshake that is not admitted is answered, with an upgrade or without.
async fn knock(server: &TestServer, transport: &str) -> Answer {
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
    Answer::of(patiently(request.send()).await.unwrap()).await
}

#[actix_web::test]
async fn a_request_that_is_not_admitted_is_forbidden() {
    let server = admitting(|_| Err::<(), _>(HandshakeError::Forbidden.into()));
    for transport in ["polling", "websocket"] {
        let answer = knock(&server, transport).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.body, r#"{"code":4,"message":"Forbidden"}"#);
    }
    assert_eq!(server.sessions.open(), 0);
}

/// So many sessions may there be at once; who comes later is told so in the application's own words.
fn at_most(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    places.clone().try_acquire_owned().map_err(|full| {
        let told = HttpResponse::build(StatusCode::TOO_MANY_REQUESTS)
            .insert_header(("retry-after", "5"))
            .json(json!({ "code": "LIMIT_EXCEEDED" }));
        InternalError::from_response(full, told).into()
    })
}

#[actix_web::test]
async fn a_refusal_may_be_the_applications_own_and_a_place_is_free_when_a_session_has_gone() {
    let places = Arc::new(Semaphore::new(2));
    let counted = places.clone();
    let server = admitting(move |_| at_most(&counted));

    let polling = Poller::joined(&server).await;
    let websocket = server.joined().await;
    for transport in ["polling", "websocket"] {
        let answer = knock(&server, transport).await;
        assert_eq!(answer.status, 429);
        assert_eq!(answer.content_type.as_deref(), Some("application/json"));
        assert_eq!(answer.body, r#"{"code":"LIMIT_EXCEEDED"}"#);
    }
    assert_eq!(server.sessions.open(), 2);

    drop(websocket);
    let place = patiently(places.clone().acquire_owned()).await.unwrap();
    polling.says("1").await;
    let other = patiently(places.clone().acquire_owned()).await.unwrap();
    drop((place, other));
    server.joined().await;
}

#[actix_web::test]
async fn a_request_that_only_looks_like_a_websocket_takes_no_place() {
    let places = Arc::new(Semaphore::new(1));
    let counted = places.clone();
    let server = admitting(move |_| at_most(&counted));
    let url = format!(
        "http://{}/socket.io/?EIO=4&transport=websocket",
        server.address
    );
    for _ in 0..3 {
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 400);
    }
    assert_eq!(places.available_permits(), 1);
}
