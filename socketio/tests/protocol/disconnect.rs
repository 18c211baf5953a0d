//! Socket.IO: how connections end and how CONNECTs are refused, observed on the client and in the application.

use actix_socketio::engineio::{EngineConfig, OutboxBounds};
use tokio_tungstenite::tungstenite::Message;

use crate::{scripted_server::ScriptedServer, test_server::quiet_config, timeout::within_timeout};

#[actix_web::test]
async fn disconnect_packet_is_reported_as_client_namespace_disconnect() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text("41").await;
    assert_eq!(scripted.next_report().await, "client namespace disconnect");
}

#[actix_web::test]
async fn server_disconnect_sends_a_packet_and_is_reported() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["leave"]"#).await;
    assert_eq!(client.recv_text().await, "41");
    assert_eq!(scripted.next_report().await, "server namespace disconnect");
}

#[actix_web::test]
async fn lost_connection_is_reported_as_transport_close() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    drop(client);
    assert_eq!(scripted.next_report().await, "transport close");
}

#[actix_web::test]
async fn events_sent_before_a_close_arrive_before_the_close_frame() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["close"]"#).await;
    assert_eq!(client.recv_text().await, r#"42["goodbye","see you"]"#);
    assert_eq!(
        client.recv_close().await,
        (1000, "session expired".to_owned())
    );
    assert_eq!(scripted.next_report().await, "session expired");
    scripted.server.wait_until_empty().await;
}

#[actix_web::test]
async fn connect_error_carries_message_and_data_and_the_connection_stays_open() {
    let scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"refuse":"UNAUTHORIZED"}"#).await;
    assert_eq!(
        client.recv_text().await,
        r#"44{"data":{"retry":false},"message":"UNAUTHORIZED"}"#
    );
    client.send_text("40").await;
    assert!(client.recv_text().await.starts_with("40{"));
}

#[actix_web::test]
async fn connect_may_be_refused_by_closing_the_connection() {
    let scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"refuse":"close"}"#).await;
    assert_eq!(
        client.recv_close().await,
        (1001, "server shutting down".to_owned())
    );
    scripted.server.wait_until_empty().await;
}

#[actix_web::test]
async fn events_before_the_answer_to_connect_are_handled_in_order_after_it() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"wait":true}"#).await;
    assert_eq!(scripted.next_report().await, "waiting");
    client.send_text(r#"420["first"]"#).await;
    client
        .send_text(r#"451-1["second",{"_placeholder":true,"num":0}]"#)
        .await;
    client
        .send_message(Message::Binary(b"attachment".as_slice().into()))
        .await;
    client.send_text(r#"422["third"]"#).await;
    scripted.gate.notify_one();
    assert!(client.recv_text().await.starts_with("40{"));
    for answer in [r#"430["first"]"#, r#"431["second"]"#, r#"432["third"]"#] {
        assert_eq!(client.recv_text().await, answer);
    }
}

#[actix_web::test]
async fn events_before_a_refusal_are_dropped() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"wait":true,"refuse":"no"}"#).await;
    assert_eq!(scripted.next_report().await, "waiting");
    client.send_text(r#"420["early"]"#).await;
    // This answer shows that the event was received.
    client.send_text("40/unknown,").await;
    assert!(client.recv_text().await.starts_with("44/unknown,"));
    scripted.gate.notify_one();
    assert!(client.recv_text().await.starts_with("44{"));

    client.send_text("40").await;
    assert!(client.recv_text().await.starts_with("40{"));
    client.send_text(r#"421["later"]"#).await;
    assert_eq!(client.recv_text().await, r#"431["later"]"#);
}

#[actix_web::test]
async fn too_many_or_too_large_events_before_the_answer_close_the_connection() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let large = format!(r#"42["{}"]"#, "x".repeat(33 * 1024));
    for (event, count) in [(r#"42["early"]"#, 17), (large.as_str(), 2)] {
        let mut client = scripted.server.connect_socketio().await;
        client.send_text(r#"40{"wait":true}"#).await;
        assert_eq!(scripted.next_report().await, "waiting");
        for _ in 0..count {
            client.send_text(event).await;
        }
        assert_eq!(client.recv_close().await.1, "parse error");
        assert_eq!(scripted.next_report().await, "cancelled");
    }
}

#[actix_web::test]
async fn malformed_event_before_the_answer_to_connect_closes_the_connection() {
    let mut scripted = ScriptedServer::start(quiet_config());
    for event in ["42{}", r#"42["disconnect"]"#, r#"42/other,["early"]"#] {
        let mut client = scripted.server.connect_socketio().await;
        client.send_text(r#"40{"wait":true}"#).await;
        assert_eq!(scripted.next_report().await, "waiting");
        client.send_text(event).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{event}");
        assert_eq!(scripted.next_report().await, "cancelled");
    }
}

#[actix_web::test]
async fn disconnect_cancels_a_running_connect() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"wait":true}"#).await;
    assert_eq!(scripted.next_report().await, "waiting");
    client.send_text("41").await;
    assert_eq!(scripted.next_report().await, "cancelled");

    client.send_text("40").await;
    assert!(
        client.recv_text().await.starts_with("40{"),
        "the next CONNECT is answered"
    );
}

#[actix_web::test]
async fn event_right_after_the_answer_to_connect_reaches_its_handler() {
    let mut scripted = ScriptedServer::start(quiet_config());
    for _ in 0..50 {
        let mut client = scripted.server.connect_socketio().await;
        client.send_text(r#"40{"wait":true}"#).await;
        assert_eq!(scripted.next_report().await, "waiting");
        scripted.gate.notify_one();
        assert!(client.recv_text().await.starts_with("40{"));
        client.send_text(r#"420["ready"]"#).await;
        assert_eq!(client.recv_text().await, r#"430["ready"]"#);
        client.send_text("41").await;
        assert_eq!(scripted.next_report().await, "client namespace disconnect");
    }
}

#[actix_web::test]
async fn burst_of_events_is_sent_completely_and_in_order() {
    let scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["burst"]"#).await;
    for number in 0..1000 {
        assert_eq!(
            client.recv_text().await,
            format!(r#"42["number",{number}]"#)
        );
    }
}

#[actix_web::test]
async fn changed_outbox_bounds_apply_to_an_open_socket() {
    let outbox = OutboxBounds::new(2_000, 4 << 20);
    let mut scripted = ScriptedServer::start(EngineConfig {
        outbox: outbox.clone(),
        ..quiet_config()
    });
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["burst"]"#).await;
    for number in 0..1000 {
        assert_eq!(
            client.recv_text().await,
            format!(r#"42["number",{number}]"#)
        );
    }
    outbox.reconfigure(500, 4 << 20);
    client.send_text(r#"42["burst"]"#).await;
    assert_eq!(scripted.next_report().await, "slow");
}

#[actix_web::test]
async fn sender_that_awaits_drained_to_sends_more_than_the_outbox_holds() {
    let scripted = ScriptedServer::start(EngineConfig {
        outbox: OutboxBounds::new(16, 4 << 20),
        ..quiet_config()
    });
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["stream"]"#).await;
    for number in 0..10_000 {
        assert_eq!(
            client.recv_text().await,
            format!(r#"42["number",{number}]"#)
        );
    }
}

#[actix_web::test]
async fn panic_of_the_application_closes_only_its_own_connection() {
    let scripted = ScriptedServer::start(quiet_config());
    let mut bystander = scripted.server.connect_socketio().await;
    bystander.send_text("40").await;
    assert!(bystander.recv_text().await.starts_with("40{"));

    let mut refused = scripted.server.connect_socketio().await;
    refused.send_text(r#"40{"refuse":"panic"}"#).await;
    assert_eq!(
        refused.recv_close().await,
        (1011, "internal fault".to_owned())
    );

    let mut panicking = scripted.server.connect_socketio().await;
    panicking.send_text("40").await;
    panicking.recv_text().await;
    panicking.send_text(r#"42["panic"]"#).await;
    assert_eq!(
        panicking.recv_close().await,
        (1011, "internal fault".to_owned())
    );

    bystander.send_text(r#"421["still"]"#).await;
    assert_eq!(bystander.recv_text().await, r#"431["still"]"#);
    assert_eq!(scripted.server.sessions.open(), 1);
}

/// The number of frames that the channel of actix-ws holds until the kernel closes the connection.
const WRITE_CHANNEL_FRAMES: usize = 32;

#[actix_web::test]
async fn client_that_stops_reading_is_closed_as_slow_and_its_memory_is_released() {
    let mut scripted = ScriptedServer::start(EngineConfig {
        outbox: OutboxBounds::new(200, 4 << 20),
        ..quiet_config()
    });
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;

    // The client requests pages and reads nothing, until the kernel's buffers and the outbox are full.
    // On a busy machine the connection may be reset before this task sees the report.
    while scripted.reports.is_empty() && client.try_send_text(r#"42["pages"]"#).await {}
    assert_eq!(scripted.next_report().await, "slow");
    scripted.server.wait_until_empty().await;
    let kept = *scripted.attachments.borrow();
    assert!(
        kept <= WRITE_CHANNEL_FRAMES,
        "{kept} attachments are still in memory"
    );

    // The client still does not read. The kernel closes the connection, and the rest of the memory is released.
    let mut attachments = scripted.attachments.subscribe();
    within_timeout(attachments.wait_for(|count| *count == 0))
        .await
        .unwrap();
    drop(client);
}
