//! A raw answer, and the calls that it may answer.

use std::time::SystemTime;

use contactsync::Field;
use contactsync::contact::ContactId;
use contactsync::engine::{Answer, Call, dialect};
use contactsync::report::CallKind;

/// The token that a mutated answer may repeat.
pub const TOKEN: &str = "tok-3cr3t-0123456789abcdef0123456789abcdef";

/// A raw answer.
#[derive(Clone, Debug)]
pub struct Raw {
    /// The HTTP status.
    pub status: u16,
    /// Lower-case names, and values.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
}

impl Raw {
    /// Parses the status line, the headers, an empty line and the body. Recorded headers end in CRLF. `None` without a status.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let ends = [&b"\r\n\r\n"[..], b"\n\n"].map(|empty| {
            let at = bytes.windows(empty.len()).position(|window| window == empty)?;
            Some((at, at + empty.len()))
        });
        let (end, body) = ends.into_iter().flatten().min().unwrap_or((bytes.len(), bytes.len()));
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers = lines.filter_map(header).collect();
        Some(Self { status, headers, body: bytes[body..].to_vec() })
    }

    /// The answer as the parser reads it for this call.
    pub fn answer(&self, call: &Call) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (status, body, received) = (self.status, self.body.as_slice(), SystemTime::UNIX_EPOCH);
        dialect::answer(call, &dialect::Response { status, headers: &headers, body, received })
    }
}

/// A call of this kind. A find requests this page.
pub fn call(kind: CallKind, page: u32) -> Call {
    let id = ContactId::new("1776025372480910").expect("not blank");
    let fields = ["phone", "lastName", "token"].map(|name| Field::text(name, "x")).to_vec();
    let tags = vec!["vip".to_owned(), "Blog Updates".to_owned()];
    match kind {
        CallKind::Find => Call::Find { field: Field::text("phone", "x"), page },
        CallKind::Read => Call::Read { id },
        CallKind::Create => Call::Create { fields },
        CallKind::Update => Call::Update { id, fields },
        CallKind::AddTags => Call::AddTags { id, tags },
        CallKind::RemoveTags => Call::RemoveTags { id, tags },
    }
}
