//! Saved states: a sandbox that continues with one answers as the first one did.

use contactsync::sandbox::{Config, Faults, Sandbox, SavedState};
use serde_json::json;

use super::{Harness, one, with_config};

#[tokio::test]
async fn a_restored_sandbox_finds_refuses_and_numbers_contacts_as_before() {
    let config = || {
        let stored_forms = vec![("phone".to_owned(), "with-plus".parse().expect("a form"))];
        let faults = Faults { stored_forms, ..Faults::default() };
        Config { rate: 0, unique_fields: vec!["email".into()], faults, ..Config::default() }
    };
    let check = async |harness: &Harness| {
        // By the value that was sent, and by the one that is shown.
        for phone in ["34600000001", "+34600000001"] {
            let found = harness.find("phone", phone, 1).await;
            assert_eq!(found.body["meta"]["total"], 1, "{phone}: {found:?}");
            assert_eq!(found.body["data"][0]["tags"], json!(["vip", "new"]));
            assert_eq!(found.body["data"][0]["custom_fields"]["phone"], "+34600000001");
        }
        // A value that belongs to another contact is refused.
        assert_ne!(harness.create(one("email", "a@example.com")).await.status, 200);
    };
    let first = with_config(config()).await;
    let ann = json!([{ "name": "email", "value": "a@example.com" }, { "name": "phone", "value": "34600000001" }]);
    let id = first.create(ann).await.body["data"]["id"].as_str().expect("an id").to_owned();
    let tags = json!({ "tags": ["vip", "new"] });
    assert_eq!(first.call(reqwest::Method::POST, &format!("/contact/{id}/tags"), tags).await.status, 200);
    check(&first).await;
    let Harness { sandbox, client } = first;
    let text = sandbox.stop_and_save().await.to_string();

    let state = SavedState::parse(text.as_bytes()).expect("what was saved");
    assert_eq!(state.contacts(), 1);
    let sandbox = Sandbox::start_with(config(), state).await.expect("a free port");
    let second = Harness { sandbox, client };
    let begun = second.sandbox.changes();
    check(&second).await;
    assert_eq!(second.sandbox.changes(), begun);
    assert_eq!(second.sandbox.saved_state().to_string(), text);
    let new = second.create(one("email", "b@example.com")).await;
    assert_ne!(new.body["data"]["id"].as_str(), Some(&*id));
    assert!(second.sandbox.changes() > begun);
}
