//! Any bytes as the answer to each of the calls: no rule of `tests/answers/oracle.rs` may break. A seed is a raw answer, as
//! those in `fixtures/answers` are.

#![no_main]

#[path = "../../tests/answers/oracle.rs"]
mod oracle;
#[path = "../../tests/answers/raw.rs"]
mod raw;

use contactsync::{CallKind, Token};
use libfuzzer_sys::fuzz_target;

use raw::{Raw, TOKEN, call};

fuzz_target!(|bytes: &[u8]| {
    let Some(raw) = Raw::parse(bytes) else { return };
    let token = Token::new(TOKEN).expect("a token");
    let calls = CallKind::ALL.map(|kind| call(kind, 1)).into_iter().chain([2, 3].map(|page| call(CallKind::Find, page)));
    for call in calls {
        let answer = raw.answer(&call);
        if let Err(broken) = oracle::check(&call, &raw, &answer, &token) {
            panic!("{broken}\n{call:?}\n{answer:#?}");
        }
    }
});
