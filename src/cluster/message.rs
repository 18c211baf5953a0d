//! The messages between nodes, as text: `vaultcast1 SENDER EPOCH heartbeat N` or `vaultcast1 SENDER EPOCH heads VAULT=HEAD …`.
//!
//! Nodes of several versions share a bus during an update, so a message of an unknown version or kind is ignored.

use std::fmt::{self, Write};

use rand::random;

use crate::domain::{Seq, VaultHead, VaultId};

const VERSION: &str = "vaultcast1";
const HEARTBEAT: &str = "heartbeat";
const HEADS: &str = "heads";

/// The largest message in bytes. PostgreSQL refuses payloads of 8,000 bytes.
const MAX_BYTES: usize = 7_900;

/// Distinguishes the running nodes: a random number for each start of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// A message of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BusMessage {
    pub sender: NodeId,
    /// The epoch of the sender's database.
    pub epoch: String,
    pub body: BusMessageBody,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BusMessageBody {
    /// The sender is alive, and receives this message itself if the bus works.
    Heartbeat { number: u64 },
    /// The journal has reached these heads.
    Heads(Vec<VaultHead>),
}

impl NodeId {
    /// Returns a random id.
    pub fn generate() -> Self {
        Self(random())
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Returns the text of a heartbeat.
pub fn encode_heartbeat(sender: NodeId, epoch: &str, number: u64) -> String {
    format!("{VERSION} {sender} {epoch} {HEARTBEAT} {number}")
}

/// Returns the texts of hints, as many as the size of a message requires.
pub fn encode_hints(sender: NodeId, epoch: &str, hints: &[VaultHead]) -> Vec<String> {
    let start = format!("{VERSION} {sender} {epoch} {HEADS}");
    let mut messages: Vec<String> = Vec::new();
    let mut hint = String::new();
    for VaultHead { vault, head } in hints {
        hint.clear();
        // Writing to a string does not fail.
        let _ = write!(hint, " {vault}={}", head.0);
        match messages.last_mut() {
            Some(message) if message.len() + hint.len() <= MAX_BYTES => message.push_str(&hint),
            Some(_) | None => messages.push(format!("{start}{hint}")),
        }
    }
    messages
}

impl BusMessage {
    /// Parses a text; `None` if it is not a message of this version.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        if words.next()? != VERSION {
            return None;
        }
        let sender = NodeId(u64::from_str_radix(words.next()?, 16).ok()?);
        let epoch = words.next()?.to_owned();
        let body = match words.next()? {
            HEARTBEAT => BusMessageBody::Heartbeat {
                number: words.next()?.parse().ok()?,
            },
            HEADS => BusMessageBody::Heads(words.map(parse_hint).collect::<Option<_>>()?),
            _ => return None,
        };
        Some(Self {
            sender,
            epoch,
            body,
        })
    }
}

fn parse_hint(text: &str) -> Option<VaultHead> {
    let (vault, head) = text.split_once('=')?;
    Some(VaultHead {
        vault: VaultId::parse(vault)?,
        head: Seq(head.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: NodeId = NodeId(7);

    fn parsed(text: &str) -> BusMessage {
        BusMessage::parse(text).unwrap()
    }

    #[test]
    fn messages_are_parsed_as_they_were_encoded() {
        let heartbeat = parsed(&encode_heartbeat(SENDER, "abc", 5));
        assert_eq!(
            (heartbeat.sender, heartbeat.epoch.as_str()),
            (SENDER, "abc")
        );
        assert_eq!(heartbeat.body, BusMessageBody::Heartbeat { number: 5 });
        let hints: Vec<_> = (1..=1000)
            .map(|head| VaultHead {
                vault: VaultId::generate(),
                head: Seq(u64::MAX - head),
            })
            .collect();
        let messages = encode_hints(SENDER, "abc", &hints);
        assert!(messages.len() > 1 && messages.iter().all(|text| text.len() < 8_000));
        let received = messages.iter().flat_map(|text| match parsed(text).body {
            BusMessageBody::Heads(heads) => heads,
            BusMessageBody::Heartbeat { .. } => panic!("{text}"),
        });
        assert_eq!(received.collect::<Vec<_>>(), hints);
        assert!(encode_hints(SENDER, "abc", &[]).is_empty());
    }

    #[test]
    fn other_texts_are_ignored() {
        for text in [
            "",
            "hello",
            "vaultcast2 7 abc heads",
            "vaultcast1 x abc heads",
            "vaultcast1 7 abc",
            "vaultcast1 7 abc claim 5",
            "vaultcast1 7 abc heartbeat",
            "vaultcast1 7 abc heartbeat -1",
            "vaultcast1 7 abc heads cabcdefghi",
            "vaultcast1 7 abc heads x=5",
            "vaultcast1 7 abc heads cabcdefghi=five",
        ] {
            assert_eq!(BusMessage::parse(text), None, "{text}");
        }
    }
}
