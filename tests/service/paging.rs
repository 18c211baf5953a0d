//! Paging of vaults, members, sources and events: page sizes, cursors, and listings without gaps or repetitions during concurrent
//! mutations.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::service::{TestService, TestUser};

/// Returns the titles of the sources on each page.
async fn titles_by_page(user: &TestUser, vault: &str, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = user
            .get(&format!("{vault}/sources?limit={limit}{cursor}"))
            .await
            .assert_status(200);
        pages.push(titles(&page));
        match page.get("nextCursor") {
            Some(next) => cursor = format!("&cursor={}", next.as_str().unwrap()),
            None => return pages,
        }
    }
}

fn titles(page: &Value) -> Vec<String> {
    let sources = page["sources"].as_array().unwrap().iter();
    sources
        .map(|source| source["title"].as_str().unwrap().to_owned())
        .collect()
}

#[actix_web::test]
async fn pages_are_full_and_the_last_has_no_cursor() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    assert_eq!(
        titles_by_page(&ana, &vault, 1).await,
        [Vec::<String>::new()]
    );
    for n in 1..=6 {
        ana.create_source(&vault, &n.to_string()).await;
    }
    let page_sizes = async |limit| -> Vec<usize> {
        titles_by_page(&ana, &vault, limit)
            .await
            .iter()
            .map(Vec::len)
            .collect()
    };
    assert_eq!(page_sizes(3).await, [3, 3]);
    assert_eq!(page_sizes(4).await, [4, 2]);
    assert_eq!(page_sizes(6).await, [6]);
    assert_eq!(
        titles_by_page(&ana, &vault, 4).await.concat(),
        ["6", "5", "4", "3", "2", "1"]
    );
}

#[actix_web::test]
async fn listing_neither_skips_nor_repeats_during_concurrent_changes() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let mut paths = Vec::new();
    for n in 0..30 {
        paths.push(ana.create_source(&vault, &format!("old {n}")).await);
    }
    let creating = join_all((0..8).map(async |writer| {
        for n in 0..5 {
            ana.create_source(&vault, &format!("new {writer}.{n}"))
                .await;
        }
    }));
    let deleting = async {
        for path in paths.iter().step_by(3) {
            ana.delete(path).await.assert_status(204);
        }
    };
    let reading = async {
        let mut listings = Vec::new();
        for _ in 0..4 {
            listings.push(titles_by_page(&ana, &vault, 7).await.concat());
        }
        listings
    };
    let (_, (), listings) = futures_util::join!(creating, deleting, reading);
    for listing in listings {
        let unique: HashSet<_> = listing.iter().collect();
        assert_eq!(unique.len(), listing.len(), "{listing:?}");
        for n in (0..30).filter(|n| n % 3 != 0) {
            assert!(
                unique.contains(&format!("old {n}")),
                "{n} is missing: {listing:?}"
            );
        }
    }
    assert_eq!(
        titles_by_page(&ana, &vault, 7).await.concat().len(),
        20 + 40
    );
}

/// A listing of ana, with the field that identifies its rows.
#[derive(Clone, Copy, Debug)]
struct PagedListing<'a> {
    path: &'a str,
    name: &'a str,
    id: &'a str,
}

impl PagedListing<'_> {
    /// Returns one page and its `nextCursor`.
    async fn page(&self, user: &TestUser, query: &str) -> (Vec<String>, Option<String>) {
        let page = user.get(&format!("{}{query}", self.path)).await;
        let page = page.assert_status(200);
        let rows = page[self.name].as_array().unwrap().iter();
        let ids = rows.map(|row| row[self.id].as_str().unwrap().to_owned());
        let next = page.get("nextCursor");
        (
            ids.collect(),
            next.map(|next| next.as_str().unwrap().to_owned()),
        )
    }

    /// Returns the ids of the rows on each page.
    async fn pages(&self, user: &TestUser, limit: usize) -> Vec<Vec<String>> {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let (ids, next) = self.page(user, &format!("?limit={limit}{cursor}")).await;
            pages.push(ids);
            match next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return pages,
            }
        }
    }
}

/// Creates vaults of ana, and members of the first of them. Returns the ids of both in the order of their creation.
async fn create_vaults_and_members(ana: &TestUser, count: usize) -> (Vec<String>, Vec<String>) {
    let (mut vaults, mut members) = (Vec::new(), vec!["ana".to_owned()]);
    for _ in 0..count {
        let path = ana.create_vault().await;
        vaults.push(path.trim_start_matches("/api/vaults/").to_owned());
    }
    for n in 1..count {
        // In another order than that of the ids.
        let id = format!("user+{}&", count - n);
        let member = json!({ "userId": id, "role": "viewer" });
        let path = format!("/api/vaults/{}/members", vaults[0]);
        ana.post(&path, member).await.assert_status(201);
        members.push(id);
    }
    (vaults, members)
}

#[actix_web::test]
async fn vaults_and_members_are_listed_page_by_page_in_the_order_of_their_creation() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let (vaults, members) = create_vaults_and_members(&ana, 6).await;
    let members_path = format!("/api/vaults/{}/members", vaults[0]);
    for (path, name, id, expected) in [
        ("/api/vaults", "vaults", "id", vaults),
        (&members_path, "members", "userId", members),
    ] {
        let listing = PagedListing { path, name, id };
        for limit in 1..=7 {
            let pages = listing.pages(&ana, limit).await;
            let chunks: Vec<_> = expected.chunks(limit).map(<[_]>::to_vec).collect();
            assert_eq!(pages, chunks, "{name} by {limit}");
        }
        assert_eq!(listing.page(&ana, "").await, (expected, None));
    }
    // A user without vaults has one empty page.
    let vaults = PagedListing {
        path: "/api/vaults",
        name: "vaults",
        id: "id",
    };
    let zoe = service.user("zoe");
    assert_eq!(vaults.page(&zoe, "").await, (Vec::new(), None));
}

#[actix_web::test]
async fn pages_of_vaults_and_members_are_stable_when_rows_around_the_cursor_change() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let (vaults, members) = create_vaults_and_members(&ana, 6).await;
    let members_path = format!("/api/vaults/{}/members", vaults[0]);

    let listing = PagedListing {
        path: &members_path,
        name: "members",
        id: "userId",
    };
    let (first, cursor) = listing.page(&ana, "?limit=3").await;
    assert_eq!(first, members[..3]);
    // The last listed member leaves, which the cursor names, and so does the next one. Another user joins.
    for left in [&members[2], &members[3]] {
        let path = format!("{members_path}/{}", left.replace('+', "%2B"));
        ana.delete(&path).await.assert_status(204);
    }
    let joined = json!({ "userId": "a-new-user", "role": "viewer" });
    ana.post(&members_path, joined).await.assert_status(201);
    let query = format!("?limit=3&cursor={}", cursor.unwrap());
    let (second, cursor) = listing.page(&ana, &query).await;
    assert_eq!(second, [&members[4], &members[5], "a-new-user"]);
    assert_eq!(cursor, None);

    let listing = PagedListing {
        path: "/api/vaults",
        name: "vaults",
        id: "id",
    };
    let (first, cursor) = listing.page(&ana, "?limit=3").await;
    assert_eq!(first, vaults[..3]);
    for deleted in [&vaults[2], &vaults[3]] {
        let path = format!("/api/vaults/{deleted}");
        ana.delete(&path).await.assert_status(204);
    }
    let created = ana.create_vault().await;
    let query = format!("?limit=3&cursor={}", cursor.unwrap());
    let (second, cursor) = listing.page(&ana, &query).await;
    let created = created.trim_start_matches("/api/vaults/").to_owned();
    assert_eq!(second, [vaults[4].as_str(), &vaults[5], &created]);
    assert_eq!(cursor, None);
}

#[actix_web::test]
async fn events_continue_after_the_seq_of_the_first_page() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for n in 0..3 {
        ana.create_source(&vault, &n.to_string()).await;
    }
    let first = ana
        .get(&format!("{vault}/sources?limit=2"))
        .await
        .assert_status(200);
    ana.create_source(&vault, "later").await;
    let since = &first["seq"];
    let events = ana
        .get(&format!("{vault}/events?since={since}"))
        .await
        .assert_status(200);
    assert_eq!(events["seq"], 4);
    let [event] = events["events"].as_array().unwrap().as_slice() else {
        panic!("expected one event: {events}");
    };
    assert_eq!(
        (&event["seq"], &event["event"]),
        (&json!(4), &json!("source:created"))
    );
    assert_eq!(event["payload"]["source"]["title"], "later");
    assert_eq!(events["epoch"], first["epoch"]);
}

#[actix_web::test]
async fn events_are_listed_oldest_first_after_since() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for n in 1..=5 {
        ana.create_source(&vault, &n.to_string()).await;
    }
    let seqs = async |query: &str| -> Vec<u64> {
        let page = ana
            .get(&format!("{vault}/events{query}"))
            .await
            .assert_status(200);
        assert_eq!(page["seq"], 5);
        let events = page["events"].as_array().unwrap().iter();
        events.map(|event| event["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(seqs("").await, [1, 2, 3, 4, 5]);
    assert_eq!(seqs("?since=0&limit=2").await, [1, 2]);
    assert_eq!(seqs("?since=2&limit=2").await, [3, 4]);
    assert_eq!(seqs("?since=4").await, [5]);
    assert_eq!(seqs("?since=5").await, [0; 0]);
    assert_eq!(seqs("?since=6").await, [0; 0]);
}

#[actix_web::test]
async fn a_page_has_100_rows_unless_1_to_500_are_asked_for() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    join_all((0..501).map(|n| {
        let (ana, vault) = (ana.clone(), vault.clone());
        async move { ana.create_source(&vault, &n.to_string()).await }
    }))
    .await;
    join_all((0..500).map(|n| {
        let (ana, vault) = (ana.clone(), vault.clone());
        let member = json!({ "userId": format!("user{n}"), "role": "viewer" });
        async move { ana.post(&format!("{vault}/members"), member).await }
    }))
    .await;
    for listing in ["sources", "events", "members"] {
        let rows = async |query: &str| {
            let page = ana
                .get(&format!("{vault}/{listing}{query}"))
                .await
                .assert_status(200);
            page[listing].as_array().unwrap().len()
        };
        assert_eq!(rows("").await, 100);
        assert_eq!(rows("?limit=1").await, 1);
        assert_eq!(rows("?limit=500").await, 500);
        for invalid in [
            "0",
            "501",
            "-1",
            "+1",
            "%2B1",
            "1.0",
            "1e2",
            "",
            "ten",
            "%00",
            "99999999999999999999",
        ] {
            let refused = ana.get(&format!("{vault}/{listing}?limit={invalid}")).await;
            assert_eq!(refused.invalid_fields(), ["limit"], "{invalid}");
        }
    }
}

#[actix_web::test]
async fn malformed_or_repeated_parameter_is_named_and_unknown_ones_are_ignored() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for (query, field) in [
        ("sources?cursor=abc", "cursor"),
        ("sources?cursor=", "cursor"),
        ("sources?cursor=-1", "cursor"),
        ("sources?cursor=%ff", "cursor"),
        ("sources?limit=1&limit=1", "limit"),
        ("members?cursor=abc", "cursor"),
        ("members?cursor=", "cursor"),
        ("members?cursor=1", "cursor"),
        ("members?cursor=1-", "cursor"),
        ("members?cursor=-cjld2cjxh0000qzrmn831i7rn", "cursor"),
        ("members?cursor=%2B1-cjld2cjxh0000qzrmn831i7rn", "cursor"),
        (
            "members?cursor=9223372036854775808-cjld2cjxh0000qzrmn831i7rn",
            "cursor",
        ),
        ("members?cursor=1-cjld2cjxh0000qzrmn831i7rn%00", "cursor"),
        ("members?limit=0", "limit"),
        ("members?limit=501", "limit"),
        ("sources?cursor=1&cursor=2", "cursor"),
        ("sources?limit", "limit"),
        ("events?since=abc", "since"),
        ("events?since=-1", "since"),
        ("events?since=1.5", "since"),
        ("events?since=9223372036854775807", "since"),
        ("events?since=1&since=2", "since"),
    ] {
        let refused = ana.get(&format!("{vault}/{query}")).await;
        assert_eq!(refused.invalid_fields(), [field], "{query}");
    }
    for (query, field) in [
        ("cursor=abc", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=1", "cursor"),
        ("cursor=cjld2cjxh0000qzrmn831i7rn%00", "cursor"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
    ] {
        let refused = ana.get(&format!("/api/vaults?{query}")).await;
        assert_eq!(refused.invalid_fields(), [field], "{query}");
    }
    for query in [
        "members?limit=500&cursor=9223372036854775807-cjld2cjxh0000qzrmn831i7rn",
        "sources?%6cimit=1&other=%ff&other=2&&=",
        "events?sinc%65=0&cursor=abc",
    ] {
        ana.get(&format!("{vault}/{query}"))
            .await
            .assert_status(200);
    }
}
