//! The cells of a row as the journal stores them: an array of texts, or one of keys and values.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::core::record::Cells;

/// Cells on their way into the journal, as `StoredCells<&str>`, and out of it, as `StoredCells<String>`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StoredCells<T, J> {
    Texts(Vec<T>),
    Object(Vec<(T, J)>),
}

impl<'a> StoredCells<&'a str, &'a Json> {
    pub(super) fn of(cells: &'a Cells) -> Self {
        match cells {
            Cells::Texts(texts) => Self::Texts(texts.iter().collect()),
            Cells::Object(object) => Self::Object(object.iter().map(|(key, json)| (&**key, json)).collect()),
        }
    }
}

impl StoredCells<String, Json> {
    pub(super) fn cells(self) -> Cells {
        match self {
            Self::Texts(texts) => Cells::Texts(texts.iter().map(String::as_str).collect()),
            Self::Object(object) => {
                Cells::Object(object.into_iter().map(|(key, json)| (Arc::from(key), json)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_cells_are_read_back_unchanged() {
        let check = |cells: Cells| {
            let text = serde_json::to_string(&StoredCells::of(&cells)).unwrap();
            assert_eq!(serde_json::from_str::<StoredCells<String, Json>>(&text).unwrap().cells(), cells, "{text}");
        };
        check(Cells::Texts(["", " a ", "\"\n"].into_iter().collect()));
        check(Cells::Texts([].into_iter().collect()));
        check(Cells::Object(Vec::new()));
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
        check(Cells::Object(vec![("b".into(), json("0.1")), ("a".into(), json(r#"{"x": [null, "y"]}"#))]));
    }
}
