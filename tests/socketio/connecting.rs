//! Socket.IO: entering and leaving a namespace.

use crate::server::{TestServer, config, patient};

#[actix_web::test]
async fn a_connect_is_answered_with_an_id_of_its_own() {
    let server = TestServer::echo(patient());
    let mut client = server.upgrade("/socket.io/").await;
    let open = client.hear().await;
    client.say("40").await;

    let answer = client.hear().await;
    let id = answer
        .strip_prefix(r#"40{"sid":""#)
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap();
    assert_eq!(id.len(), 20);
    assert!(
        !open.contains(id),
        "the session's id is a secret, the socket's is not"
    );
    assert_eq!(client.hear().await, r#"42["auth",{}]"#);
}

#[actix_web::test]
async fn what_connect_emits_leaves_after_the_answer() {
    let server = TestServer::echo(patient());
    let mut client = server.socketio().await;
    client.say(r#"40{"token":"123"}"#).await;
    assert!(client.hear().await.starts_with("40{"));
    assert_eq!(client.hear().await, r#"42["auth",{"token":"123"}]"#);
}

#[actix_web::test]
async fn a_custom_namespace_stands_beside_the_default_one() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client.say(r#"40/custom,{"token":"abc"}"#).await;
    assert!(client.hear().await.starts_with(r#"40/custom,{"sid":""#));
    assert_eq!(client.hear().await, r#"42/custom,["auth",{"token":"abc"}]"#);

    client.say(r#"42/custom,["message",1]"#).await;
    assert_eq!(client.hear().await, r#"42/custom,["message-back",1]"#);
    client.say("41/custom,").await;
    client.say(r#"42["message",2]"#).await;
    assert_eq!(client.hear().await, r#"42["message-back",2]"#);
}

#[actix_web::test]
async fn an_unknown_namespace_is_refused() {
    let server = TestServer::echo(patient());
    let mut client = server.socketio().await;
    client.say("40/random").await;
    assert_eq!(
        client.hear().await,
        r#"44/random,{"message":"Invalid namespace"}"#
    );
    client.say("40").await;
    assert!(
        client.hear().await.starts_with("40{"),
        "the connection goes on"
    );
}

#[actix_web::test]
async fn who_left_may_connect_again() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client.say("41").await;
    client.say("40").await;
    assert!(client.hear().await.starts_with("40{"));
}

#[actix_web::test]
async fn a_connection_that_enters_no_namespace_is_closed() {
    let server = TestServer::echo(config());
    let mut client = server.socketio().await;
    assert_eq!(client.hear().await, "2");
    client.say("3").await;
    assert_eq!(client.closed().await, (1000, "connect timeout".to_owned()));
    server.emptied().await;
}

#[actix_web::test]
async fn a_connection_that_entered_one_outlives_the_timeout() {
    let server = TestServer::echo(config());
    let mut client = server.joined().await;
    for _ in 0..2 {
        assert_eq!(client.hear().await, "2");
        client.say("3").await;
    }
    client.say(r#"42["message"]"#).await;
    assert_eq!(client.hear_beside_pings().await, r#"42["message-back"]"#);
}

#[actix_web::test]
async fn a_connection_whose_client_left_every_namespace_is_closed_after_the_timeout() {
    let server = TestServer::echo(config());
    let mut client = server.joined().await;
    client.say("41").await;
    assert_eq!(client.hear().await, "2");
    client.say("3").await;
    assert_eq!(client.closed().await.1, "connect timeout");
}

#[actix_web::test]
async fn a_packet_that_must_not_come_closes_the_connection() {
    let server = TestServer::echo(patient());
    for packet in [
        r#"42["message"]"#,
        r#"42/random,["message"]"#,
        "430[]",
        "40[]",
        "40null",
        "40{",
        "4",
        "49",
        r#"44{"message":"?"}"#,
        "4abc",
    ] {
        let mut client = server.socketio().await;
        client.say(packet).await;
        assert_eq!(client.closed().await.1, "parse error", "{packet}");
    }
    server.emptied().await;
}

#[actix_web::test]
async fn a_second_connect_closes_the_connection() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client.say("40").await;
    assert_eq!(client.closed().await.1, "parse error");
}
