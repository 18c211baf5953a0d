//! Socket.IO: events, acknowledgements, binary data.

use tokio_tungstenite::tungstenite::Message;

use crate::{
    server::{TestServer, patient},
    theatre::Theatre,
};

#[actix_web::test]
async fn an_event_comes_back_with_its_arguments() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client.say(r#"42["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(
        client.hear().await,
        r#"42["message-back",1,"2",{"3":[true]}]"#
    );
}

#[actix_web::test]
async fn an_event_that_asks_for_it_is_acknowledged() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client
        .say(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#)
        .await;
    assert_eq!(client.hear().await, r#"43456[1,"2",{"3":[false]}]"#);
}

#[actix_web::test]
async fn an_acknowledgement_that_nobody_asked_for_is_nobodys() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    client.say("437[1]").await;
    client.say(r#"42["message"]"#).await;
    assert_eq!(client.hear().await, r#"42["message-back"]"#);
}

#[actix_web::test]
async fn binary_data_comes_back_and_is_acknowledged() {
    let server = TestServer::echo(patient());
    let mut client = server.joined().await;
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;

    client
        .say(&format!(r#"452-["message",{placeholders}]"#))
        .await;
    client.send(Message::binary(vec![1, 2, 3])).await;
    client.send(Message::binary(vec![4, 5, 6])).await;
    assert_eq!(
        client.hear().await,
        format!(r#"452-["message-back",{placeholders}]"#)
    );
    assert_eq!(client.hear_binary().await.as_ref(), [1, 2, 3]);
    assert_eq!(client.hear_binary().await.as_ref(), [4, 5, 6]);

    client
        .say(&format!(r#"452-789["message-with-ack",{placeholders}]"#))
        .await;
    client.send(Message::binary(vec![1])).await;
    client.send(Message::binary(vec![2])).await;
    assert_eq!(client.hear().await, format!("462-789[{placeholders}]"));
    assert_eq!(client.hear_binary().await.as_ref(), [1]);
    assert_eq!(client.hear_binary().await.as_ref(), [2]);
}

#[actix_web::test]
async fn a_malformed_event_closes_the_connection() {
    let server = TestServer::echo(patient());
    for packet in [
        "42",
        "42{}",
        "42[]",
        "42[{}]",
        "42[null]",
        r#"42["message""#,
        r#"4511-["message"]"#,
        r#"45-["message"]"#,
    ] {
        let mut client = server.joined().await;
        client.say(packet).await;
        assert_eq!(client.closed().await.1, "parse error", "{packet}");
    }
    server.emptied().await;
}

#[actix_web::test]
async fn a_reserved_name_closes_the_connection() {
    let server = TestServer::echo(patient());
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        let mut client = server.joined().await;
        client.say(&format!(r#"42["{name}"]"#)).await;
        assert_eq!(client.closed().await.1, "parse error", "{name}");
    }
}

#[actix_web::test]
async fn binary_data_out_of_place_closes_the_connection() {
    let server = TestServer::echo(patient());

    let mut unexpected = server.joined().await;
    unexpected.send(Message::binary(vec![1])).await;
    assert_eq!(unexpected.closed().await.1, "parse error");

    let mut interrupted = server.joined().await;
    interrupted
        .say(r#"451-["message",{"_placeholder":true,"num":0}]"#)
        .await;
    interrupted.say(r#"42["message"]"#).await;
    assert_eq!(interrupted.closed().await.1, "parse error");

    let mut mistaken = server.joined().await;
    mistaken
        .say(r#"451-["message",{"_placeholder":true,"num":1}]"#)
        .await;
    mistaken.send(Message::binary(vec![1])).await;
    assert_eq!(mistaken.closed().await.1, "parse error");
}

#[actix_web::test]
async fn the_server_may_ask_for_an_acknowledgement_too() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["ask me",10000]"#).await;
    assert_eq!(client.hear().await, r#"420["well?","how",2]"#);
    client.say(r#"42["ask me",10000]"#).await;
    assert_eq!(client.hear().await, r#"421["well?","how",2]"#);

    client.say(r#"431["fine"]"#).await;
    assert_eq!(theatre.report().await, r#"[String("fine")] []"#);
    client.say(r#"461-0[{"_placeholder":true,"num":0}]"#).await;
    client.send(Message::binary(vec![b'!'])).await;
    assert!(theatre.report().await.ends_with(r#"[b"!"]"#));
    client.say(r#"430["again"]"#).await;
    client.say(r#"427["still"]"#).await;
    assert_eq!(client.hear().await, r#"437["still"]"#);
}

#[actix_web::test]
async fn an_acknowledgement_that_does_not_come_is_given_up() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["ask me",1]"#).await;
    assert_eq!(client.hear().await, r#"420["well?","how",2]"#);
    assert_eq!(
        theatre.report().await,
        "the client did not acknowledge in time"
    );
    client.say(r#"430["too late"]"#).await;

    client.say(r#"42["ask me",10000]"#).await;
    client.hear().await;
    client.say("41").await;
    let mut reports = [theatre.report().await, theatre.report().await];
    reports.sort();
    assert_eq!(
        reports,
        [
            "client namespace disconnect",
            "the client is not connected any more"
        ]
    );
}

#[actix_web::test]
async fn an_acknowledgement_that_is_no_list_closes_the_connection() {
    let server = TestServer::echo(patient());
    for packet in ["430", "430{}", "43[]", r#"460["a"]"#] {
        let mut client = server.joined().await;
        client.say(packet).await;
        assert_eq!(client.closed().await.1, "parse error", "{packet}");
    }
}
