//! Both ways to serve websockets (`socketio.transport`): events arrive, and the connection is counted until it has ended.

use vaultcast::config::WebSocketTransport;

use crate::{
    common::{raw_socket::RawSocket, service::token},
    support::metrics_client::MonitoredService,
};

async fn events_arrive_and_connections_are_counted(transport: WebSocketTransport) {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.socketio.transport = transport).await;
    let connections = "vaultcast_connections{listener=\"main\"}";
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let bearer = format!("Bearer {}", token("ana"));
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }
    // The HTTP client may have connections of its own.
    assert!(metrics.value(connections).await.unwrap() >= 20.0);
    ana.create_source(&vault, "to all").await;
    for socket in &mut sockets {
        let packet = socket.receive(r#"42["source:created""#).await;
        assert!(packet.unwrap().contains(r#""seq":1}"#));
    }
    drop(sockets);
    metrics.wait_for(connections, |open| open < 20.0).await;
    metrics
        .wait_for("vaultcast_sockets{transport=\"websocket\"}", |open| {
            open == 0.0
        })
        .await;
}

#[actix_web::test]
async fn websockets_leave_the_http_server() {
    events_arrive_and_connections_are_counted(WebSocketTransport::Auto).await;
}

#[actix_web::test]
async fn websockets_stay_with_the_http_server() {
    events_arrive_and_connections_are_counted(WebSocketTransport::ActixWs).await;
}
