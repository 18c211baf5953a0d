//! Rows as Prisma stores them, and what becomes of them.

use super::*;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const VAULT: &str = "cvault0000000000000000001";

fn row(columns: &[&str]) -> RawRow {
    let value = |text: &&str| match *text {
        "NULL" => RawValue::Null,
        "BYTES" => RawValue::NotText,
        text => RawValue::Text(text.to_owned()),
    };
    RawRow {
        columns: columns.iter().map(value).collect(),
    }
}

/// Calls a method of the mapping with the default names.
fn mapped<T>(map: impl Fn(&Mapping<'_>) -> T) -> T {
    let config = ImportConfig::default();
    map(&Mapping {
        config: &config,
        now: NOW,
    })
}

/// Returns the source of a row with one changed column.
fn source_with(index: usize, text: &str) -> Result<ImportedSource, RowRefusal> {
    let mut columns = [
        "csource000000000000000001",
        VAULT,
        "Optics",
        "https://files.example.com/optics.pdf",
        "optics.pdf",
        "1024",
        "text/plain",
        "1771149600000",
        "2026-02-16T10:00:00.000Z",
    ];
    columns[index] = text;
    mapped(|mapping| mapping.source(&row(&columns)))
}

fn member_with(index: usize, text: &str) -> Result<ImportedMember, RowRefusal> {
    let mut columns = [
        "cmember000000000000000001",
        VAULT,
        "user_ana",
        "OWNER",
        "2026-02-15 10:00:00",
        "NULL",
    ];
    columns[index] = text;
    mapped(|mapping| mapping.member(&row(&columns)))
}

#[test]
fn source_keeps_its_id_its_content_and_its_times() {
    let source = source_with(0, "csource000000000000000001").unwrap();
    assert_eq!(source.id.as_str(), "csource000000000000000001");
    let content = NewSource {
        title: "Optics".to_owned(),
        file_url: "https://files.example.com/optics.pdf".to_owned(),
        file_key: Some("optics.pdf".to_owned()),
        file_size: Some(1024),
        mime_type: "text/plain".to_owned(),
    };
    assert_eq!(source.content, content);
    let times = RowTimes {
        created_at: Timestamp(1_771_149_600_000),
        updated_at: Timestamp(1_771_236_000_000),
    };
    assert_eq!(source.times, times);
}

#[test]
fn absent_values_get_the_defaults_of_the_api() {
    assert_eq!(source_with(4, "NULL").unwrap().content.file_key, None);
    assert_eq!(source_with(5, "NULL").unwrap().content.file_size, None);
    for absent in ["NULL", ""] {
        let source = source_with(6, absent).unwrap();
        assert_eq!(source.content.mime_type, "application/pdf");
    }
    assert_eq!(source_with(7, "NULL").unwrap().times.created_at, NOW);
    let source = source_with(8, "NULL").unwrap();
    assert_eq!(source.times.updated_at, source.times.created_at);
    assert_eq!(
        source_with(2, " Optics\u{a0}").unwrap().content.title,
        "Optics"
    );
}

#[test]
fn value_that_the_api_would_refuse_is_refused_with_its_column() {
    let long_title = "x".repeat(501);
    for (index, text, reason) in [
        (
            2,
            long_title.as_str(),
            "title must be 1 to 500 characters after trimming",
        ),
        (2, " ", "title must be 1 to 500 characters after trimming"),
        (2, "NULL", "title is NULL"),
        (2, "a\0b", "title must not contain U+0000"),
        (2, "BYTES", "title is not text in UTF-8"),
        (
            3,
            "/optics.pdf",
            "fileUrl must be an absolute http or https URL of at most 2048 characters",
        ),
        (
            5,
            "-1",
            "fileSize must be a whole number from 0 to 9007199254740991",
        ),
        (
            5,
            "12 MB",
            "fileSize must be a whole number from 0 to 9007199254740991",
        ),
        (
            7,
            "yesterday",
            "createdAt is not a time before the year 10000",
        ),
        (
            7,
            "infinity",
            "createdAt is not a time before the year 10000",
        ),
    ] {
        let refusal = source_with(index, text).unwrap_err();
        assert_eq!(refusal.reason.to_string(), reason);
        assert!(
            refusal
                .row
                .starts_with("csource000000000000000001 (vault cvault")
        );
    }
    let refusal = source_with(6, "pdf").unwrap_err();
    assert!(
        refusal
            .reason
            .to_string()
            .starts_with("mimeType must be a media type")
    );
}

#[test]
fn uuid_and_cuid2_are_no_ids_of_the_contract() {
    for id in [
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "tz4a98xxat96iws9zmbrgj3a",
    ] {
        let refusal = source_with(0, id).unwrap_err();
        assert_eq!(
            refusal.reason.to_string(),
            "id is not a cuid (c and 8 to 31 lower case letters or digits)"
        );
        assert_eq!(refusal.row, format!("{id} (vault {VAULT})"));
    }
    let vault = row(&["1", "Physics", "NULL", "NULL"]);
    assert!(mapped(|mapping| mapping.vault(&vault)).is_err());
}

#[test]
fn role_is_read_in_upper_and_lower_case() {
    for (text, role) in [
        ("OWNER", Role::Owner),
        ("Contributor", Role::Contributor),
        ("viewer", Role::Viewer),
    ] {
        assert_eq!(member_with(3, text).unwrap().role, role);
    }
    let refusal = member_with(3, "ADMIN").unwrap_err();
    assert_eq!(
        refusal.reason.to_string(),
        "role is not owner, contributor or viewer"
    );
    assert_eq!(refusal.row, "cmember000000000000000001: \"ADMIN\"");
}

#[test]
fn membership_without_an_id_gets_one() {
    let member = member_with(0, "NULL").unwrap();
    assert!(MembershipId::parse(member.id.as_str()).is_some());
    assert_eq!(member.times.created_at, Timestamp(1_771_149_600_000));
    let refusal = member_with(2, "user ana").unwrap_err();
    assert_eq!(
        refusal.reason.to_string(),
        "userId is not 1 to 128 visible ASCII characters"
    );
}

#[test]
fn name_and_email_of_a_user_are_cut_as_those_of_sessions() {
    let long = "n".repeat(300);
    let user = row(&["user_ana", &long, "a\0b", "NULL"]);
    let user = mapped(|mapping| mapping.user(&user)).unwrap();
    assert_eq!(user.name, Some("n".repeat(200)));
    assert_eq!((user.email, user.created_at), (None, NOW));
}
