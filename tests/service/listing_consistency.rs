//! Consistency of listings and events: a listing equals the result of the events up to its `seq`, also during concurrent
//! mutations.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::service::{TestService, TestUser, source};

const WRITERS: usize = 16;
const ROUNDS: usize = 6;

/// Creates, changes and deletes sources, and returns the seq of each mutation.
async fn mutate(user: TestUser, vault: String, writer: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    for round in 0..ROUNDS {
        let title = format!("{writer}.{round}");
        let added = user.post(&format!("{vault}/sources"), source(&title)).await;
        let path = format!(
            "/api/sources/{}",
            added.assert_status(201)["id"].as_str().unwrap()
        );
        let changed = user
            .patch(&path, json!({ "title": format!("{title}!") }))
            .await;
        changed.assert_status(200);
        seqs.extend([added.seq(), changed.seq()]);
        if round % 2 == 0 {
            let deleted = user.delete(&path).await;
            deleted.assert_status(204);
            seqs.push(deleted.seq());
        }
    }
    seqs
}

/// Returns the title of each source id in a listing.
fn listed_titles(page: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sources = page["sources"].as_array().unwrap().iter();
    sources
        .map(|source| (text(&source["id"]), text(&source["title"])))
        .collect()
}

/// Returns the title of each source id after the first `seq` events.
fn replayed_titles(events: &[Value], seq: u64) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut sources = BTreeMap::new();
    for event in &events[..seq as usize] {
        let payload = &event["payload"];
        let source = &payload["source"];
        match event["event"].as_str().unwrap() {
            "source:deleted" => drop(sources.remove(&text(&payload["sourceId"]))),
            _ => drop(sources.insert(text(&source["id"]), text(&source["title"]))),
        }
    }
    sources
}

#[actix_web::test]
async fn listing_equals_the_events_up_to_its_seq() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let done = Cell::new(false);
    let writing = async {
        let writers = (0..WRITERS).map(|writer| mutate(ana.clone(), vault.clone(), writer));
        let seqs = join_all(writers).await;
        done.set(true);
        seqs.concat()
    };
    let reading = async {
        let mut listings = Vec::new();
        while !done.get() {
            let page = ana
                .get(&format!("{vault}/sources?limit=500"))
                .await
                .assert_status(200);
            listings.push((page["seq"].as_u64().unwrap(), listed_titles(&page)));
        }
        listings
    };
    let following = async {
        let (mut events, mut head) = (Vec::<Value>::new(), 0);
        while !done.get() || (events.len() as u64) < head {
            let since = events.len();
            let page = ana
                .get(&format!("{vault}/events?since={since}&limit=50"))
                .await
                .assert_status(200);
            let new_events = page["events"].as_array().unwrap();
            head = page["seq"].as_u64().unwrap();
            assert!(
                since as u64 + new_events.len() as u64 <= head,
                "no event after the head"
            );
            let expected = (head - since as u64).min(50);
            assert_eq!(
                new_events.len() as u64,
                expected,
                "the page matches its seq"
            );
            events.extend(new_events.iter().cloned());
        }
        events
    };
    let (mut answered_seqs, listings, followed) = futures_util::join!(writing, reading, following);

    let (events, head) = ana.events(&vault).await;
    let seqs: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(
        seqs,
        (1..=head).collect::<Vec<_>>(),
        "no gap and no repetition"
    );
    assert_eq!(
        followed[..],
        events[..followed.len()],
        "events never change"
    );
    answered_seqs.sort();
    assert_eq!(answered_seqs, seqs, "each answer has the seq of its event");

    assert!(listings.len() > 1);
    let replayed: HashMap<_, _> = listings
        .iter()
        .map(|(seq, _)| (*seq, replayed_titles(&events, *seq)))
        .collect();
    for (seq, listing) in listings {
        assert_eq!(listing, replayed[&seq], "seq {seq}");
    }
}
