//! The traps of the API (API.md, "Traps").

use std::time::{Duration, Instant};

use contactsync::Field;
use contactsync::contact::ContactId;
use contactsync::sandbox::{Config, Faults};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{Answer, TOKEN, error, found_at, ids, one, taken, unlimited, with_config};

#[tokio::test]
async fn values_keep_their_type_and_blank_ones_become_null() {
    let harness = unlimited().await;
    let created = harness
        .create(json!([{ "name": "n", "value": 7 }, { "name": "b", "value": true }, { "name": "t", "value": " x " },
            { "name": "e", "value": "" }]))
        .await;
    let path = format!("/contact/{}", created.body["data"]["id"].as_str().unwrap());
    let read = harness.get(&path).await;
    assert_eq!(read.body["data"]["custom_fields"], json!({ "n": 7, "b": true, "t": "x", "e": null }));
    assert_eq!(harness.sandbox.contacts(TOKEN)[0].fields.len(), 3);
    assert_eq!(ids(&harness.find("n", "7", 1).await).len(), 1);
}

#[tokio::test]
async fn adding_or_removing_a_tag_twice_changes_nothing() {
    let harness = unlimited().await;
    let id = harness.sandbox.insert(TOKEN, [Field::text("name", "Ann")], ["a"]);
    let path = format!("/contact/{id}/tags");
    let check = async |method: Method, tags: &[&str], status: u16, left: &[&str]| {
        let answer = harness.call(method.clone(), &path, json!({ "tags": tags })).await;
        assert_eq!(answer.status, status, "{method} {tags:?}");
        let has = &harness.sandbox.contacts(TOKEN)[0].tags;
        assert!(has.iter().eq(left), "{method} {tags:?} left {has:?}");
    };
    check(Method::POST, &["a", "b"], 200, &["a", "b"]).await;
    check(Method::DELETE, &["a", "c"], 403, &["a", "b"]).await;
    check(Method::DELETE, &["a"], 200, &["b"]).await;
    check(Method::DELETE, &["a"], 403, &["b"]).await;
}

#[tokio::test]
async fn each_token_has_its_own_contacts_and_limit() {
    let harness = with_config(Config { rate: 1, ..Config::default() }).await;
    harness.insert("name", "Ann");
    assert_eq!(ids(&harness.find("name", "ann", 1).await).len(), 1);
    assert_eq!(harness.find("name", "ann", 1).await.status, 429);
    let url = format!("{}{}", harness.sandbox.url(), found_at("name", "ann", 1));
    let other = harness.client.get(url).bearer_auth("other").header("accept", "application/json");
    let other = taken(other).await;
    assert_eq!((other.status, ids(&other).len()), (200, 0));
}

#[tokio::test]
async fn a_viber_id_goes_into_the_path_as_base64() {
    let harness = with_config(Config { rate: 0, viber_tokens: vec![TOKEN.into()], ..Config::default() }).await;
    let created = harness.create(one("name", "Ann")).await;
    let id = created.body["data"]["id"].as_str().unwrap().to_owned();
    assert!(id.contains('/') && id.contains('+'), "{id}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &id);
    assert!(encoded.contains('/') && encoded.contains('+') && encoded.ends_with('='), "{encoded}");
    let escaped =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let check = async |segment: String, status: u16| {
        assert_eq!(harness.get(&format!("/contact/{segment}")).await.status, status, "{segment}");
    };
    check(escaped(&encoded), 200).await;
    check(escaped(encoded.trim_end_matches('=')), 403).await;
    check(escaped(&encoded.replace('/', "_").replace('+', "-")), 403).await;
    check(escaped(&id), 403).await;
    check(encoded, 404).await;
    let read = harness.find("name", "Ann", 1).await;
    assert_eq!(ids(&read), [id]);
}

#[tokio::test]
async fn a_unique_value_belongs_to_one_contact() {
    let harness = with_config(Config { rate: 0, unique_fields: vec!["phone".into()], ..Config::default() }).await;
    let ann = harness.insert("phone", "1");
    let bob = harness.insert("phone", "2");
    let taken = Answer {
        status: 409,
        body: json!({ "status": "error", "message": "This phone is already connected to a contact.", "data": { "id": ann } }),
    };
    assert_eq!(harness.create(one("phone", " 1 ")).await, taken);
    let update = |value: &str| json!({ "custom_fields": one("phone", value) });
    let path = |id: &ContactId| format!("/contact/{id}");
    assert_eq!(harness.call(Method::PUT, &path(&bob), update("1")).await, taken);
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 2);
    // A contact may keep its own value, and a value that is no longer used is free.
    assert_eq!(harness.call(Method::PUT, &path(&ann), update("1")).await.status, 200);
    assert_eq!(harness.call(Method::PUT, &path(&ann), update("3")).await.status, 200);
    assert_eq!(harness.create(one("phone", "1")).await.status, 200);
    assert_eq!(harness.create(one("name", "1")).await.status, 200);
}

#[tokio::test]
async fn a_new_contact_is_queued_and_not_yet_found_by_searches() {
    let harness = unlimited().await;
    let long = Duration::from_hours(1);
    harness.sandbox.set_faults(Faults { queued: long, late_search: long, ..Faults::default() });
    let old = harness.insert("name", "Ann");
    let created = harness.create(one("name", "Ann")).await;
    let id = created.body["data"]["id"].as_str().unwrap();
    let calls = [
        (Method::GET, format!("/contact/{id}"), Json::Null),
        (Method::PUT, format!("/contact/{id}"), json!({ "custom_fields": one("name", "Eve") })),
        (Method::POST, format!("/contact/{id}/tags"), json!({ "tags": ["a"] })),
        (Method::DELETE, format!("/contact/{id}/tags"), json!({ "tags": ["a"] })),
    ];
    for (method, path, body) in calls {
        let queued = error(449, "Contact creation is in the queue, try again later.");
        assert_eq!(harness.call(method.clone(), &path, body).await, queued, "{method}");
        assert_eq!(harness.last(), (Some(449), true, false, true, None), "{method}");
    }
    assert_eq!(ids(&harness.find("name", "ann", 1).await), [old.as_str()]);

    harness.sandbox.set_faults(Faults { late_search: Duration::from_millis(150), ..Faults::default() });
    let update = json!({ "custom_fields": one("name", "Eve") });
    assert_eq!(harness.call(Method::PUT, &format!("/contact/{old}"), update).await.status, 200);
    let begun = Instant::now();
    while ids(&harness.find("name", "eve", 1).await).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the changed field is never found");
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(harness.get(&format!("/contact/{id}")).await.status, 200);
}
