//! The subscription of a vault with a socket: what the client sends, and what a packet of the service means.

use serde::Deserialize;
use serde_json::json;

use super::{
    error::{Interrupt, ServiceRefusal},
    packet::ServerPacket,
    tailed_event::TailedEvent,
};
use crate::domain::{Seq, VaultId};

/// The packet that answers a heartbeat.
const PONG: &str = "3";

/// The vault that is subscribed, and the position in its journal.
pub(super) struct VaultSubscription<'a> {
    pub vault: &'a VaultId,
    pub since: Seq,
    pub epoch: Option<&'a str>,
}

/// What a packet of the service requires.
#[derive(Debug)]
pub(super) enum Reaction {
    /// Join the vault.
    Join,
    /// Send this packet.
    Send(&'static str),
    /// The vault is joined: every event after the position follows.
    Joined,
    /// Print this event.
    Print(TailedEvent),
    Nothing,
}

/// The field of `vault:joined` that matters here.
#[derive(Deserialize)]
struct JoinedAnswer {
    #[serde(default)]
    resync: bool,
}

/// Returns the packet that connects the socket. A lost connection is resumed by the journal, without recovery.
pub(super) fn connect_packet(token: &str) -> String {
    format!("40{}", json!({ "token": token, "recovery": false }))
}

impl VaultSubscription<'_> {
    /// Returns the packet that joins the vault.
    pub(super) fn join_packet(&self) -> String {
        let Self {
            vault,
            since,
            epoch,
        } = self;
        let mut payload = json!({ "vaultId": vault, "since": since });
        if let Some(epoch) = epoch {
            payload["epoch"] = json!(epoch);
        }
        format!("42{}", json!(["vault:join", payload]))
    }
}

/// Returns what a packet requires.
///
/// # Errors
/// When the service refuses the socket or the join, when it closes the connection, and when it cannot continue the journal
/// from the position; reading the journal then gives the reason.
pub(super) fn react(packet: ServerPacket) -> Result<Reaction, Interrupt> {
    match packet {
        ServerPacket::Ping => Ok(Reaction::Send(PONG)),
        ServerPacket::Connected => Ok(Reaction::Join),
        ServerPacket::Event { name, payload } => match name.as_str() {
            "vault:joined" => match serde_json::from_str(payload.get()) {
                Ok(JoinedAnswer { resync: false }) => Ok(Reaction::Joined),
                Ok(JoinedAnswer { resync: true }) => {
                    Err(Interrupt::lost("missed events are no longer available"))
                }
                Err(_) => Err(Interrupt::lost("the answer to the join is malformed")),
            },
            "error" => Err(
                match serde_json::from_str::<ServiceRefusal>(payload.get()) {
                    Ok(refusal) => refusal.interrupt(None),
                    Err(_) => Interrupt::lost("an error of the service is malformed"),
                },
            ),
            _ => {
                let event = TailedEvent::received(name, payload);
                Ok(event.map_or(Reaction::Nothing, Reaction::Print))
            }
        },
        ServerPacket::ConnectRefused(refusal) => Err(refusal.interrupt(None)),
        ServerPacket::Close => Err(Interrupt::lost("the service closed it")),
        ServerPacket::Open(_) | ServerPacket::Ignored => Ok(Reaction::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{error::TailError, packet},
        *,
    };

    /// Returns the reaction to one packet in its wire form.
    fn reaction(text: &str) -> Result<Reaction, Interrupt> {
        react(packet::parse(text).unwrap().remove(0))
    }

    #[test]
    fn socket_connects_with_the_token_and_joins_after_the_position() {
        let connect: serde_json::Value =
            serde_json::from_str(&connect_packet("a.b.c")[2..]).unwrap();
        assert_eq!(connect, json!({ "token": "a.b.c", "recovery": false }));
        let vault = VaultId::parse("cphysics01").unwrap();
        let join = |epoch| {
            let (vault, since) = (&vault, Seq(7));
            let packet = VaultSubscription {
                vault,
                since,
                epoch,
            }
            .join_packet();
            serde_json::from_str::<serde_json::Value>(packet.strip_prefix("42").unwrap()).unwrap()
        };
        let payload = json!({ "vaultId": "cphysics01", "since": 7, "epoch": "e1" });
        assert_eq!(join(Some("e1")), json!(["vault:join", payload]));
        let payload = json!({ "vaultId": "cphysics01", "since": 7 });
        assert_eq!(join(None), json!(["vault:join", payload]));
    }

    #[test]
    fn heartbeats_are_answered_and_a_connected_socket_joins() {
        assert!(matches!(reaction("2"), Ok(Reaction::Send("3"))));
        assert!(matches!(reaction(r#"40{"sid":"a"}"#), Ok(Reaction::Join)));
        assert!(matches!(reaction("6"), Ok(Reaction::Nothing)));
    }

    #[test]
    fn events_of_the_journal_are_printed_and_others_are_not() {
        let Ok(Reaction::Print(event)) = reaction(r#"42["source:moved",{"to":"c2","seq":8}]"#)
        else {
            panic!("the event is not printed");
        };
        assert_eq!(
            event.json(),
            r#"{"seq":8,"event":"source:moved","payload":{"to":"c2","seq":8}}"#
        );
        for other in [r#"42["notice",{"text":"a"}]"#, r#"42["notice",1]"#] {
            assert!(matches!(reaction(other), Ok(Reaction::Nothing)), "{other}");
        }
    }

    #[test]
    fn join_that_cannot_continue_reads_the_journal_again() {
        assert!(matches!(
            reaction(r#"42["vault:joined",{"vaultId":"c","seq":9,"replayed":2},"o"]"#),
            Ok(Reaction::Joined)
        ));
        for lost in [
            r#"42["vault:joined",{"vaultId":"c","seq":9,"resync":true}]"#,
            "1",
            "41",
        ] {
            assert!(
                matches!(reaction(lost), Err(Interrupt::Temporary { .. })),
                "{lost}"
            );
        }
    }

    #[test]
    fn refused_sockets_and_removed_users_end_the_subscription() {
        let removed = r#"42["error",{"message":"Access denied to vault","code":"ACCESS_DENIED","details":{"vaultId":"c"}}]"#;
        assert!(matches!(
            reaction(removed),
            Err(Interrupt::Permanent(TailError::AccessDenied))
        ));
        let refused = r#"44{"message":"UNAUTHORIZED","data":{"message":"UNAUTHORIZED","code":"UNAUTHORIZED"}}"#;
        assert!(matches!(
            reaction(refused),
            Err(Interrupt::Permanent(TailError::Unauthorized))
        ));
        let busy = r#"42["error",{"message":"busy","code":"VAULT_BUSY","details":{}}]"#;
        assert!(matches!(reaction(busy), Err(Interrupt::Temporary { .. })));
    }
}
