//! The messages between nodes, as text: `vaultcast1 SENDER EPOCH KIND WORD …`.
//!
//! | kind | words |
//! | --- | --- |
//! | `heartbeat` | its number, and `claims`: the sender answers claims |
//! | `heads` | `VAULT=HEAD …` |
//! | `claims` | `NUMBER:PIDHASH:USER …` |
//! | `answers` | `NODE:NUMBER=yes …` or `NODE:NUMBER=no …`: the claims of these nodes and numbers |
//!
//! Nodes of several versions share a bus during an update, so a message of an unknown version or kind is ignored.

use std::fmt::{self, Write};

use rand::random;

use crate::domain::{Seq, UserId, VaultHead, VaultId};

use super::pid_hash::{PeerClaim, PidHash};

const VERSION: &str = "vaultcast1";
const HEARTBEAT: &str = "heartbeat";
const HEADS: &str = "heads";
const CLAIMS: &str = "claims";
const ANSWERS: &str = "answers";
const YES: &str = "yes";
const NO: &str = "no";

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
    Heartbeat { number: u64, claims: ClaimSupport },
    /// The journal has reached these heads.
    Heads(Vec<VaultHead>),
    /// The sender asks for these connections.
    Claims(Vec<NumberedClaim>),
    /// The sender answers these claims.
    Answers(Vec<AnsweredClaim>),
}

/// Identifies a claim among those of all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey {
    /// The node that asks.
    pub node: NodeId,
    /// The number that this node has given to the claim.
    pub number: u64,
}

/// The answer of a node to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimAnswer {
    /// The connection is closed, and its state is in the database.
    HandedOver,
    /// The node has no such connection and no state of one.
    NotHere,
}

/// Whether a node answers claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimSupport {
    /// It has not said so. Nodes of earlier versions do not.
    Unknown,
    Answers,
}

/// A claim with the number that its node has given to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NumberedClaim {
    pub number: u64,
    pub claim: PeerClaim,
}

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnsweredClaim {
    pub key: ClaimKey,
    pub answer: ClaimAnswer,
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

/// Returns the text of a heartbeat. A node of this version answers claims.
pub fn encode_heartbeat(sender: NodeId, epoch: &str, number: u64) -> String {
    format!("{VERSION} {sender} {epoch} {HEARTBEAT} {number} {CLAIMS}")
}

/// Returns the texts of hints, as many as the size of a message requires.
pub fn encode_hints(sender: NodeId, epoch: &str, hints: &[VaultHead]) -> Vec<String> {
    let start = format!("{VERSION} {sender} {epoch} {HEADS}");
    let hints = hints.iter();
    let words = hints.map(|VaultHead { vault, head }| format!("{vault}={}", head.0));
    encode_words(&start, words)
}

/// Returns the texts of claims and answers, as many as the size of a message requires.
pub fn encode_claims(
    sender: NodeId,
    epoch: &str,
    claims: &[NumberedClaim],
    answers: &[AnsweredClaim],
) -> Vec<String> {
    let start = format!("{VERSION} {sender} {epoch}");
    let claims = claims.iter().map(|NumberedClaim { number, claim }| {
        let PeerClaim { pid, user } = claim;
        format!("{number}:{pid}:{user}")
    });
    let answers = answers.iter().map(|AnsweredClaim { key, answer }| {
        let answer = match answer {
            ClaimAnswer::HandedOver => YES,
            ClaimAnswer::NotHere => NO,
        };
        format!("{}:{}={answer}", key.node, key.number)
    });
    // The answers precede, because another node waits for them already.
    let mut messages = encode_words(&format!("{start} {ANSWERS}"), answers);
    messages.extend(encode_words(&format!("{start} {CLAIMS}"), claims));
    messages
}

/// Returns texts that begin with `start` and contain these words.
fn encode_words(start: &str, words: impl Iterator<Item = impl fmt::Display>) -> Vec<String> {
    let mut messages: Vec<String> = Vec::new();
    let mut next = String::new();
    for word in words {
        next.clear();
        // Writing to a string does not fail.
        let _ = write!(next, " {word}");
        match messages.last_mut() {
            Some(message) if message.len() + next.len() <= MAX_BYTES => message.push_str(&next),
            Some(_) | None => messages.push(format!("{start}{next}")),
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
        let sender = parse_node(words.next()?)?;
        let epoch = words.next()?.to_owned();
        let body = match words.next()? {
            HEARTBEAT => BusMessageBody::Heartbeat {
                number: words.next()?.parse().ok()?,
                claims: match words.next() {
                    Some(CLAIMS) => ClaimSupport::Answers,
                    Some(_) | None => ClaimSupport::Unknown,
                },
            },
            CLAIMS => BusMessageBody::Claims(words.map(parse_claim).collect::<Option<_>>()?),
            ANSWERS => BusMessageBody::Answers(words.map(parse_answer).collect::<Option<_>>()?),
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

fn parse_node(text: &str) -> Option<NodeId> {
    Some(NodeId(u64::from_str_radix(text, 16).ok()?))
}

fn parse_claim(text: &str) -> Option<NumberedClaim> {
    let mut parts = text.splitn(3, ':');
    Some(NumberedClaim {
        number: parts.next()?.parse().ok()?,
        claim: PeerClaim {
            pid: PidHash(u128::from_str_radix(parts.next()?, 16).ok()?),
            user: UserId::new(parts.next()?)?,
        },
    })
}

fn parse_answer(text: &str) -> Option<AnsweredClaim> {
    let (key, answer) = text.split_once('=')?;
    let (node, number) = key.split_once(':')?;
    Some(AnsweredClaim {
        key: ClaimKey {
            node: parse_node(node)?,
            number: number.parse().ok()?,
        },
        answer: match answer {
            YES => ClaimAnswer::HandedOver,
            NO => ClaimAnswer::NotHere,
            _ => return None,
        },
    })
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
        let claims = ClaimSupport::Answers;
        assert_eq!(
            heartbeat.body,
            BusMessageBody::Heartbeat { number: 5, claims }
        );
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
            other => panic!("{other:?}"),
        });
        assert_eq!(received.collect::<Vec<_>>(), hints);
        assert!(encode_hints(SENDER, "abc", &[]).is_empty());
    }

    #[test]
    fn claims_and_answers_are_parsed_as_they_were_encoded() {
        let claims: Vec<_> = (0..200)
            .map(|number| NumberedClaim {
                number,
                claim: PeerClaim {
                    pid: PidHash(u128::MAX - u128::from(number)),
                    user: UserId::new("a:b=c:%").unwrap(),
                },
            })
            .collect();
        let answers = [ClaimAnswer::HandedOver, ClaimAnswer::NotHere].map(|answer| AnsweredClaim {
            key: ClaimKey {
                node: NodeId(u64::MAX),
                number: 9,
            },
            answer,
        });
        let messages = encode_claims(SENDER, "abc", &claims, &answers);
        assert!(messages.len() > 2 && messages.iter().all(|text| text.len() < 8_000));
        let (mut found, mut answered) = (Vec::new(), Vec::new());
        for text in &messages {
            match parsed(text).body {
                BusMessageBody::Claims(claims) => found.extend(claims),
                BusMessageBody::Answers(answers) => answered.extend(answers),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((found, answered), (claims, answers.to_vec()));
        assert!(encode_claims(SENDER, "abc", &[], &[]).is_empty());
    }

    #[test]
    fn heartbeat_of_an_earlier_version_does_not_say_that_claims_are_answered() {
        let claims = ClaimSupport::Unknown;
        let heartbeat = BusMessageBody::Heartbeat { number: 5, claims };
        assert_eq!(parsed("vaultcast1 7 abc heartbeat 5").body, heartbeat);
        assert_eq!(parsed("vaultcast1 7 abc heartbeat 5 other").body, heartbeat);
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
            "vaultcast1 7 abc claims 5",
            "vaultcast1 7 abc claims 5:ff",
            "vaultcast1 7 abc claims 5:x:ana",
            "vaultcast1 7 abc answers 7:5",
            "vaultcast1 7 abc answers 7:5=maybe",
            "vaultcast1 7 abc heads cabcdefghi",
            "vaultcast1 7 abc heads x=5",
            "vaultcast1 7 abc heads cabcdefghi=five",
        ] {
            assert_eq!(BusMessage::parse(text), None, "{text}");
        }
    }
}
