//! Arbitrary bytes as the answer to each of the six calls: no rule of `tests/support/src/answers/oracle.rs` may break. The seeds
//! are raw answers, such as those in `fixtures/answers`.

#![no_main]

use contactsync::Token;
use contactsync::report::CallKind;
use libfuzzer_sys::fuzz_target;
use support::answers::oracle;
use support::answers::raw::{Raw, TOKEN, call};

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
