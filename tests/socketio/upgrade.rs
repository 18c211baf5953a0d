//! The upgrade: a websocket takes over from polling, or fails to, and the session does not suffer either way.

use std::{rc::Rc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::Service,
    http::header::{HeaderName, HeaderValue},
};
use tokio_tungstenite::tungstenite::Message;
use vaultcast::engineio::{CloseReason, Config, Server};

use crate::{
    poller::Poller,
    server::{Client, TestServer, config, patient},
    theatre::Theatre,
};

/// A websocket that has probed for a session, and released its poll.
async fn probed(server: &TestServer, client: &Poller) -> Client {
    let parked = client.parked().await;
    let mut websocket = server.websocket_of(client).await;
    websocket.say("2probe").await;
    assert_eq!(websocket.hear().await, "3probe");
    assert_eq!(parked.answer().await, (200, "6".to_owned()));
    websocket
}

/// Polling works as if nothing had happened.
async fn polling_goes_on(client: &Poller) {
    client.says("4still here").await;
    assert_eq!(client.hears().await, "4still here");
}

#[actix_web::test]
async fn a_websocket_takes_over_from_polling() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    websocket.say("5").await;
    websocket.say("4hello").await;
    assert_eq!(websocket.hear().await, "4hello");
    websocket.send(Message::binary(vec![1, 2])).await;
    assert_eq!(websocket.hear_binary().await.as_ref(), [1, 2]);
    assert_eq!(server.sessions.open(), 1);
}

#[actix_web::test]
async fn a_poll_that_comes_after_the_probe_is_released_as_well() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    assert_eq!(client.hears().await, "6");
    assert_eq!(client.hears().await, "6");
    websocket.say("5").await;
    websocket.say("4hello").await;
    assert_eq!(websocket.hear().await, "4hello");
}

#[actix_web::test]
async fn a_poll_that_still_waits_at_the_upgrade_is_turned_away() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let parked = client.parked().await;
    let mut websocket = server.websocket_of(&client).await;
    websocket.say("5").await;
    let bad_request = r#"{"code":3,"message":"Bad request"}"#;
    assert_eq!(parked.answer().await, (400, bad_request.to_owned()));
    websocket.say("4hello").await;
    assert_eq!(websocket.hear().await, "4hello");
}

#[actix_web::test]
async fn what_waits_between_the_last_poll_and_the_upgrade_goes_by_the_websocket() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    client.says("4one\x1ebAQID\x1e4two").await;
    websocket.say("5").await;
    assert_eq!(websocket.hear().await, "4one");
    assert_eq!(websocket.hear_binary().await.as_ref(), [1, 2, 3]);
    assert_eq!(websocket.hear().await, "4two");
}

#[actix_web::test]
async fn requests_and_websockets_that_come_after_the_upgrade_are_turned_away() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    websocket.say("5").await;
    websocket.say("4upgraded").await;
    assert_eq!(websocket.hear().await, "4upgraded");

    let bad_request = r#"{"code":3,"message":"Bad request"}"#;
    let polled = client.poll().await;
    assert_eq!(
        (polled.status.as_u16(), polled.body.as_str()),
        (400, bad_request)
    );
    let posted = client.post("4hello").await;
    assert_eq!(
        (posted.status.as_u16(), posted.body.as_str()),
        (400, bad_request)
    );
    let mut second = server.websocket_of(&client).await;
    assert_eq!(second.closed().await.1, "not upgraded");

    websocket.say("4still here").await;
    assert_eq!(websocket.hear().await, "4still here");
}

#[actix_web::test]
async fn a_session_that_began_as_a_websocket_has_nothing_to_upgrade() {
    let server = TestServer::echo(patient());
    let mut first = server.upgrade("/engine.io/").await;
    let open = first.hear().await;
    let sid = open.split('"').nth(3).unwrap();
    let mut second = server.websocket_for("/engine.io/", sid).await.0;
    assert_eq!(second.closed().await.1, "not upgraded");
    first.say("4still here").await;
    assert_eq!(first.hear().await, "4still here");
}

#[actix_web::test]
async fn one_websocket_at_a_time_is_tried() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut first = probed(&server, &client).await;
    let mut second = server.websocket_of(&client).await;
    assert_eq!(second.closed().await.1, "not upgraded");
    first.say("5").await;
    first.say("4hello").await;
    assert_eq!(first.hear().await, "4hello");
}

#[actix_web::test]
async fn a_websocket_that_says_anything_else_is_closed_and_polling_goes_on() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    for nonsense in ["4hello", "2", "1", "", "abc"] {
        let mut websocket = server.websocket_of(&client).await;
        websocket.say(nonsense).await;
        assert_eq!(websocket.closed().await.1, "not upgraded", "{nonsense:?}");
        polling_goes_on(&client).await;
    }
}

#[actix_web::test]
async fn a_websocket_that_never_takes_over_is_closed_and_polling_goes_on() {
    let server = TestServer::echo(Config {
        upgrade_timeout: Duration::from_millis(150),
        ..patient()
    });
    let client = Poller::engine(&server).await;
    let mut silent = server.websocket_of(&client).await;
    assert_eq!(silent.closed().await.1, "not upgraded");
    polling_goes_on(&client).await;
    let mut hesitant = probed(&server, &client).await;
    assert_eq!(hesitant.closed().await.1, "not upgraded");
    polling_goes_on(&client).await;
}

#[actix_web::test]
async fn a_reset_in_the_middle_of_an_upgrade_is_harmless() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    for _ in 0..10 {
        probed(&server, &client).await.reset();
        polling_goes_on(&client).await;
    }
    // The server may not have seen the last reset yet; until then it tries no other.
    let mut websocket = loop {
        let mut websocket = server.websocket_of(&client).await;
        websocket.say("2probe").await;
        match websocket.next().await {
            Some(Message::Text(answer)) => {
                assert_eq!(answer.as_str(), "3probe");
                break websocket;
            }
            _not_yet => {}
        }
    };
    websocket.say("5").await;
    websocket.say("4hello").await;
    assert_eq!(websocket.hear().await, "4hello");
}

#[actix_web::test]
async fn a_ping_by_the_last_poll_may_be_answered_by_the_websocket() {
    let server = TestServer::echo(config());
    let client = Poller::engine(&server).await;
    assert_eq!(client.hears().await, "2");
    let mut websocket = probed(&server, &client).await;
    websocket.say("5").await;
    for _ in 0..3 {
        websocket.say("3").await;
        assert_eq!(websocket.hear().await, "2");
    }
}

#[actix_web::test]
async fn a_session_that_ends_in_the_middle_of_an_upgrade_takes_the_websocket_with_it() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    client.says("1").await;
    assert_eq!(websocket.closed().await.1, "not upgraded");
    client.is_unknown().await;
    server.emptied().await;
}

#[actix_web::test]
async fn a_client_that_is_closed_when_it_has_stopped_polling_is_told_by_its_websocket() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let mut websocket = probed(&server, &client).await;
    client.says("4last words").await;
    server.sessions.close_all(CloseReason::Shutdown);
    websocket.say("5").await;
    assert_eq!(websocket.hear().await, "4last words");
    assert_eq!(
        websocket.closed().await,
        (1001, "server shutting down".to_owned())
    );
    server.emptied().await;
}

#[actix_web::test]
async fn after_the_upgrade_a_session_ends_as_any_websocket_does() {
    let mut theatre = Theatre::open(patient());
    let client = Poller::joined(&theatre.server).await;
    let mut websocket = probed(&theatre.server, &client).await;
    websocket.say("5").await;
    websocket.say(r#"420["there"]"#).await;
    assert_eq!(websocket.hear().await, r#"430["there"]"#);
    drop(websocket);
    assert_eq!(theatre.report().await, "transport close");
    client.is_unknown().await;
}

const THREAD: &str = "x-thread";

/// The echo on four worker threads, each of which signs its answers.
fn on_many_threads() -> TestServer {
    TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let engine = Server::new(patient(), sessions.clone(), Rc::new(crate::echo::Echo));
            App::new()
                .configure(engine.routes("/engine.io/"))
                .wrap_fn(|request, app| {
                    let answer = app.call(request);
                    async {
                        let thread = format!("{:?}", std::thread::current().id());
                        let mut answer = answer.await?;
                        let thread = HeaderValue::from_str(&thread).unwrap();
                        answer
                            .headers_mut()
                            .insert(HeaderName::from_static(THREAD), thread);
                        Ok(answer)
                    }
                })
        });
        Ok(server.workers(4).listen(listener)?.run())
    })
}

#[actix_web::test]
async fn an_upgrade_in_a_stream_of_ten_thousand_messages_loses_repeats_and_reorders_none() {
    let server = on_many_threads();
    let client = Poller::engine(&server).await;
    // A websocket on another thread than the session's.
    let mut websocket = loop {
        let (websocket, response) = server.websocket_for(client.path, &client.sid).await;
        if response.headers()[THREAD] != client.opening[THREAD] {
            break websocket;
        }
    };

    let mut sent = 0..10_000;
    let mut batch = |size| -> Vec<String> {
        let numbers = sent.by_ref().take(size);
        numbers.map(|number| format!("4{number}")).collect()
    };
    let mut heard = Vec::new();
    // Each poll and each post is a connection of its own, on whatever thread.
    for _ in 0..40 {
        let parked = client.parked().await;
        client.says(&batch(100).join("\x1e")).await;
        heard.extend(parked.answer().await.1.split('\x1e').map(String::from));
    }
    websocket.say("2probe").await;
    assert_eq!(websocket.hear().await, "3probe");
    for _ in 0..5 {
        client.says(&batch(100).join("\x1e")).await;
        heard.extend(client.hears().await.split('\x1e').map(String::from));
    }
    // It polls no more, and much waits at the moment of the upgrade.
    client.says(&batch(800).join("\x1e")).await;
    websocket.say("5").await;
    for packet in batch(10_000) {
        websocket.say(&packet).await;
        heard.push(websocket.hear().await);
    }
    heard.retain(|packet| packet != "6");
    while heard.len() < 10_000 {
        heard.push(websocket.hear().await);
    }
    let expected: Vec<_> = (0..10_000).map(|number| format!("4{number}")).collect();
    assert_eq!(heard, expected);
}
