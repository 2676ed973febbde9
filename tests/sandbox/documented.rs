//! Answers, refusals and pages in the documented shapes.

use contactsync::Field;
use contactsync::contact::{ContactId, Value};
use contactsync::report::CallKind;
use contactsync::sandbox::Config;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::{Answer, TOKEN, error, ids, one, taken, unlimited, with_config};

/// The JSON with every value replaced by its type, so that answers of the same shape are equal.
fn shape(json: &Json) -> Json {
    match json {
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Json::Array(items) => items.iter().map(shape).collect(),
        Json::String(_) => "string".into(),
        Json::Number(_) => "number".into(),
        Json::Bool(_) => "boolean".into(),
        Json::Null => Json::Null,
    }
}

const DOCUMENTED_PAGE: &str = r#"{
  "data": [{
    "id": "1776025372480910",
    "custom_fields": {"firstName": "Mahin", "lastName": "Dar", "locale": "en_GB", "timezone": "5", "gender": "male",
      "phone": "123123", "email": "muhammad@respond.io", "customerid": "1"},
    "tags": ["Blog Updates", "Platform Updates"],
    "created_at": 1575618542
  }],
  "links": {
    "first": "http://app.1980TIC.com/api/v1/contact/by_custom_field?page=1",
    "last": "http://app.1980TIC.com/api/v1/contact/by_custom_field?page=1",
    "prev": null,
    "next": null
  },
  "meta": {"current_page": 1, "from": 1, "last_page": 1,
    "path": "http://app.1980TIC.com/api/v1/contact/by_custom_field", "per_page": 10, "to": 1, "total": 1}
}"#;

#[tokio::test]
async fn the_six_calls_answer_as_documented() {
    let harness = unlimited().await;
    let documented: Json = serde_json::from_str(DOCUMENTED_PAGE).unwrap();
    let person = &documented["data"][0];
    let fields: Json = person["custom_fields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();

    let created = harness.create(fields).await;
    let id = created.body["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(created, Answer { status: 200, body: json!({ "data": { "id": id } }) });

    let tags = json!({ "tags": person["tags"] });
    let success = |message: &str| json!({ "status": "success", "message": message, "data": [] });
    let added = harness.call(Method::POST, &format!("/contact/{id}/tags"), tags.clone()).await;
    assert_eq!(added, Answer { status: 200, body: success("Contact Tags have been added successfully.") });

    // The documented search: a value of two names finds the contact with one of them.
    let found = harness.find("firstName", "Muhammad Mahin", 0).await;
    assert_eq!((found.status, shape(&found.body)), (200, shape(&documented)));
    assert_eq!(found.body["data"][0]["custom_fields"], person["custom_fields"]);
    assert_eq!(found.body["meta"]["total"], 1);
    let link = found.body["links"]["first"].as_str().unwrap();
    assert_eq!(link, format!("{}/contact/by_custom_field?page=1", harness.sandbox.url()));

    let read = harness.get(&format!("/contact/{id}")).await;
    assert_eq!((read.status, shape(&read.body)), (200, json!({ "data": shape(person) })));
    assert_eq!(read.body["data"], found.body["data"][0]);

    let update = json!({ "custom_fields": one("firstName", "Muhammad Mahin") });
    let updated = harness.call(Method::PUT, &format!("/contact/{id}"), update).await;
    let other = updated.body["data"]["id"].as_str().unwrap();
    assert_eq!(updated.status, 200);
    assert!(other.starts_with("cus_") && other != id, "{other}");

    let removed = harness.call(Method::DELETE, &format!("/contact/{id}/tags"), tags).await;
    assert_eq!(removed, Answer { status: 200, body: success("Contact Tags deleted successfully.") });

    let stored = harness.sandbox.contacts(TOKEN);
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].id.as_str(), id);
    assert_eq!(stored[0].fields["firstName"], Value::Text("Muhammad Mahin".into()));
    assert!(stored[0].tags.is_empty() && !stored[0].seeded);

    let ledger = harness.sandbox.ledger();
    assert_eq!(ledger.by_kind(TOKEN), CallKind::ALL.into_iter().map(|kind| (kind, 1)).collect());
    assert_eq!((ledger.creates(TOKEN), ledger.throttled(), ledger.busiest_minute(TOKEN)), (1, 0, 6));
    for call in ledger.calls() {
        let kind = call.kind.unwrap();
        assert_eq!(call.applied, !matches!(kind, CallKind::Find | CallKind::Read), "{kind:?}");
        assert_eq!(call.contact.is_some(), kind != CallKind::Find, "{kind:?}");
        assert!(call.counted && call.delivered && call.status == Some(200), "{call:?}");
    }
}

#[tokio::test]
async fn errors_are_answered_as_documented() {
    let config = Config { tokens: vec![TOKEN.into(), "old".into()], rate: 0, ..Config::default() };
    let harness = with_config(config).await;
    let id = harness.insert("name", "Ann");
    harness.sandbox.refuse_token("old");

    let unauthorized = error(401, "API Token is invalid.");
    for token in ["wrong", "old", ""] {
        let request = harness.client.get(format!("{}/contact/{id}", harness.sandbox.url()));
        let request = request.bearer_auth(token).header("accept", "application/json");
        assert_eq!(taken(request).await, unauthorized, "{token}");
        assert_eq!(harness.last(), (Some(401), false, false, true, None));
    }

    for (method, path) in [
        (Method::DELETE, format!("/contact/{id}")),
        (Method::GET, "/contact/".into()),
        (Method::PUT, format!("/contact/{id}/tags")),
        (Method::POST, "/contact/by_custom_field".into()),
    ] {
        let answer = harness.call(method.clone(), &path, Json::Null).await;
        assert_eq!(answer, error(405, "405 Method Not Allowed."), "{method} {path}");
    }
    assert_eq!(harness.get("/contacts").await.status, 404);
    assert_eq!(harness.sandbox.ledger().calls().iter().filter(|call| call.kind.is_none()).count(), 5);

    let missing = error(403, "No such contact.");
    assert_eq!(harness.get("/contact/1").await, missing);
    assert_eq!(harness.get("/contact/cus_112233344555").await, missing);
    assert_eq!(harness.get("/contact/%ff").await, missing);
    let body = json!({ "custom_fields": one("a", "b") });
    assert_eq!(harness.call(Method::PUT, "/contact/1", body).await, missing);
    assert_eq!(harness.call(Method::POST, "/contact/1/tags", json!({ "tags": ["a"] })).await, missing);
    assert_eq!(harness.last(), (Some(403), true, false, true, None));

    assert_eq!(harness.get("/contact/by_custom_field?name=a").await, error(400, "The value field is required."));
    assert_eq!(harness.get("/contact/by_custom_field?value=a").await, error(400, "The name field is required."));
    assert_eq!(harness.find("a", " ", 1).await.status, 400);

    let write = harness.request(Method::PUT, &format!("/contact/{id}")).body("{");
    assert_eq!(taken(write).await, error(400, "The request body must be JSON."));
    let write = harness.client.put(format!("{}/contact/{id}", harness.sandbox.url())).bearer_auth(TOKEN);
    let write = write.header("accept", "application/json").body(r#"{"custom_fields":[{"name":"a","value":"b"}]}"#);
    assert_eq!(taken(write).await, error(400, "The Content-Type must be application/json."));
}

#[tokio::test]
async fn a_request_that_does_not_accept_json_is_redirected_to_a_page() {
    let harness = unlimited().await;
    let request = harness.client.get(format!("{}/contact/1", harness.sandbox.url())).bearer_auth(TOKEN);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 302);
    let target = response.headers()["location"].to_str().unwrap().to_owned();
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let page = harness.client.get(target).send().await.unwrap();
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));

    let id = harness.insert("name", "Ann");
    let request = harness.client.get(format!("{}/contact/{id}", harness.sandbox.url())).bearer_auth(TOKEN);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_call_carries_thirty_fields_or_ten_tags_and_no_more() {
    let harness = unlimited().await;
    let fields = |count: usize| (0..count).map(|n| json!({ "name": format!("f{n}"), "value": n })).collect::<Json>();
    let tags = |count: usize| json!({ "tags": (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>() });
    assert_eq!(harness.create(fields(31)).await, error(403, "Maximum 30 custom fields per request."));
    assert_eq!(harness.create(fields(30)).await.status, 200);
    let path = format!("/contact/{}/tags", harness.sandbox.contacts(TOKEN)[0].id);
    for method in [Method::POST, Method::DELETE] {
        let refused = harness.call(method.clone(), &path, tags(11)).await;
        assert_eq!(refused, error(403, "Maximum 10 tags per request."), "{method}");
        assert_eq!(harness.call(method.clone(), &path, tags(10)).await.status, 200, "{method}");
    }
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1);
}

#[tokio::test]
async fn pages_hold_ten_contacts_and_links_keep_only_the_page_number() {
    let harness = unlimited().await;
    let people: Vec<_> = (0..25)
        .map(|n| harness.sandbox.insert(TOKEN, [Field::text("source", "crm"), Field::text("n", n.to_string())], ["x"]))
        .collect();
    let base = format!("{}/contact/by_custom_field?page=", harness.sandbox.url());
    let link = |page: Option<u32>| page.map_or(Json::Null, |page| format!("{base}{page}").into());
    let check = async |page: u32, from: Option<usize>, to: Option<usize>, prev: Option<u32>, next: Option<u32>| {
        let answer = harness.find("source", "CRM", page).await;
        let Json::Object(links) = &answer.body["links"] else { panic!("page {page} has no links") };
        assert_eq!(links["prev"], link(prev), "page {page}");
        assert_eq!(links["next"], link(next), "page {page}");
        assert_eq!(links["last"], link(Some(3)), "page {page}");
        let meta = &answer.body["meta"];
        assert_eq!((&meta["from"], &meta["to"]), (&json!(from), &json!(to)), "page {page}");
        assert_eq!((&meta["total"], &meta["last_page"], &meta["per_page"]), (&json!(25), &json!(3), &json!(10)));
        let expected = from.zip(to).map_or(&people[0..0], |(from, to)| &people[from - 1..to]);
        assert!(ids(&answer).into_iter().eq(expected.iter().map(ContactId::as_str)), "page {page}");
    };
    check(1, Some(1), Some(10), None, Some(2)).await;
    check(2, Some(11), Some(20), Some(1), Some(3)).await;
    check(3, Some(21), Some(25), Some(2), None).await;
    check(4, None, None, Some(3), None).await;

    let none = harness.find("source", "erp", 1).await;
    assert_eq!(none.body["data"], json!([]));
    let meta = &none.body["meta"];
    assert_eq!(
        (&meta["from"], &meta["to"], &meta["total"], &meta["last_page"]),
        (&Json::Null, &Json::Null, &json!(0), &json!(1))
    );
}
