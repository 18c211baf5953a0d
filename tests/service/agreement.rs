//! What is listed and what is told agree: a listing is what the events up to its `seq` make, while many write.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::common::app::{TestApp, User, source};

const WRITERS: usize = 16;
const ROUNDS: usize = 6;

/// Adds, changes and deletes, and says which places its mutations were told to have.
async fn writes(user: User, vault: String, writer: usize) -> Vec<u64> {
    let mut places = Vec::new();
    for round in 0..ROUNDS {
        let title = format!("{writer}.{round}");
        let added = user.post(&format!("{vault}/sources"), source(&title)).await;
        let path = format!("/api/sources/{}", added.is(201)["id"].as_str().unwrap());
        let changed = user
            .patch(&path, json!({ "title": format!("{title}!") }))
            .await;
        changed.is(200);
        places.extend([added.seq(), changed.seq()]);
        if round % 2 == 0 {
            let deleted = user.delete(&path).await;
            deleted.is(204);
            places.push(deleted.seq());
        }
    }
    places
}

/// Titles by id, as a listing has them.
fn listed(page: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sources = page["sources"].as_array().unwrap().iter();
    sources
        .map(|source| (text(&source["id"]), text(&source["title"])))
        .collect()
}

/// Titles by id, as the events up to a place make them.
fn told(events: &[Value], up_to: u64) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut sources = BTreeMap::new();
    for event in &events[..up_to as usize] {
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
async fn every_listing_is_what_the_events_up_to_its_place_make() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let done = Cell::new(false);
    let writing = async {
        let writers = (0..WRITERS).map(|writer| writes(ana.clone(), vault.clone(), writer));
        let places = join_all(writers).await;
        done.set(true);
        places.concat()
    };
    let reading = async {
        let mut seen = Vec::new();
        while !done.get() {
            let page = ana.get(&format!("{vault}/sources?limit=500")).await.is(200);
            seen.push((page["seq"].as_u64().unwrap(), listed(&page)));
        }
        seen
    };
    let following = async {
        let (mut events, mut head) = (Vec::<Value>::new(), 0);
        while !done.get() || (events.len() as u64) < head {
            let since = events.len();
            let page = ana
                .get(&format!("{vault}/events?since={since}&limit=50"))
                .await
                .is(200);
            let more = page["events"].as_array().unwrap();
            head = page["seq"].as_u64().unwrap();
            assert!(
                since as u64 + more.len() as u64 <= head,
                "an event beyond the head"
            );
            let expected = (head - since as u64).min(50);
            assert_eq!(
                more.len() as u64,
                expected,
                "a page of the same moment as its seq"
            );
            events.extend(more.iter().cloned());
        }
        events
    };
    let (mut places, listings, followed) = futures_util::join!(writing, reading, following);

    let (events, head) = ana.events(&vault).await;
    let seqs: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=head).collect::<Vec<_>>(), "no gap, no repeat");
    assert_eq!(
        followed[..],
        events[..followed.len()],
        "what was told is not told otherwise"
    );
    places.sort();
    assert_eq!(places, seqs, "each answer carried its own event's place");

    assert!(listings.len() > 1);
    let made: HashMap<_, _> = listings
        .iter()
        .map(|(seq, _)| (*seq, told(&events, *seq)))
        .collect();
    for (seq, listing) in listings {
        assert_eq!(listing, made[&seq], "at {seq}");
    }
}
