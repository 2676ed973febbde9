//! The texts of the demo.

use std::num::NonZeroU32;

use contactsync::Stop;
use contactsync::sandbox::Sandbox;

use crate::exit::Exit;
use crate::render::console::{Console, Level};

/// Number of contacts that are shown.
const CONTACTS_SHOWN: usize = 2;

/// The URL of the sandbox, its rate limit, and the part of its answers that is lost.
pub fn sandbox_text(url: &str, rate: NonZeroU32, lost_answers: f64) -> String {
    let lost = lost_answers * 100.0;
    format!("Sandbox platform at {url}: {rate} calls a minute, {lost:.0} % of its answers are lost.")
}

/// The contacts that a token has in the sandbox, and some of them.
pub fn platform_text(sandbox: &Sandbox, token: &str) -> Vec<String> {
    let contacts = sandbox.contacts(token);
    let lost = sandbox.ledger().calls().iter().filter(|call| !call.delivered).count();
    let creates = sandbox.ledger().creates(token);
    let mut lines = vec![
        String::new(),
        format!(
            "The platform has {} contacts from {creates} creates; {lost} of its answers were lost. Two of them:",
            contacts.len()
        ),
    ];
    lines.extend(contacts.iter().take(CONTACTS_SHOWN).map(|contact| {
        let fields: Vec<String> =
            contact.fields.iter().map(|(name, value)| format!("{name}: {}", value.text())).collect();
        let tags: Vec<&str> = contact.tags.iter().map(String::as_str).collect();
        format!("  {}  {}  [{}]", contact.id, fields.join(", "), tags.join(", "))
    }));
    lines
}

/// Prints why the demo was stopped. Nothing of it is stored, so there is nothing to resume.
pub fn stopped(stop: &Stop, console: &Console) -> Exit {
    let reason = stop.reason().map_or_else(|| "stopped".into(), |reason| reason.text());
    console.say(Level::Exit, &format!("the demo was {reason}"));
    Exit::Stopped
}
