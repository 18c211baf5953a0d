//! Frames down to their characters, and what is no packet.

use super::*;

#[test]
fn frames_are_whole_packets() {
    assert_eq!(Frame::event("/", "a\"b", &[]).text(), r#"42["a\"b"]"#);
    assert_eq!(
        Frame::event("/custom", "x", &["1", "[2]"]).text(),
        r#"42/custom,["x",1,[2]]"#
    );
    assert_eq!(
        Frame::emit("/", "x", &("a", 1)).unwrap().text(),
        r#"42["x","a",1]"#
    );
    assert_eq!(
        Frame::emit("/", "x", &vec![1, 2]).unwrap().text(),
        r#"42["x",[1,2]]"#
    );
    assert_eq!(
        Frame::ask("/", "x", &1, 12).unwrap().text(),
        r#"4212["x",1]"#
    );
    assert_eq!(Frame::ack("/", 12, &true).unwrap().text(), "4312[true]");
    assert_eq!(
        Frame::ack_with("/custom", 0, &["1", "2"], vec![]).text(),
        "43/custom,0[1,2]"
    );
    assert_eq!(
        Frame::connect("/custom", "id", None).text(),
        r#"40/custom,{"sid":"id"}"#
    );
    assert_eq!(
        Frame::connect("/", "id", Some("p")).text(),
        r#"40{"sid":"id","pid":"p"}"#
    );
    assert_eq!(Frame::disconnect("/").text(), "41");
}

#[test]
fn a_refusal_may_carry_data() {
    let data = serde_json::json!({"retry": 5});
    assert_eq!(
        Frame::connect_error("/", "no", None).text(),
        r#"44{"message":"no"}"#
    );
    assert_eq!(
        Frame::connect_error("/custom", "no", Some(&data)).text(),
        r#"44/custom,{"data":{"retry":5},"message":"no"}"#
    );
}

#[test]
fn a_frame_with_attachments_is_a_binary_event() {
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    let frame = Frame::event_with(
        "/",
        "file",
        &[placeholder],
        vec![Bytes::from_static(&[1, 2, 3])],
    );
    assert_eq!(
        frame.text(),
        r#"451-["file",{"_placeholder":true,"num":0}]"#
    );
    assert_eq!(frame.size(), (frame.text().len() + 3, 2));
}

#[test]
fn bytes_that_serialise_become_attachments() {
    let data = Bytes::from_static(&[1, 2, 3]);
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    let frame = Frame::emit("/", "file", &("name", &data)).unwrap();
    assert_eq!(
        frame.text(),
        format!(r#"451-["file","name",{placeholder}]"#)
    );
    assert_eq!(frame.attachments.as_deref(), Some(&[data.clone()][..]));
    let frame = Frame::ask("/", "file", &data, 3).unwrap();
    assert_eq!(frame.text(), format!(r#"451-3["file",{placeholder}]"#));
    let frame = Frame::ack("/", 7, &data).unwrap();
    assert_eq!(frame.text(), format!("461-7[{placeholder}]"));
}

#[test]
fn a_placeholder_stands_for_its_attachment() {
    let attachments = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
    let found = |value| attachment(&value, &attachments).cloned();
    let placeholder = serde_json::json!({"_placeholder": true, "num": 1});
    assert_eq!(found(placeholder), Some(attachments[1].clone()));
    assert_eq!(found(serde_json::json!({"num": 1})), None);
    assert_eq!(found(serde_json::json!("text")), None);
}

fn event(text: &'static str, attachments: usize) -> Option<Decoded> {
    let attachments = (attachments > 0).then(|| vec![Bytes::new(); attachments].into());
    decode_event(Value::Str(text.into(), attachments))
}

#[test]
fn an_event_is_a_name_and_its_arguments() {
    let decoded = event(r#"["a\u0022b",1,{"c":null}]"#, 0).unwrap();
    assert_eq!(decoded.name, "a\"b");
    assert_eq!(
        decoded.args,
        [serde_json::json!(1), serde_json::json!({"c": null})]
    );
    assert_eq!(event("[7]", 0).unwrap().name, "7");
}

#[test]
fn what_is_no_event_is_none() {
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
        assert!(event(text, 0).is_none(), "{text}");
    }
    for name in RESERVED {
        let text: &'static str = Box::leak(format!("[\"{name}\"]").into_boxed_str());
        assert!(event(text, 0).is_none(), "{text}");
    }
}

#[test]
fn a_placeholder_must_have_its_attachment() {
    assert!(event(r#"["a",{"b":[{"_placeholder":true,"num":1}]}]"#, 2).is_some());
    assert!(event(r#"["a",{"b":[{"_placeholder":true,"num":2}]}]"#, 2).is_none());
    assert!(event(r#"["a",{"_placeholder":true,"num":-1}]"#, 1).is_none());
    assert!(
        event(r#"["a",{"_placeholder":true,"num":7}]"#, 0).is_some(),
        "data like any other"
    );
}

#[test]
fn an_acknowledgement_is_a_list() {
    let ack = |text: &'static str| decode_ack(Value::Str(text.into(), None));
    assert_eq!(ack("[1,2]").unwrap().args.len(), 2);
    assert_eq!(ack("[]").unwrap().args.len(), 0);
    assert!(ack("").is_none() && ack("{}").is_none() && ack("[1").is_none());
}

#[test]
fn an_auth_payload_is_an_object_or_absent() {
    let auth = |text: &'static str| decode_auth(Some(Value::Str(text.into(), None)));
    assert_eq!(decode_auth(None), Some(serde_json::json!({})));
    assert_eq!(
        auth(r#"{"token":"t"}"#),
        Some(serde_json::json!({"token": "t"}))
    );
    assert_eq!(auth("null"), None);
    assert_eq!(auth("[]"), None);
    assert_eq!(auth("{"), None);
}
