//! The description of the Socket.IO events as an AsyncAPI 3 document.
//!
//! It follows from the tables of the events: [`ClientEvent`] and [`EventKind`]. `schemas.rs` has the payloads and
//! acknowledgements. The name of a message is the name of its schema.

mod schemas;

use indexmap::IndexMap;

use crate::{
    contract::{
        asyncapi::{
            AsyncApi, AsyncApiComponents, AsyncApiCredential, AsyncApiInfo, AsyncApiServer,
            Channel, ChannelAction, ChannelMessage, ChannelOperation, NamedText, Reference, Reply,
        },
        schema::{event_name, reference},
    },
    domain::EventKind,
};

use super::protocol::{ClientEvent, ERROR, JOINED, NAMESPACE};
use schemas::{
    CONNECT_AUTH, CONNECT_ERROR, CONNECTED, ERROR_ACK, OFFSET, SOCKET_ERROR, VAULT_JOINED,
    acknowledgement, request,
};

/// The name of the only channel.
const CHANNEL: &str = "namespace";

const DESCRIPTION: &str = "\
The Socket.IO events of vaultcast, for the official clients. The path is `/socket.io/`, the namespace the default one.

- A message's payload is the first argument of the event. With connection state recovery (`socketio.recovery_window`), `vault:joined` \
and every event of a vault have an offset as their second argument (`x-arguments`), which the official client handles.
- Every event of a vault has its number `seq`: the first is 1, there are no gaps, and each socket receives them in this order. An event may \
arrive twice after a `vault:join` with `since`: apply each `seq` once.
- A failed event of the client emits `error`, and acknowledges `{ok: false, error}` if an acknowledgement was requested.
- Versions may add fields to payloads.";

/// Returns the description of the Socket.IO events.
pub fn asyncapi() -> AsyncApi {
    let messages = messages();
    let in_channel = messages
        .keys()
        .map(|name| (name.clone(), component("messages", name)));
    let namespace = Channel {
        address: NAMESPACE,
        title: "The default namespace",
        description: "Every event of the contract. A socket receives the events of the vaults that it has joined.",
        messages: in_channel.collect(),
    };
    AsyncApi {
        asyncapi: "3.0.0",
        info: AsyncApiInfo {
            title: "vaultcast",
            version: env!("CARGO_PKG_VERSION"),
            description: DESCRIPTION,
            license: NamedText {
                name: env!("CARGO_PKG_LICENSE"),
            },
        },
        default_content_type: "application/json",
        servers: IndexMap::from([("vaultcast", server())]),
        channels: IndexMap::from([(CHANNEL, namespace)]),
        operations: operations(),
        components: AsyncApiComponents {
            messages,
            schemas: schemas::all(),
            security_schemes: credentials(),
        },
    }
}

fn server() -> AsyncApiServer {
    AsyncApiServer {
        host: "localhost:3000",
        protocol: "socket.io",
        pathname: "/socket.io/",
        description: "Engine.IO 4 over polling and websocket. The first credential that is present counts: `token` in the payload \
                      of CONNECT, then `Authorization`, then the session cookie.",
        security: credentials()
            .keys()
            .map(|name| component("securitySchemes", name))
            .collect(),
    }
}

fn credentials() -> IndexMap<&'static str, AsyncApiCredential> {
    let bearer = AsyncApiCredential {
        r#type: "http",
        scheme: Some("bearer"),
        name: None,
        place: None,
        description: "A session token in the header `Authorization` of the handshake.",
    };
    let cookie = AsyncApiCredential {
        r#type: "httpApiKey",
        scheme: None,
        name: Some("authjs.session-token"),
        place: Some("cookie"),
        description: "The session cookie of the application, by any of the names of NextAuth and Auth.js.",
    };
    IndexMap::from([("bearer", bearer), ("cookie", cookie)])
}

fn messages() -> IndexMap<String, ChannelMessage> {
    let mut messages = IndexMap::new();
    let mut add = |schema: &str, name: &str, kind, summary: &str| {
        let message = ChannelMessage {
            name: name.to_owned(),
            title: name.to_owned(),
            summary: summary.to_owned(),
            tags: vec![NamedText { name: kind }],
            payload: reference(schema),
            arguments: has_offset(schema).then(|| vec![reference(schema), reference(OFFSET)]),
        };
        messages.insert(schema.to_owned(), message);
    };
    add(
        CONNECT_AUTH,
        "CONNECT",
        "connection",
        "The client connects with its credential.",
    );
    add(
        CONNECTED,
        "CONNECT",
        "connection",
        "The service accepts the connection.",
    );
    add(
        CONNECT_ERROR,
        "CONNECT_ERROR",
        "connection",
        "The service refuses the connection; the client emits `connect_error`.",
    );
    for event in ClientEvent::ALL {
        add(
            request(event),
            event.name(),
            "client event",
            event.meaning(),
        );
    }
    for event in ClientEvent::ALL {
        add(
            acknowledgement(event),
            "acknowledgement",
            "acknowledgement",
            "The event succeeded.",
        );
    }
    add(
        ERROR_ACK,
        "acknowledgement",
        "acknowledgement",
        "The event failed.",
    );
    add(
        VAULT_JOINED,
        JOINED,
        "server event",
        "The socket is subscribed to the vault.",
    );
    for kind in EventKind::ALL {
        add(
            &event_name(kind),
            kind.name(),
            "vault event",
            kind.meaning(),
        );
    }
    add(
        SOCKET_ERROR,
        ERROR,
        "server event",
        "An event of the client failed, or the socket was removed from a vault.",
    );
    messages
}

/// Returns whether the message carries the offset of recovery.
fn has_offset(schema: &str) -> bool {
    schema == VAULT_JOINED
        || EventKind::ALL
            .into_iter()
            .any(|kind| event_name(kind) == schema)
}

fn operations() -> IndexMap<String, ChannelOperation> {
    let mut operations = IndexMap::new();
    operations.insert(
        "connect".to_owned(),
        receive(
            "CONNECT",
            "The client connects.",
            CONNECT_AUTH,
            &[CONNECTED, CONNECT_ERROR],
        ),
    );
    for event in ClientEvent::ALL {
        let replies = [acknowledgement(event), ERROR_ACK];
        let operation = receive(event.name(), event.meaning(), request(event), &replies);
        operations.insert(operation_id(event).to_owned(), operation);
    }
    operations.insert(
        "sendVaultJoined".to_owned(),
        send(JOINED, "A join succeeded.", VAULT_JOINED),
    );
    for kind in EventKind::ALL {
        let operation = send(kind.name(), kind.meaning(), &event_name(kind));
        operations.insert(format!("send{kind:?}"), operation);
    }
    operations.insert(
        "sendError".to_owned(),
        send(ERROR, "An event of the client failed.", SOCKET_ERROR),
    );
    operations
}

fn operation_id(event: ClientEvent) -> &'static str {
    match event {
        ClientEvent::Join => "joinVault",
        ClientEvent::Leave => "leaveVault",
        ClientEvent::CreateSource => "createSource",
        ClientEvent::UpdateSource => "updateSource",
        ClientEvent::DeleteSource => "deleteSource",
    }
}

fn receive(title: &str, summary: &str, message: &str, replies: &[&str]) -> ChannelOperation {
    let reply = Reply {
        channel: channel(),
        messages: replies.iter().map(|name| in_channel(name)).collect(),
    };
    operation(ChannelAction::Receive, title, summary, message, Some(reply))
}

fn send(title: &str, summary: &str, message: &str) -> ChannelOperation {
    operation(ChannelAction::Send, title, summary, message, None)
}

fn operation(
    action: ChannelAction,
    title: &str,
    summary: &str,
    message: &str,
    reply: Option<Reply>,
) -> ChannelOperation {
    ChannelOperation {
        action,
        channel: channel(),
        title: title.to_owned(),
        summary: summary.to_owned(),
        messages: vec![in_channel(message)],
        reply,
    }
}

fn channel() -> Reference {
    Reference::new(format!("#/channels/{CHANNEL}"))
}

fn in_channel(message: &str) -> Reference {
    Reference::new(format!("#/channels/{CHANNEL}/messages/{message}"))
}

fn component(kind: &str, name: &str) -> Reference {
    Reference::new(format!("#/components/{kind}/{name}"))
}
