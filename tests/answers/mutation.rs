//! Random mutations of the recorded answers. The number of a case is its seed, so a case always gives the same answer.

use contactsync::engine::Call;
use contactsync::report::CallKind;
use fastrand::Rng;
use serde_json::{Map, Value as Json, json};

use support::answers::raw::{Raw, TOKEN, call};

/// A call and a mutated answer to it.
pub struct Mutant {
    pub call: Call,
    pub raw: Raw,
}

pub struct Mutator<'a> {
    chance: Rng,
    corpus: &'a [Raw],
}

const STATUSES: [u16; 32] = [
    200, 200, 200, 200, 201, 204, 206, 299, 301, 302, 304, 400, 401, 402, 403, 403, 404, 404, 405, 408, 409, 410, 413,
    414, 418, 422, 429, 431, 449, 500, 503, 0,
];

/// Replacements of a number.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "10",
    "11",
    "14",
    "-1",
    "1.5",
    "1e30",
    "18446744073709551615",
    "18446744073709551616",
    "\"3\"",
    "null",
    "400",
];

/// Words with a meaning to the parser. Each may replace another.
const WORDS: [&str; 36] = [
    "error",
    "success",
    "fail",
    "ok",
    "true",
    "false",
    "null",
    "status",
    "message",
    "data",
    "meta",
    "links",
    "next",
    "total",
    "last_page",
    "current_page",
    "errors",
    "id",
    "[]",
    "{}",
    "\"\"",
    "Contact",
    "contact",
    "not found",
    "owner",
    "list",
    "Contact not found",
    "No such contact",
    "Contacto no encontrado",
    "API Token",
    "expired",
    "Rate limit exceeded",
    "page",
    "custom_fields.1.value",
    "tags.0",
    TOKEN,
];

/// Headers with a meaning to the parser.
const HEADERS: [&str; 7] =
    ["x-ratelimit-limit", "x-ratelimit-remaining", "retry-after", "date", "location", "content-type", "x-other"];

const VALUES: [&str; 16] = [
    "100",
    "2",
    "0",
    "-1",
    "1.5",
    "7200",
    "99999999999999999999",
    "soon",
    "",
    "5, 9",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "application/json",
    "text/html; charset=utf-8",
    "https://me:pw@example.com/a?b#c",
    "/a\u{e9}",
    TOKEN,
];

impl<'a> Mutator<'a> {
    pub fn of(case: u64, corpus: &'a [Raw]) -> Self {
        Self { chance: Rng::with_seed(case), corpus }
    }

    pub fn mutant(mut self) -> Mutant {
        let kind = CallKind::ALL[self.chance.usize(..CallKind::ALL.len())];
        let call = call(kind, self.chance.u32(1..=3));
        let mut raw = self.any().clone();
        for _ in 0..self.chance.usize(0..5) {
            self.mutate(&mut raw);
        }
        Mutant { call, raw }
    }

    fn any(&mut self) -> &'a Raw {
        &self.corpus[self.chance.usize(..self.corpus.len())]
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.chance.usize(..WORDS.len())]
    }

    fn mutate(&mut self, raw: &mut Raw) {
        match self.chance.u8(0..16) {
            0 => raw.status = STATUSES[self.chance.usize(..STATUSES.len())],
            1 => self.flip(&mut raw.body),
            2 => raw.body.truncate(self.chance.usize(..=raw.body.len())),
            3 => self.splice(&mut raw.body),
            4 => self.number(&mut raw.body),
            5 | 6 => self.keyword(&mut raw.body),
            7 => self.header(&mut raw.headers),
            8 => raw.body = self.any().body.clone(),
            9 => self.insert(&mut raw.body),
            _ => self.json(&mut raw.body),
        }
    }

    fn flip(&mut self, body: &mut [u8]) {
        for _ in 0..self.chance.usize(1..4) {
            if !body.is_empty() {
                let at = self.chance.usize(..body.len());
                body[at] ^= 1 << self.chance.u8(..8);
            }
        }
    }

    // The beginning of one body and the end of another.
    fn splice(&mut self, body: &mut Vec<u8>) {
        let other = &self.any().body;
        body.truncate(self.chance.usize(..=body.len()));
        body.extend_from_slice(&other[self.chance.usize(..=other.len())..]);
    }

    fn insert(&mut self, body: &mut Vec<u8>) {
        let (at, word) = (self.chance.usize(..=body.len()), self.word());
        let many = if self.chance.u8(..8) == 0 { 60 } else { 1 };
        body.splice(at..at, word.repeat(many).into_bytes());
    }

    fn number(&mut self, body: &mut Vec<u8>) {
        let starts: Vec<usize> = (0..body.len())
            .filter(|&at| body[at].is_ascii_digit() && (at == 0 || !body[at - 1].is_ascii_digit()))
            .collect();
        let Some(&start) = starts.get(self.chance.usize(..starts.len().max(1))) else { return };
        let length = body[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS[self.chance.usize(..NUMBERS.len())];
        body.splice(start..start + length, number.bytes());
    }

    fn keyword(&mut self, body: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(body).into_owned();
        let places: Vec<(usize, &str)> = WORDS.iter().flat_map(|word| text.match_indices(word)).collect();
        let Some(&(at, found)) = places.get(self.chance.usize(..places.len().max(1))) else { return };
        let mut changed = text.clone();
        changed.replace_range(at..at + found.len(), self.word());
        *body = changed.into_bytes();
    }

    fn header(&mut self, headers: &mut Vec<(String, String)>) {
        if self.chance.bool() && !headers.is_empty() {
            headers.remove(self.chance.usize(..headers.len()));
        }
        let name = HEADERS[self.chance.usize(..HEADERS.len())];
        headers.push((name.to_owned(), VALUES[self.chance.usize(..VALUES.len())].to_owned()));
    }

    // Changes one value anywhere in the JSON, or adds one with a meaning to the parser.
    fn json(&mut self, body: &mut Vec<u8>) {
        let Ok(mut json) = serde_json::from_slice::<Json>(body) else { return };
        let donor = serde_json::from_slice::<Json>(&self.any().body).unwrap_or_default();
        if self.chance.u8(..3) == 0 {
            self.add(&mut json, &donor);
        } else {
            let size = size(&json);
            let place = nth(&mut json, &mut self.chance.usize(..size)).expect("a place within");
            *place = self.value(&donor);
        }
        *body = json.to_string().into_bytes();
    }

    fn add(&mut self, json: &mut Json, donor: &Json) {
        let Json::Object(map) = json else { return };
        let names = ["status", "success", "error", "errors", "message", "data", "meta", "links", "total", "id", "code"];
        let name = names[self.chance.usize(..names.len())];
        let value = self.value(donor);
        match map.get_mut("meta") {
            Some(Json::Object(meta)) if self.chance.bool() => insert(meta, name, value),
            Some(_) | None => insert(map, name, value),
        }
    }

    fn value(&mut self, donor: &Json) -> Json {
        match self.chance.u8(..4) {
            0 => json!(self.word()),
            1 => serde_json::from_str(NUMBERS[self.chance.usize(..NUMBERS.len())]).unwrap_or_default(),
            2 => [json!([]), json!({}), json!(null), json!(true), json!(false), json!("")][self.chance.usize(..6)]
                .clone(),
            _ => {
                let mut donor = donor.clone();
                let size = size(&donor);
                nth(&mut donor, &mut self.chance.usize(..size)).map_or(Json::Null, Json::take)
            }
        }
    }
}

fn insert(map: &mut Map<String, Json>, name: &str, value: Json) {
    map.insert(name.to_owned(), value);
}

/// The number of values in a JSON value, including itself.
fn size(json: &Json) -> usize {
    1 + match json {
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(map) => map.values().map(size).sum(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
    }
}

/// The value with this number, counted from the outermost.
fn nth<'a>(json: &'a mut Json, place: &mut usize) -> Option<&'a mut Json> {
    if *place == 0 {
        return Some(json);
    }
    *place -= 1;
    match json {
        Json::Array(items) => items.iter_mut().find_map(|item| nth(item, place)),
        Json::Object(map) => map.values_mut().find_map(|item| nth(item, place)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}
