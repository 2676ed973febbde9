//! Rows of GraphQL answers: a connection has its rows as the nodes of edges, `{"edges": [{"node": {…}, "cursor": "…"}]}`.

use super::json_scan::Scan;

/// The key of the edges of a connection.
pub(super) const EDGES: &str = "edges";

const NODE: &[u8] = b"\"node\"";

/// Keys of an edge that describe the answer.
const DESCRIBING: [&[u8]; 2] = [b"\"cursor\"", b"\"__typename\""];

/// The text of the row in an edge, which is valid JSON: its node, and what else belongs to the edge, such as a role. `None` when
/// the text is no object with a node.
pub(super) fn row(text: &[u8]) -> Option<Vec<u8>> {
    let members = members(text)?;
    let is_node = |(key, json): &&(&[u8], &[u8])| *key == NODE && json.starts_with(b"{");
    let (_, node) = members.iter().find(is_node)?;
    let mut row = node.to_vec();
    for (key, json) in members.iter().filter(|(key, _)| *key != NODE && !DESCRIBING.contains(key)) {
        row.pop();
        if !row.trim_ascii().ends_with(b"{") {
            row.push(b',');
        }
        row.extend_from_slice(key);
        row.push(b':');
        row.extend_from_slice(json);
        row.push(b'}');
    }
    Some(row)
}

// The keys of an object, with their quotes, and their values.
fn members(text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut rest = text.trim_ascii().strip_prefix(b"{")?.trim_ascii_start();
    let mut members = Vec::new();
    while !rest.starts_with(b"}") {
        let (key, after) = value(rest)?;
        let (json, after) = value(after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())?;
        members.push((key, json));
        let after = after.trim_ascii_start();
        rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
    }
    Some(members)
}

// The first value of a text, and the rest.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, is_closed) = Scan::default().pass(text);
    is_closed.then(|| text.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_node_of_its_edge() {
        let check = |text: &str, expected: Option<&str>| {
            let found = row(text.as_bytes());
            assert_eq!(found.as_deref().map(String::from_utf8_lossy).as_deref(), expected, "{text}");
        };
        check(r#"{"node":{"id":1.50}}"#, Some(r#"{"id":1.50}"#));
        check(r#" { "cursor" : "a}" , "node" : {"a":{"b":"}"}} } "#, Some(r#"{"a":{"b":"}"}}"#));
        check(r#"{"__typename":"Edge","node":{}}"#, Some("{}"));
        check(r#"{"role":"a,b","node":{"id":1 },"n":[{}],"m":1}"#, Some(r#"{"id":1 ,"role":"a,b","n":[{}],"m":1}"#));
        check(r#"{"node":{ },"role":1}"#, Some(r#"{ "role":1}"#));
        for text in
            [r#"{"node":null}"#, r#"{"node":[{}]}"#, r#"{"a":{"node":{}}}"#, "{}", "[]", "1", "", "{\"a\"", "{,}"]
        {
            check(text, None);
        }
    }
}
