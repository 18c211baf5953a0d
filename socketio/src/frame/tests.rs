//! The exact text of encoded packets.

use super::*;

const PLACEHOLDER: &str = r#"{"_placeholder":true,"num":0}"#;

#[test]
fn frames_contain_the_complete_packet_text() {
    assert_eq!(EventFrame::new("/", "a\"b", &[]).text(), r#"42["a\"b"]"#);
    assert_eq!(
        EventFrame::new("/custom", "x", &["1", "[2]"]).text(),
        r#"42/custom,["x",1,[2]]"#
    );
    assert_eq!(
        EventFrame::event("/", "x", &("a", 1)).unwrap().text(),
        r#"42["x","a",1]"#
    );
    assert_eq!(
        EventFrame::event("/", "x", &vec![1, 2]).unwrap().text(),
        r#"42["x",[1,2]]"#
    );
    assert_eq!(
        EventFrame::event_with_ack("/", "x", &1, 12).unwrap().text(),
        r#"4212["x",1]"#
    );
    assert_eq!(
        EventFrame::ack("/", 12, &true).unwrap().text(),
        "4312[true]"
    );
    assert_eq!(
        EventFrame::json_ack("/custom", 0, &["1", "2"], vec![]).text(),
        "43/custom,0[1,2]"
    );
    assert_eq!(
        EventFrame::connect("/custom", "id", None).text(),
        r#"40/custom,{"sid":"id"}"#
    );
    assert_eq!(
        EventFrame::connect("/", "id", Some("p")).text(),
        r#"40{"sid":"id","pid":"p"}"#
    );
    assert_eq!(EventFrame::disconnect("/").text(), "41");
}

#[test]
fn connect_error_may_carry_data() {
    let data = serde_json::json!({"retry": 5});
    assert_eq!(
        EventFrame::connect_error("/", "no", None).text(),
        r#"44{"message":"no"}"#
    );
    assert_eq!(
        EventFrame::connect_error("/custom", "no", Some(&data)).text(),
        r#"44/custom,{"data":{"retry":5},"message":"no"}"#
    );
}

#[test]
fn frame_with_attachments_is_a_binary_event() {
    let attachments = vec![Bytes::from_static(&[1, 2, 3])];
    let frame = EventFrame::with_attachments("/", "file", &[PLACEHOLDER], attachments);
    assert_eq!(
        frame.text(),
        r#"451-["file",{"_placeholder":true,"num":0}]"#
    );
    let size = OutboxUsage {
        frames: 2,
        bytes: frame.text().len() + 3,
    };
    assert_eq!(frame.size(), size);
}

#[test]
fn serialized_bytes_become_attachments() {
    let data = Bytes::from_static(&[1, 2, 3]);
    let frame = EventFrame::event("/", "file", &("name", &data)).unwrap();
    assert_eq!(
        frame.text(),
        format!(r#"451-["file","name",{PLACEHOLDER}]"#)
    );
    assert_eq!(frame.attachments.as_deref(), Some(&[data.clone()][..]));
    let frame = EventFrame::event_with_ack("/", "file", &data, 3).unwrap();
    assert_eq!(frame.text(), format!(r#"451-3["file",{PLACEHOLDER}]"#));
    let frame = EventFrame::ack("/", 7, &data).unwrap();
    assert_eq!(frame.text(), format!("461-7[{PLACEHOLDER}]"));
}
