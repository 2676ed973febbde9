//! Undocumented answers of real servers: refusals that do not concern the contact, searches that contradict themselves, other forms
//! of a value, other contacts' ids, and errors of the account or of a proxy.

use std::time::{Duration, SystemTime};

use contactsync::report::CallKind;
use contactsync::sandbox::{Config, Fault, Faults, Rule, StoredForm};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value as Json, json};

use super::{Answer, Harness, TOKEN, error, ids, one, taken, unlimited, with_config};

fn with(rules: impl IntoIterator<Item = Rule>) -> Faults {
    Faults { rules: rules.into_iter().collect(), ..Faults::default() }
}

/// One call of each kind on an existing contact with the tag `a`.
fn six_calls(harness: &Harness, path: &str) -> Vec<(CallKind, RequestBuilder)> {
    let fields = json!({ "custom_fields": [{ "name": "name", "value": "Eve" }, { "name": "plan", "value": "gold" }] });
    let (add, remove) = (json!({ "tags": ["b"] }), json!({ "tags": ["a"] }));
    let tags = format!("{path}/tags");
    vec![
        (CallKind::Find, harness.request(Method::GET, "/contact/by_custom_field?name=name&value=Ann")),
        (CallKind::Read, harness.request(Method::GET, path)),
        (CallKind::Create, harness.request(Method::POST, "/contact/").json(&fields)),
        (CallKind::Update, harness.request(Method::PUT, path).json(&fields)),
        (CallKind::AddTags, harness.request(Method::POST, &tags).json(&add)),
        (CallKind::RemoveTags, harness.request(Method::DELETE, &tags).json(&remove)),
    ]
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("an ASCII header").to_owned())
}

#[tokio::test]
async fn each_refusal_applies_to_each_kind_of_call_and_has_no_effect() {
    let envelope = |status, message| (status, "application/json", error(status, message).body);
    let page = |status, heading: &str| (status, "text/html; charset=UTF-8", Json::String(heading.into()));
    // The answer, and whether the call counts.
    let cases = [
        (Fault::UnknownError, envelope(403, "An unknown error occurred. Please contact support."), true),
        (Fault::PageNotFound, envelope(404, "Page Not Found. If error persists, contact info@example.com"), true),
        (Fault::BadRequest, envelope(400, "Bad Request"), true),
        (Fault::ErrorWith200, envelope(200, "Something went wrong."), true),
        (Fault::OwnerNotFound, envelope(403, "Contact owner not found."), true),
        (Fault::ListNotFound, envelope(403, "Contact list does not exist"), true),
        (Fault::UnknownPlan, envelope(403, "Unknown value for contact.plan"), true),
        (Fault::QuotaExceeded, envelope(403, "Quota exceeded for this workspace."), true),
        (Fault::SubscriptionExpired, envelope(402, "Your subscription has expired."), true),
        (Fault::TokenExpired, envelope(403, "API Token has expired."), false),
        (Fault::RateLimitExceeded, envelope(403, "Rate limit exceeded."), false),
        (
            Fault::ProblemJson,
            (
                422,
                "application/problem+json",
                json!({ "type": "about:blank", "title": "Unprocessable Content", "status": 422,
                    "detail": "The value is not valid for this field." }),
            ),
            true,
        ),
        (Fault::BareList, (400, "application/json", json!(["The value is not valid for this field."])), true),
        (Fault::NotFoundJson, (404, "application/json", json!({ "message": "The route could not be found." })), false),
        (Fault::FirewallPage, page(403, "403 Forbidden"), false),
        (Fault::NotFoundPage, page(404, "404 Not Found"), false),
        (Fault::BodyTooLarge, page(413, "413 Request Entity Too Large"), false),
        (Fault::UrlTooLong, page(414, "414 Request-URI Too Large"), false),
        (Fault::HeadTooLarge, page(431, "431 Request Header Fields Too Large"), false),
        (Fault::BadGatewayLimit, page(502, "502 Bad Gateway"), false),
        (Fault::Unavailable, page(503, "503 Service Temporarily Unavailable"), false),
    ];
    let harness = with_config(Config::default()).await;
    let id = harness.sandbox.insert(TOKEN, [contactsync::Field::text("name", "Ann")], ["a"]);
    let before = harness.sandbox.contacts(TOKEN);
    for (fault, (status, content_type, body), counted) in cases {
        harness.sandbox.set_faults(with([Rule::always(fault)]));
        for (kind, request) in six_calls(&harness, &format!("/contact/{id}")) {
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{fault} {kind:?}");
            assert_eq!(header(&response, "content-type").as_deref(), Some(content_type), "{fault} {kind:?}");
            let limit = header(&response, "x-ratelimit-limit");
            let named = if fault == Fault::BadGatewayLimit { Some("2") } else { counted.then_some("100") };
            assert_eq!(limit.as_deref(), named, "{fault} {kind:?}");
            let text = response.text().await.unwrap();
            match &body {
                Json::String(heading) => assert!(text.contains(&format!("<h1>{heading}</h1>")), "{fault}: {text}"),
                body => assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), *body, "{fault} {kind:?}"),
            }
            assert_eq!(harness.last(), (Some(status), counted, false, true, Some(fault)), "{kind:?}");
            assert_eq!(harness.sandbox.ledger().calls().last().unwrap().kind, Some(kind));
        }
        assert_eq!(harness.sandbox.contacts(TOKEN), before, "{fault}");
    }
}

#[tokio::test]
async fn a_failed_validation_names_the_field_of_the_call() {
    let harness = unlimited().await;
    let id = harness.insert("name", "Ann");
    harness.sandbox.set_faults(with([Rule::always(Fault::ValidationFailed)]));
    let check = async |request: RequestBuilder, path: &str| {
        let message = format!("The {path} field format is invalid.");
        let body = json!({ "message": message, "errors": { path: [message] } });
        assert_eq!(taken(request).await, Answer { status: 422, body });
        assert_eq!(harness.last(), (Some(422), true, false, true, Some(Fault::ValidationFailed)));
    };
    let expected = ["value", "id", "custom_fields.1.value", "custom_fields.1.value", "tags.0", "tags.0"];
    for ((_, request), path) in six_calls(&harness, &format!("/contact/{id}")).into_iter().zip(expected) {
        check(request, path).await;
    }
    let fields: Vec<Json> = (0..9).map(|n| json!({ "name": format!("f{n}"), "value": "x" })).collect();
    let create = harness.request(Method::POST, "/contact/").json(&json!({ "custom_fields": fields }));
    check(create, "custom_fields.3.value").await;
}

/// A fault, the requested page, the values at some JSON pointers of the answer, and the contacts in it.
type Case<'a> = (Fault, u32, &'a [(&'a str, Json)], &'a [&'a str]);

#[tokio::test]
async fn each_contradiction_of_a_search_is_answered_as_success() {
    let harness = unlimited().await;
    let everyone: Vec<_> = (0..12).map(|_| harness.insert("name", "Ann")).collect();
    let all: Vec<&str> = everyone.iter().map(contactsync::contact::ContactId::as_str).collect();
    let url = format!("{}/contact/by_custom_field?page=", harness.sandbox.url());
    let cases: [Case; 9] = [
        (Fault::EmptyWithTotal, 1, &[("/meta/total", json!(1)), ("/meta/last_page", json!(1))], &[]),
        (Fault::EmptyWithError, 1, &[("/error", json!("The search is temporarily unavailable."))], &[]),
        (Fault::EmptyWithStatusFail, 1, &[("/status", json!("fail")), ("/meta/total", json!(0))], &[]),
        (Fault::EmptyWithSuccessFalse, 1, &[("/success", json!("false")), ("/meta/total", json!(0))], &[]),
        (
            Fault::TotalBeyondPages,
            1,
            &[("/meta/last_page", json!(1)), ("/meta/total", json!(14)), ("/links/next", json!(null))],
            &all[..10],
        ),
        (
            Fault::NextOnLastPage,
            2,
            &[("/links/next", json!(format!("{url}3"))), ("/meta/total", json!(12))],
            &all[10..],
        ),
        (Fault::PageIgnored, 2, &[("/meta/current_page", json!(1)), ("/meta/last_page", json!(2))], &all[..10]),
        (Fault::PageIgnored, 3, &[("/meta/current_page", json!(1)), ("/meta/last_page", json!(2))], &all[..10]),
        (Fault::TotalBeyondPages, 2, &[("/meta/last_page", json!(1)), ("/meta/total", json!(14))], &all[10..]),
    ];
    for (fault, page, expected, contacts) in cases {
        harness.sandbox.set_faults(with([Rule::always(fault)]));
        let answer = harness.find("name", "Ann", page).await;
        assert_eq!((answer.status, ids(&answer)), (200, contacts.to_vec()), "{fault} {page}");
        for (pointer, value) in expected {
            assert_eq!(answer.body.pointer(pointer), Some(value), "{fault} {page} {pointer}");
        }
        assert_eq!(harness.last(), (Some(200), true, false, true, Some(fault)));
        // No other kind of call is affected.
        assert_eq!(harness.get(&format!("/contact/{}", all[0])).await.status, 200);
        assert_eq!(harness.last(), (Some(200), true, false, true, None), "{fault}");
    }
    // Pages that the fault would not change are not affected.
    for (fault, page) in [(Fault::NextOnLastPage, 1), (Fault::PageIgnored, 1)] {
        harness.sandbox.set_faults(with([Rule::always(fault)]));
        assert_eq!(ids(&harness.find("name", "Ann", page).await), all[..10]);
        assert_eq!(harness.last(), (Some(200), true, false, true, None), "{fault}");
    }
}

#[tokio::test]
async fn endless_hits_are_large_and_all_have_the_value() {
    let harness = unlimited().await;
    let rules = vec![Rule::always(Fault::EndlessHits)];
    harness.sandbox.set_faults(Faults { rules, hit_bytes: 5_000, ..Faults::default() });
    let mut seen = std::collections::BTreeSet::new();
    for page in [1, 2, 1_000] {
        let answer = harness.find("phone", "+525512345678", page).await;
        assert_eq!(answer.body["meta"]["total"], 10_000);
        assert_eq!(answer.body["links"]["next"].is_null(), page == 1_000);
        for contact in answer.body["data"].as_array().unwrap() {
            assert_eq!(contact["custom_fields"]["phone"], "+525512345678");
            assert_eq!(contact["custom_fields"]["notes"].as_str().unwrap().len(), 5_000);
        }
        seen.extend(ids(&answer).into_iter().map(str::to_owned));
        assert_eq!(harness.last(), (Some(200), true, false, true, Some(Fault::EndlessHits)));
    }
    assert_eq!(seen.len(), 30);
    assert_eq!(ids(&harness.find("phone", "1", 1_001).await), [""; 0]);
}

#[tokio::test]
async fn a_value_is_shown_in_another_form_and_found_by_both() {
    let cases = [
        (StoredForm::MexicanMobile, "+525512345678", json!("+5215512345678")),
        (StoredForm::MexicanMobile, "+5215512345678", json!("+525512345678")),
        (StoredForm::WithPlus, "34600000000", json!("+34600000000")),
        (StoredForm::WithoutPlus, "+34600000000", json!("34600000000")),
        (StoredForm::Nfd, "José", json!("Jose\u{301}")),
        (StoredForm::Nfc, "Jose\u{301}", json!("José")),
        (StoredForm::Cut, "maria.fernandez.garcia@example.com", json!("maria.fernandez.garc")),
        (StoredForm::Number, "12345", json!(12_345)),
        (StoredForm::Number, "007", json!(7)),
        (StoredForm::Decimal, "12345", json!("12345.0")),
        (StoredForm::Boolean, "TRUE", json!(true)),
    ];
    for (form, sent, shown) in cases {
        let harness = unlimited().await;
        let stored_forms = vec![("key".to_owned(), form)];
        harness.sandbox.set_faults(Faults { stored_forms, ..Faults::default() });
        let created =
            harness.create(json!([{ "name": "key", "value": sent }, { "name": "other", "value": sent }])).await;
        let id = created.body["data"]["id"].as_str().unwrap();
        let read = harness.get(&format!("/contact/{id}")).await;
        assert_eq!(read.body["data"]["custom_fields"], json!({ "key": shown, "other": sent }), "{form:?}");
        let text = shown.as_str().map_or_else(|| shown.to_string(), str::to_owned);
        for asked in [sent, &text] {
            let found = harness.find("key", asked, 1).await;
            assert_eq!(ids(&found), [id], "{form:?} {asked}");
            assert_eq!(found.body["data"][0]["custom_fields"]["key"], shown, "{form:?} {asked}");
        }
        // A contact that was stored without the API has the platform's form too, and is found once.
        harness.insert("key", sent);
        assert_eq!(ids(&harness.find("key", sent, 1).await).len(), 2, "{form:?}");
        // An earlier value is no longer found in either form.
        let update = json!({ "custom_fields": one("key", "something else") });
        assert_eq!(harness.call(Method::PUT, &format!("/contact/{id}"), update).await.status, 200);
        assert_eq!(ids(&harness.find("key", sent, 1).await).len(), 1, "{form:?}");
        assert_eq!(harness.last(), (Some(200), true, false, true, None));
    }
}

#[tokio::test]
async fn a_unique_value_is_compared_in_the_platforms_form() {
    let stored_forms = vec![("phone".to_owned(), StoredForm::MexicanMobile)];
    let faults = Faults { stored_forms, ..Faults::default() };
    let harness =
        with_config(Config { rate: 0, unique_fields: vec!["phone".into()], faults, ..Config::default() }).await;
    assert_eq!(harness.create(one("phone", "+525512345678")).await.status, 200);
    assert_eq!(harness.create(one("phone", "+525512345678")).await.status, 409);
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1);
}

#[tokio::test]
async fn a_create_is_answered_with_the_id_of_the_previous_create() {
    let harness = unlimited().await;
    harness.insert("name", "Zoe");
    harness.sandbox.set_faults(with([Rule::always(Fault::PreviousId)]));
    let mut answered = Vec::new();
    for name in ["Ann", "Bob", "Eve"] {
        let answer = harness.create(one("name", name)).await;
        answered.push(answer.body["data"]["id"].as_str().unwrap().to_owned());
    }
    let stored: Vec<_> = harness.sandbox.contacts(TOKEN).iter().skip(1).map(|contact| contact.id.to_string()).collect();
    assert_eq!(stored.len(), 3);
    // There is no create before the first.
    assert_eq!(answered, [&stored[0], &stored[0], &stored[1]].map(String::clone));
    let calls = harness.sandbox.ledger().calls();
    let entered: Vec<_> = calls.iter().map(|call| (call.contact.as_ref().unwrap().to_string(), call.fault)).collect();
    let off = Some(Fault::PreviousId);
    assert_eq!(entered, [(stored[0].clone(), None), (stored[1].clone(), off), (stored[2].clone(), off)]);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 3);
}

#[tokio::test]
async fn a_create_overwrites_the_contact_with_its_email() {
    let harness = unlimited().await;
    let ann = harness.insert("email", "family@example.com");
    harness.sandbox.set_faults(with([Rule::always(Fault::UpsertByEmail)]));
    let fields =
        |name: &str, email: &str| json!([{ "name": "name", "value": name }, { "name": "email", "value": email }]);
    let answer = harness.create(fields("Bob", "family@example.com")).await;
    assert_eq!(answer, Answer { status: 200, body: json!({ "data": { "id": ann } }) });
    assert_eq!(harness.last(), (Some(200), true, true, true, Some(Fault::UpsertByEmail)));
    let stored = harness.sandbox.contacts(TOKEN);
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].fields["name"].text(), "Bob");
    assert_eq!(ids(&harness.find("name", "Bob", 1).await), [ann.as_str()]);
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 0);
    // A row with another e-mail address, or none, is a new contact.
    for fields in [fields("Eve", "eve@example.com"), one("name", "Zoe")] {
        assert_ne!(harness.create(fields).await.body["data"]["id"], json!(ann));
        assert_eq!(harness.last(), (Some(200), true, true, true, None));
    }
    assert_eq!(harness.sandbox.ledger().creates(TOKEN), 2);
}

#[tokio::test]
async fn account_errors_start_at_a_given_call_and_never_end() {
    let faults = [
        Fault::TokenExpired,
        Fault::RateLimitExceeded,
        Fault::QuotaExceeded,
        Fault::SubscriptionExpired,
        Fault::NotFoundPage,
    ];
    for fault in faults {
        let harness = unlimited().await;
        harness.sandbox.set_faults(with([Rule::always(fault).from_call(3)]));
        for _ in 0..3 {
            harness.find("name", "Ann", 1).await;
            harness.create(one("name", "Ann")).await;
        }
        let calls = harness.sandbox.ledger().calls();
        let is_faulty: Vec<_> = calls.iter().map(|call| call.fault.is_some()).collect();
        assert_eq!(is_faulty, [false, false, true, true, true, true], "{fault}");
        assert_eq!(harness.sandbox.contacts(TOKEN).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn one_kind_of_call_or_one_row_always_gets_a_500() {
    let harness = unlimited().await;
    let ann = format!("/contact/{}", harness.insert("name", "Ann"));
    let bob = format!("/contact/{}", harness.insert("name", "Bob"));
    let check = async |rule: Rule, expected: [u16; 6]| {
        harness.sandbox.set_faults(with([rule.clone()]));
        let mut statuses = Vec::new();
        for (_, request) in six_calls(&harness, &ann) {
            statuses.push(taken(request).await.status);
        }
        assert_eq!(statuses, expected, "{rule:?}");
        harness.sandbox.set_faults(Faults::default());
        let back = json!({ "custom_fields": one("name", "Ann") });
        assert_eq!(harness.call(Method::PUT, &ann, back).await.status, 200);
        let tags = json!({ "tags": ["a"] });
        assert_eq!(harness.call(Method::POST, &format!("{ann}/tags"), tags).await.status, 200);
    };
    let tags = json!({ "tags": ["a"] });
    harness.call(Method::POST, &format!("{ann}/tags"), tags).await;
    check(Rule::always(Fault::Error).on(CallKind::Create), [200, 200, 500, 200, 200, 200]).await;
    check(Rule::always(Fault::Error).on(CallKind::Find), [500, 200, 200, 200, 200, 200]).await;
    check(Rule::always(Fault::Error).with_value("Eve"), [200, 200, 500, 500, 200, 200]).await;
    check(Rule::always(Fault::Error).with_value("Ann"), [500, 500, 200, 500, 500, 500]).await;

    harness.sandbox.set_faults(with([Rule::always(Fault::Error).with_value("Ann")]));
    assert_eq!(harness.get(&bob).await.status, 200);
    let by_fault = harness.sandbox.ledger().by_fault(TOKEN);
    let counts = CallKind::ALL.map(|kind| by_fault[&(Fault::Error, kind)]);
    assert_eq!(counts, [2, 1, 2, 2, 1, 1]);
}

#[tokio::test]
async fn the_proxy_refuses_requests_above_a_size() {
    let harness = unlimited().await;
    let (small, large) = ("x".repeat(100), "x".repeat(3_000));
    let check = async |rule: &str, expected: [u16; 4]| {
        harness.sandbox.set_faults(with([rule.parse().unwrap()]));
        let statuses = [
            harness.find("name", &small, 1).await.status,
            harness.find("name", &large, 1).await.status,
            harness.create(one("name", &small)).await.status,
            harness.create(one("name", &large)).await.status,
        ];
        assert_eq!(statuses, expected, "{rule}");
    };
    check("body-too-large,over=2000", [200, 200, 200, 413]).await;
    check("url-too-long,over=2000", [200, 414, 200, 200]).await;
    check("head-too-large,over=2000", [200, 431, 200, 200]).await;
    assert_eq!(harness.sandbox.contacts(TOKEN).len(), 5);
    assert_eq!(harness.sandbox.ledger().calls().iter().filter(|call| call.fault.is_some()).count(), 3);
}

#[tokio::test]
async fn retry_after_has_every_form() {
    let harness = with_config(Config::default()).await;
    let check = async |fault: Fault, seconds: u64, status: u16, expected: &dyn Fn(&str) -> bool| {
        let rules = vec![Rule::always(fault)];
        harness.sandbox.set_faults(Faults { rules, throttle_seconds: seconds, ..Faults::default() });
        let response = harness.request(Method::GET, "/contact/1").send().await.unwrap();
        assert_eq!(response.status(), status, "{fault}");
        let retry_after = header(&response, "retry-after").unwrap();
        assert!(expected(&retry_after), "{fault}: {retry_after}");
        assert_eq!(harness.last(), (Some(status), false, false, true, Some(fault)));
    };
    check(Fault::Throttle, 7_200, 429, &|text| text == "7200").await;
    check(Fault::ThrottleHours, 1, 429, &|text| text == "7200").await;
    check(Fault::ThrottleFraction, 1, 429, &|text| text == "1.5").await;
    check(Fault::Unavailable, 90, 503, &|text| text == "90").await;
    check(Fault::ThrottleDate, 300, 429, &|text| {
        let until = httpdate::parse_http_date(text).unwrap();
        let wait = until.duration_since(SystemTime::now()).unwrap();
        wait <= Duration::from_secs(301) && wait > Duration::from_mins(4)
    })
    .await;
}

#[tokio::test]
async fn a_share_of_the_calls_gets_a_fault_as_the_seed_decides() {
    let faulty = async |seed: u64| {
        let harness = unlimited().await;
        let rules = vec![Rule::always(Fault::UnknownError).share(0.5).on(CallKind::Find)];
        harness.sandbox.set_faults(Faults { seed, rules, ..Faults::default() });
        for _ in 0..40 {
            harness.find("name", "Ann", 1).await;
        }
        harness.sandbox.ledger().calls().iter().map(|call| call.fault.is_some()).collect::<Vec<_>>()
    };
    let first = faulty(1).await;
    assert!((10..30).contains(&first.iter().filter(|faulty| **faulty).count()), "{first:?}");
    assert_eq!(first, faulty(1).await);
    assert_ne!(first, faulty(2).await);
}

#[tokio::test]
async fn every_fault_has_the_same_name_in_the_ledger_and_in_requests() {
    let harness = unlimited().await;
    for &fault in Fault::ALL {
        let page = if fault == Fault::PageIgnored { 2 } else { 1 };
        harness.sandbox.set_faults(with([fault.name().parse().unwrap()]));
        let request = harness.request(Method::GET, &super::found_at("email", "ann@example.com", page));
        let _ = request.send().await;
        let create = harness.request(Method::POST, "/contact/");
        let _ = create.json(&json!({ "custom_fields": one("email", "ann@example.com") })).send().await;
        let calls = harness.sandbox.ledger().calls();
        let faulty: Vec<_> = calls[calls.len() - 2..].iter().filter_map(|call| call.fault).collect();
        assert!(faulty.contains(&fault) && faulty.iter().all(|other| *other == fault), "{fault}: {faulty:?}");
        let json = serde_json::to_value(calls.iter().rev().find(|call| call.fault.is_some()).unwrap()).unwrap();
        assert_eq!(json["fault"], fault.name());
    }
}
