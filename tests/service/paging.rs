//! Listings over several pages: nothing is missing and nothing comes twice, also while others write.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::app::{TestApp, User};

/// Titles of all pages, page by page.
async fn pages(user: &User, vault: &str, limit: usize) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = user
            .get(&format!("{vault}/sources?limit={limit}{cursor}"))
            .await
            .is(200);
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
async fn pages_are_full_and_the_last_one_says_that_it_is_the_last() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    assert_eq!(pages(&ana, &vault, 1).await, [Vec::<String>::new()]);
    for n in 1..=6 {
        ana.adds_source(&vault, &n.to_string()).await;
    }
    let sizes = async |limit| -> Vec<usize> {
        pages(&ana, &vault, limit)
            .await
            .iter()
            .map(Vec::len)
            .collect()
    };
    assert_eq!(sizes(3).await, [3, 3]);
    assert_eq!(sizes(4).await, [4, 2]);
    assert_eq!(sizes(6).await, [6]);
    assert_eq!(
        pages(&ana, &vault, 4).await.concat(),
        ["6", "5", "4", "3", "2", "1"]
    );
}

#[actix_web::test]
async fn a_listing_neither_skips_nor_repeats_while_others_add_and_delete() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let mut paths = Vec::new();
    for n in 0..30 {
        paths.push(ana.adds_source(&vault, &format!("old {n}")).await);
    }
    let writers = join_all((0..8).map(async |writer| {
        for n in 0..5 {
            ana.adds_source(&vault, &format!("new {writer}.{n}")).await;
        }
    }));
    let deleting = async {
        for path in paths.iter().step_by(3) {
            ana.delete(path).await.is(204);
        }
    };
    let reading = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(pages(&ana, &vault, 7).await.concat());
        }
        all
    };
    let (_, (), listings) = futures_util::join!(writers, deleting, reading);
    for listing in listings {
        let once: HashSet<_> = listing.iter().collect();
        assert_eq!(once.len(), listing.len(), "{listing:?}");
        for n in (0..30).filter(|n| n % 3 != 0) {
            assert!(
                once.contains(&format!("old {n}")),
                "{n} is missing: {listing:?}"
            );
        }
    }
    assert_eq!(pages(&ana, &vault, 7).await.concat().len(), 20 + 40);
}

#[actix_web::test]
async fn the_first_pages_seq_is_where_events_go_on() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for n in 0..3 {
        ana.adds_source(&vault, &n.to_string()).await;
    }
    let first = ana.get(&format!("{vault}/sources?limit=2")).await.is(200);
    ana.adds_source(&vault, "later").await;
    let since = &first["seq"];
    let events = ana
        .get(&format!("{vault}/events?since={since}"))
        .await
        .is(200);
    assert_eq!(events["seq"], 4);
    let [event] = events["events"].as_array().unwrap().as_slice() else {
        panic!("one event: {events}");
    };
    assert_eq!(
        (&event["seq"], &event["event"]),
        (&json!(4), &json!("source:created"))
    );
    assert_eq!(event["payload"]["source"]["title"], "later");
    assert_eq!(events["epoch"], first["epoch"]);
}

#[actix_web::test]
async fn events_come_oldest_first_after_the_place_asked_for() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for n in 1..=5 {
        ana.adds_source(&vault, &n.to_string()).await;
    }
    let seqs = async |query: &str| -> Vec<u64> {
        let page = ana.get(&format!("{vault}/events{query}")).await.is(200);
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
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    join_all((0..501).map(|n| {
        let (ana, vault) = (ana.clone(), vault.clone());
        async move { ana.adds_source(&vault, &n.to_string()).await }
    }))
    .await;
    for listing in ["sources", "events"] {
        let rows = async |query: &str| {
            let page = ana.get(&format!("{vault}/{listing}{query}")).await.is(200);
            page[listing].as_array().unwrap().len()
        };
        assert_eq!(rows("").await, 100);
        assert_eq!(rows("?limit=1").await, 1);
        assert_eq!(rows("?limit=500").await, 500);
        for wrong in [
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
            let refused = ana.get(&format!("{vault}/{listing}?limit={wrong}")).await;
            assert_eq!(refused.wrong_fields(), ["limit"], "{wrong}");
        }
    }
}

#[actix_web::test]
async fn a_malformed_or_doubled_parameter_is_named_and_an_unknown_one_ignored() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for (query, field) in [
        ("sources?cursor=abc", "cursor"),
        ("sources?cursor=", "cursor"),
        ("sources?cursor=-1", "cursor"),
        ("sources?cursor=%ff", "cursor"),
        ("sources?limit=1&limit=1", "limit"),
        ("sources?cursor=1&cursor=2", "cursor"),
        ("sources?limit", "limit"),
        ("events?since=abc", "since"),
        ("events?since=-1", "since"),
        ("events?since=1.5", "since"),
        ("events?since=9223372036854775807", "since"),
        ("events?since=1&since=2", "since"),
    ] {
        let refused = ana.get(&format!("{vault}/{query}")).await;
        assert_eq!(refused.wrong_fields(), [field], "{query}");
    }
    for query in [
        "sources?%6cimit=1&other=%ff&other=2&&=",
        "events?sinc%65=0&cursor=abc",
    ] {
        ana.get(&format!("{vault}/{query}")).await.is(200);
    }
}
