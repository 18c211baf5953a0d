//! Decoding of the payloads of client packets: events, acknowledgements and the auth payload of a CONNECT.
//!
//! The codec crate splits a packet into its head and its payload text. The functions here parse that text, check it
//! against the protocol, and match placeholders with binary attachments.

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use socketioxide_core::Value;

use crate::json;

/// Event names that a client must not use, because the official libraries give them a meaning of their own.
const RESERVED_NAMES: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// How many bytes are read of an event that is refused.
const REFUSED_EVENT_BYTES: usize = 1024;

/// The JSON array of a packet and its binary attachments.
pub(crate) struct DecodedPayload {
    pub args: Vec<Json>,
    pub attachments: Vec<Bytes>,
}

/// The name, arguments and attachments of a client's event.
pub(crate) struct DecodedEvent {
    pub name: String,
    pub args: Vec<Json>,
    pub attachments: Vec<Bytes>,
}

/// Decodes the payload of an event. Returns `None` if it is malformed or if the name is reserved.
pub(crate) fn decode_event(payload: Value) -> Option<DecodedEvent> {
    let DecodedPayload {
        mut args,
        attachments,
    } = decode_payload(payload)?;
    if args.is_empty() {
        return None;
    }
    Some(DecodedEvent {
        name: event_name(args.remove(0))?,
        args,
        attachments,
    })
}

/// Decodes an event that is refused. Only a short event without attachments is decoded whole; of any other, only the name
/// is, and the rest is not checked. Returns `None` if the event is malformed, if the name is reserved, or if it is not within
/// the first [`REFUSED_EVENT_BYTES`].
pub(crate) fn decode_refused_event(payload: Value) -> Option<DecodedEvent> {
    match payload {
        Value::Str(text, None) if text.len() <= REFUSED_EVENT_BYTES => {
            decode_event(Value::Str(text, None))
        }
        Value::Str(text, _) => {
            let start = &text[..text.floor_char_boundary(REFUSED_EVENT_BYTES)];
            let items = start.trim_start().strip_prefix('[')?;
            Some(DecodedEvent {
                name: event_name(json::first_value(items)?)?,
                args: Vec::new(),
                attachments: Vec::new(),
            })
        }
        Value::Bytes(_) => None,
    }
}

/// Returns the name of an event from the first item of its payload. Returns `None` if it is no name or is reserved.
fn event_name(first: Json) -> Option<String> {
    let name = match first {
        Json::String(name) => name,
        // JavaScript does not distinguish the event names 7 and "7".
        Json::Number(name) => name.to_string(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    (!RESERVED_NAMES.contains(&name.as_str())).then_some(name)
}

/// Returns whether a payload starts as a JSON array. The rest of it is not read.
pub(crate) fn is_array(payload: &Value) -> bool {
    match payload {
        Value::Str(text, _) => text.trim_start().starts_with('['),
        Value::Bytes(_) => false,
    }
}

/// Decodes a payload that must be a JSON array, such as that of an acknowledgement. Returns `None` if it is malformed.
pub(crate) fn decode_payload(payload: Value) -> Option<DecodedPayload> {
    let Value::Str(text, attachments) = payload else {
        return None;
    };
    let attachments: Vec<Bytes> = attachments.unwrap_or_default().into();
    let Ok(Json::Array(args)) = json::from_str(&text) else {
        return None;
    };
    let is_complete = args
        .iter()
        .all(|arg| placeholders_are_valid(arg, &attachments));
    is_complete.then_some(DecodedPayload { args, attachments })
}

/// The header of a binary packet: the text that precedes its attachments.
pub(crate) struct BinaryHeader<'a> {
    kind: BinaryKind,
    pub namespace: &'a str,
    payload: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BinaryKind {
    Event,
    Ack,
}

impl<'a> BinaryHeader<'a> {
    /// Splits a header that the codec has accepted. Returns `None` if it is malformed.
    pub(crate) fn split(header: &'a str) -> Option<Self> {
        let is_digit = |c: char| c.is_ascii_digit();
        let kind = match header.as_bytes().first()? {
            b'5' => BinaryKind::Event,
            b'6' => BinaryKind::Ack,
            _ => return None,
        };
        let (_, rest) = header.split_once('-')?;
        let (namespace, rest) = if rest.starts_with('/') {
            rest.split_once(',')?
        } else {
            ("/", rest)
        };
        Some(Self {
            kind,
            namespace,
            payload: rest.trim_start_matches(is_digit),
        })
    }

    /// Returns whether the payload is a JSON array, and that of an event starts with a name that is not reserved. The codec
    /// keeps the payload as text until the attachments have arrived, so a malformed one would be noticed only then.
    pub(crate) fn is_valid(&self) -> bool {
        let Some(items) = self.payload.strip_prefix('[') else {
            return false;
        };
        let has_name = || json::first_value(items).and_then(event_name).is_some();
        serde_json::from_str::<IgnoredAny>(self.payload).is_ok()
            && (self.kind == BinaryKind::Ack || has_name())
    }
}

/// Decodes the auth payload of a CONNECT: a JSON object, which is empty if none was sent. Returns `None` for any other
/// value.
pub(crate) fn decode_auth(payload: Option<Value>) -> Option<Json> {
    let auth = match payload {
        None => return Some(Json::Object(Default::default())),
        Some(Value::Str(text, _)) => json::from_str(&text).ok()?,
        Some(Value::Bytes(_)) => return None,
    };
    auth.is_object().then_some(auth)
}

/// Returns the attachment that `value` refers to, if `value` is a placeholder.
pub(crate) fn find_attachment<'a>(value: &Json, attachments: &'a [Bytes]) -> Option<&'a Bytes> {
    let is_placeholder = value.get("_placeholder") == Some(&Json::Bool(true));
    let num = value.get("num").filter(|_| is_placeholder)?.as_u64()?;
    attachments.get(usize::try_from(num).ok()?)
}

/// Returns whether every placeholder in `value` refers to an attachment. In a packet without attachments, a placeholder
/// is an ordinary object.
fn placeholders_are_valid(value: &Json, attachments: &[Bytes]) -> bool {
    match value {
        Json::Object(fields)
            if !attachments.is_empty() && fields.get("_placeholder") == Some(&Json::Bool(true)) =>
        {
            find_attachment(value, attachments).is_some()
        }
        Json::Object(fields) => fields
            .values()
            .all(|value| placeholders_are_valid(value, attachments)),
        Json::Array(items) => items
            .iter()
            .all(|item| placeholders_are_valid(item, attachments)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Decodes an event from its text and a number of empty attachments.
    fn decode(text: &'static str, attachments: usize) -> Option<DecodedEvent> {
        let attachments = (attachments > 0).then(|| vec![Bytes::new(); attachments].into());
        decode_event(Value::Str(text.into(), attachments))
    }

    #[test]
    fn placeholder_refers_to_its_attachment() {
        let attachments = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let find = |value| find_attachment(&value, &attachments).cloned();
        let placeholder = json!({"_placeholder": true, "num": 1});
        assert_eq!(find(placeholder), Some(attachments[1].clone()));
        assert_eq!(find(json!({"num": 1})), None);
        assert_eq!(find(json!("text")), None);
    }

    #[test]
    fn event_is_decoded_into_name_and_arguments() {
        let event = decode(r#"["a\u0022b",1,{"c":null}]"#, 0).unwrap();
        assert_eq!(event.name, "a\"b");
        assert_eq!(event.args, [json!(1), json!({"c": null})]);
        assert_eq!(decode("[7]", 0).unwrap().name, "7");
    }

    #[test]
    fn malformed_and_reserved_events_are_rejected() {
        for text in [
            "",
            "{}",
            "[]",
            "[null]",
            "[{}]",
            "[[\"a\"]]",
            "[\"a\"",
            "[\"a\"]x",
            "\"a\"",
        ] {
            assert!(decode(text, 0).is_none(), "{text}");
        }
        for name in RESERVED_NAMES {
            let text: &'static str = Box::leak(format!("[\"{name}\"]").into_boxed_str());
            assert!(decode(text, 0).is_none(), "{text}");
        }
    }

    #[test]
    fn unpaired_surrogates_and_deep_nesting_are_no_faults() {
        let half = r#"["a\ud83d",{"b":"\ude00"}]"#;
        let event = decode(half, 0).unwrap();
        assert_eq!(event.name, "a\u{fffd}");
        assert_eq!(event.args, [json!({"b": "\u{fffd}"})]);
        let deep = format!("{}{}", "[".repeat(150), "]".repeat(150));
        let packet = |text: String| Value::Str(text.into(), None);
        let event = decode_event(packet(format!(r#"["a",{deep},{{"b":7}}]"#))).unwrap();
        assert_eq!(event.args[1], json!({"b": 7}));
        assert_eq!(decode_payload(packet(deep.clone())).unwrap().args.len(), 1);
        let auth = packet(format!(r#"{{"token":"\ud83d","deep":{deep}}}"#));
        assert_eq!(decode_auth(Some(auth)).unwrap()["token"], "\u{fffd}");
        let binary = decode(r#"["a\ud83d",{"_placeholder":true,"num":0}]"#, 1);
        assert_eq!(binary.unwrap().attachments.len(), 1);
    }

    #[test]
    fn refused_event_is_decoded_whole_only_if_it_is_short() {
        let refused = |text: &str| {
            let text = socketioxide_core::Str::copy_from_slice(text);
            decode_refused_event(Value::Str(text, None))
        };
        let short = refused(r#"["a",{"b":1}]"#).unwrap();
        assert_eq!(
            (short.name.as_str(), &short.args[..]),
            ("a", &[json!({"b": 1})][..])
        );
        let long = format!(r#" [ "a\u0062" ,{}"#, "[".repeat(900_000));
        let long = refused(&long).unwrap();
        assert_eq!((long.name.as_str(), long.args.len()), ("ab", 0));
        let half_emoji = format!(r#"["a\ud83d",{}"#, "[".repeat(900_000));
        assert_eq!(refused(&half_emoji).unwrap().name, "a\u{fffd}");
        let long_name = format!(r#"["{}"]"#, "é".repeat(450_000));
        assert!(refused(&long_name).is_none());
        assert!(refused("{").is_none() && refused(r#"["connect"]"#).is_none());
        let nested = "[".repeat(900_000);
        assert!(refused(&nested).is_none());
    }

    #[test]
    fn refused_event_with_attachments_has_no_arguments() {
        let attachments = Some(vec![Bytes::from_static(b"a")].into());
        let text = r#"["a",{"_placeholder":true,"num":0}]"#;
        let event = decode_refused_event(Value::Str(text.into(), attachments)).unwrap();
        assert_eq!((event.name.as_str(), event.args.len()), ("a", 0));
        assert!(event.attachments.is_empty());
    }

    #[test]
    fn placeholder_without_its_attachment_is_rejected() {
        assert!(decode(r#"["a",{"b":[{"_placeholder":true,"num":1}]}]"#, 2).is_some());
        assert!(decode(r#"["a",{"b":[{"_placeholder":true,"num":2}]}]"#, 2).is_none());
        assert!(decode(r#"["a",{"_placeholder":true,"num":-1}]"#, 1).is_none());
        assert!(
            decode(r#"["a",{"_placeholder":true,"num":7}]"#, 0).is_some(),
            "without attachments, a placeholder is an ordinary object"
        );
    }

    #[test]
    fn header_of_a_binary_packet_must_end_in_a_json_array() {
        let namespace = |header| {
            let header = BinaryHeader::split(header)?;
            header.is_valid().then_some(header.namespace)
        };
        for (valid, expected) in [
            (r#"51-["a"]"#, "/"),
            (r#"51-7["a",{"b":"\ud83d"}]"#, "/"),
            ("51-[7]", "/"),
            ("61-7[]", "/"),
            ("61-/custom,7[1]", "/custom"),
            (r#"61-7["connect"]"#, "/"),
            (r#"52-/a-1[,["a"]"#, "/a-1["),
        ] {
            assert_eq!(namespace(valid), Some(expected), "{valid}");
        }
        for malformed in [
            "51-",
            "51-7",
            "51-/custom",
            r#"51-["a""#,
            r#"51-["a"]x"#,
            "51-{}",
            "51-[]",
            "51-[null]",
            r#"51-["disconnect"]"#,
            r#"51-["new\u004cistener"]"#,
        ] {
            assert_eq!(namespace(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn acknowledgement_must_be_a_json_array() {
        let decode = |text: &'static str| decode_payload(Value::Str(text.into(), None));
        assert_eq!(decode("[1,2]").unwrap().args.len(), 2);
        assert_eq!(decode("[]").unwrap().args.len(), 0);
        assert!(decode("").is_none() && decode("{}").is_none() && decode("[1").is_none());
    }

    #[test]
    fn auth_payload_must_be_an_object_or_absent() {
        let decode = |text: &'static str| decode_auth(Some(Value::Str(text.into(), None)));
        assert_eq!(decode_auth(None), Some(json!({})));
        assert_eq!(decode(r#"{"token":"t"}"#), Some(json!({"token": "t"})));
        assert_eq!(decode("null"), None);
        assert_eq!(decode("[]"), None);
        assert_eq!(decode("{"), None);
    }
}
