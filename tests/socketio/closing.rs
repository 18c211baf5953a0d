//! How a connection ends, seen from both sides, with an application that is told and tells what happens.

use vaultcast::engineio::{Config, OutboxBounds};

use crate::{
    server::{patient, patiently},
    theatre::Theatre,
};

#[actix_web::test]
async fn a_client_that_leaves_its_namespace_is_reported_so() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say("41").await;
    assert_eq!(theatre.report().await, "client namespace disconnect");
}

#[actix_web::test]
async fn a_client_that_is_made_to_leave_is_told_and_reported() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["leave"]"#).await;
    assert_eq!(client.hear().await, "41");
    assert_eq!(theatre.report().await, "server namespace disconnect");
}

#[actix_web::test]
async fn a_connection_that_is_lost_is_reported_so() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    drop(client);
    assert_eq!(theatre.report().await, "transport close");
}

#[actix_web::test]
async fn what_was_sent_before_an_orderly_close_arrives() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["close"]"#).await;
    assert_eq!(client.hear().await, r#"42["goodbye","see you"]"#);
    assert_eq!(client.closed().await, (1000, "session expired".to_owned()));
    assert_eq!(theatre.report().await, "session expired");
    theatre.server.emptied().await;
}

#[actix_web::test]
async fn a_refusal_says_what_it_is_given_to_say_and_the_connection_goes_on() {
    let theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say(r#"40{"refuse":"UNAUTHORIZED"}"#).await;
    assert_eq!(
        client.hear().await,
        r#"44{"data":{"retry":false},"message":"UNAUTHORIZED"}"#
    );
    client.say("40").await;
    assert!(client.hear().await.starts_with("40{"));
}

#[actix_web::test]
async fn a_refusal_may_also_close_without_a_word() {
    let theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say(r#"40{"refuse":"close"}"#).await;
    assert_eq!(
        client.closed().await,
        (1001, "server shutting down".to_owned())
    );
    theatre.server.emptied().await;
}

#[actix_web::test]
async fn an_event_sent_right_behind_the_connect_is_too_early() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say(r#"40{"wait":true}"#).await;
    assert_eq!(theatre.report().await, "waiting");
    client.say(r#"42["early"]"#).await;
    assert_eq!(client.closed().await.1, "parse error");
    assert_eq!(theatre.report().await, "cancelled");
}

#[actix_web::test]
async fn a_disconnect_cancels_a_connect_under_way() {
    let mut theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say(r#"40{"wait":true}"#).await;
    assert_eq!(theatre.report().await, "waiting");
    client.say("41").await;
    assert_eq!(theatre.report().await, "cancelled");

    client.say("40").await;
    assert!(
        client.hear().await.starts_with("40{"),
        "and the next one is answered"
    );
}

#[actix_web::test]
async fn an_event_right_behind_the_answer_finds_its_handler() {
    let mut theatre = Theatre::open(patient());
    for _ in 0..50 {
        let mut client = theatre.server.socketio().await;
        client.say(r#"40{"wait":true}"#).await;
        assert_eq!(theatre.report().await, "waiting");
        theatre.gate.notify_one();
        assert!(client.hear().await.starts_with("40{"));
        client.say(r#"420["ready"]"#).await;
        assert_eq!(client.hear().await, r#"430["ready"]"#);
        client.say("41").await;
        assert_eq!(theatre.report().await, "client namespace disconnect");
    }
}

#[actix_web::test]
async fn a_burst_leaves_whole_and_in_order() {
    let theatre = Theatre::open(patient());
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["burst"]"#).await;
    for number in 0..1000 {
        assert_eq!(client.hear().await, format!(r#"42["number",{number}]"#));
    }
}

#[actix_web::test]
async fn other_bounds_hold_for_a_socket_that_is_there() {
    let outbox = OutboxBounds::new(2_000, 4 << 20);
    let mut theatre = Theatre::open(Config {
        outbox: outbox.clone(),
        ..patient()
    });
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["burst"]"#).await;
    for number in 0..1000 {
        assert_eq!(client.hear().await, format!(r#"42["number",{number}]"#));
    }
    outbox.retune(500, 4 << 20);
    client.say(r#"42["burst"]"#).await;
    assert_eq!(theatre.report().await, "slow");
}

#[actix_web::test]
async fn who_waits_for_room_sends_far_more_than_an_outbox_holds() {
    let theatre = Theatre::open(Config {
        outbox: OutboxBounds::new(16, 4 << 20),
        ..patient()
    });
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;
    client.say(r#"42["stream"]"#).await;
    for number in 0..10_000 {
        assert_eq!(client.hear().await, format!(r#"42["number",{number}]"#));
    }
}

#[actix_web::test]
async fn a_panic_of_the_application_ends_that_one_connection() {
    let theatre = Theatre::open(patient());
    let mut bystander = theatre.server.socketio().await;
    bystander.say("40").await;
    assert!(bystander.hear().await.starts_with("40{"));

    let mut refused = theatre.server.socketio().await;
    refused.say(r#"40{"refuse":"panic"}"#).await;
    assert_eq!(refused.closed().await, (1011, "internal fault".to_owned()));

    let mut unlucky = theatre.server.socketio().await;
    unlucky.say("40").await;
    unlucky.hear().await;
    unlucky.say(r#"42["panic"]"#).await;
    assert_eq!(unlucky.closed().await, (1011, "internal fault".to_owned()));

    bystander.say(r#"421["still"]"#).await;
    assert_eq!(bystander.hear().await, r#"431["still"]"#);
    assert_eq!(theatre.server.sessions.open(), 1);
}

/// What actix-ws's channel still holds for a peer that does not read, until the kernel gives its connection up.
const CHANNEL: usize = 32;

#[actix_web::test]
async fn a_reader_that_stops_reading_is_closed_as_slow_and_leaves_nothing() {
    let mut theatre = Theatre::open(Config {
        outbox: OutboxBounds::new(200, 4 << 20),
        ..patient()
    });
    let mut client = theatre.server.socketio().await;
    client.say("40").await;
    client.hear().await;

    // It asks for more and more and reads nothing, until the kernel takes no more for it and its outbox is full.
    while theatre.reports.is_empty() {
        client.say(r#"42["pages"]"#).await;
    }
    assert_eq!(theatre.report().await, "slow");
    theatre.server.emptied().await;
    let kept = *theatre.tracked.borrow();
    assert!(kept <= CHANNEL, "{kept} attachments are still in memory");

    // The client is still there and still does not read; the connection goes all the same, and the rest with it.
    let mut tracked = theatre.tracked.subscribe();
    patiently(tracked.wait_for(|count| *count == 0))
        .await
        .unwrap();
    drop(client);
}
