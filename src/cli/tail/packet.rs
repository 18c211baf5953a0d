//! Packets of a Socket.IO connection over long polling, as a client reads them: Engine.IO 4 and Socket.IO 5.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ServiceRefusal;

/// Separates the packets of one answer.
const SEPARATOR: char = '\u{1e}';

/// The packet that closes the session.
pub(super) const CLOSE: &str = "1";

/// A packet from the service.
#[derive(Debug)]
pub(super) enum ServerPacket {
    /// The session is open.
    Open(SessionParams),
    /// A heartbeat, which the client must answer.
    Ping,
    /// The session is closed, or the socket is disconnected.
    Close,
    /// The socket is connected.
    Connected,
    /// An event.
    Event {
        name: String,
        payload: Box<RawValue>,
    },
    /// The CONNECT is refused.
    ConnectRefused(ServiceRefusal),
    /// A packet without a meaning for this client.
    Ignored,
}

/// The parameters of a session.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionParams {
    /// The id of the session.
    pub sid: String,
    /// Milliseconds between two heartbeats.
    pub ping_interval: u32,
    /// Milliseconds within which a heartbeat is answered.
    pub ping_timeout: u32,
}

/// The arguments of CONNECT_ERROR.
#[derive(Deserialize)]
struct ConnectError {
    data: ServiceRefusal,
}

/// Parses the packets of one answer. Returns `None` if one of them is malformed.
pub(super) fn parse(answer: &str) -> Option<Vec<ServerPacket>> {
    answer.split(SEPARATOR).map(parse_packet).collect()
}

fn parse_packet(packet: &str) -> Option<ServerPacket> {
    let kind_end = packet.find(|c: char| !c.is_ascii_digit());
    Some(match packet.split_at(kind_end.unwrap_or(packet.len())) {
        ("0", params) => ServerPacket::Open(serde_json::from_str(params).ok()?),
        ("1", _) | ("41", _) => ServerPacket::Close,
        ("2", _) => ServerPacket::Ping,
        ("40", _) => ServerPacket::Connected,
        ("42", arguments) => parse_event(arguments)?,
        ("44", error) => {
            let ConnectError { data } = serde_json::from_str(error).ok()?;
            ServerPacket::ConnectRefused(data)
        }
        // The answer to a probe, a noop; acknowledgements and binary events were not requested.
        ("3" | "6" | "45" | "46", _) => ServerPacket::Ignored,
        (kind, _) if kind.starts_with("43") || kind.starts_with("42") => ServerPacket::Ignored,
        _ => return None,
    })
}

/// Parses the arguments of an event: its name, its payload, and perhaps an offset.
fn parse_event(arguments: &str) -> Option<ServerPacket> {
    let arguments: Vec<Box<RawValue>> = serde_json::from_str(arguments).ok()?;
    let mut arguments = arguments.into_iter();
    let name = serde_json::from_str(arguments.next()?.get()).ok()?;
    Some(match arguments.next() {
        Some(payload) => ServerPacket::Event { name, payload },
        None => ServerPacket::Ignored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(packet: &str) -> ServerPacket {
        let mut packets = parse(packet).unwrap();
        assert_eq!(packets.len(), 1);
        packets.remove(0)
    }

    #[test]
    fn handshake_is_parsed() {
        let open = r#"0{"sid":"s1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
        let ServerPacket::Open(params) = one(open) else {
            panic!("not an open packet");
        };
        let SessionParams {
            sid,
            ping_interval,
            ping_timeout,
        } = params;
        assert_eq!(
            (sid.as_str(), ping_interval, ping_timeout),
            ("s1", 25000, 20000)
        );
    }

    #[test]
    fn packets_of_one_answer_are_separated() {
        let answer = "2\u{1e}6\u{1e}42[\"a\",{}]\u{1e}1";
        let packets = parse(answer).unwrap();
        assert!(matches!(
            packets.as_slice(),
            [
                ServerPacket::Ping,
                ServerPacket::Ignored,
                ServerPacket::Event { .. },
                ServerPacket::Close
            ]
        ));
    }

    #[test]
    fn event_keeps_the_text_of_its_payload() {
        let ServerPacket::Event { name, payload } =
            one(r#"42["source:created",{"b":1.50,"a":"\u00e9"},"offset1"]"#)
        else {
            panic!("not an event");
        };
        assert_eq!(name, "source:created");
        assert_eq!(payload.get(), r#"{"b":1.50,"a":"\u00e9"}"#);
        assert!(matches!(one(r#"42["alone"]"#), ServerPacket::Ignored));
    }

    #[test]
    fn connect_is_confirmed_or_refused() {
        assert!(matches!(
            one(r#"40{"sid":"a","pid":"b"}"#),
            ServerPacket::Connected
        ));
        let refused = r#"44{"message":"UNAUTHORIZED","data":{"message":"UNAUTHORIZED","code":"UNAUTHORIZED"}}"#;
        let ServerPacket::ConnectRefused(refusal) = one(refused) else {
            panic!("not a refusal");
        };
        assert_eq!(refusal.code, "UNAUTHORIZED");
        assert!(matches!(one("41"), ServerPacket::Close));
    }

    #[test]
    fn malformed_packets_are_refused() {
        for wrong in [
            "", "9", "<html>", "0{}", "42{}", "42[1,{}]", "44{}", "2\u{1e}",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        for ignored in ["431[{}]", "421[\"a\"]", "3probe"] {
            assert!(matches!(one(ignored), ServerPacket::Ignored), "{ignored}");
        }
    }
}
