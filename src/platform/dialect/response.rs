//! A response as the transport received it.

use std::time::SystemTime;

/// A response of the platform, or of something in front of it.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The names of the headers, in any case, with their values. A name can occur several times.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body, decompressed.
    pub body: &'a [u8],
    /// The local time at which the head of the response was complete.
    pub received: SystemTime,
}

impl<'a> Response<'a> {
    /// The first value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.values(name).next().flatten()
    }

    /// All values of a header. `None` stands for one that is not text.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = Option<&'a str>> {
        let is_named = move |(header, _): &&(&str, &[u8])| header.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_named).map(|(_, value)| text(value))
    }
}

// HTTP allows other bytes too, but does not define what they mean.
fn text(value: &[u8]) -> Option<&str> {
    let is_visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    value.iter().all(is_visible).then(|| str::from_utf8(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_in_any_case_and_read_if_it_is_text() {
        let headers: [(&str, &[u8]); 4] =
            [("Retry-After", b"5"), ("retry-after", b"9"), ("DATE", b"\xff"), ("location", "/ñ".as_bytes())];
        let response = Response { status: 200, headers: &headers, body: b"", received: SystemTime::UNIX_EPOCH };
        assert_eq!(response.header("retry-after"), Some("5"));
        assert_eq!(response.values("RETRY-AFTER").collect::<Vec<_>>(), [Some("5"), Some("9")]);
        assert_eq!(response.values("date").collect::<Vec<_>>(), [None]);
        assert_eq!([response.header("date"), response.header("location"), response.header("etag")], [None; 3]);
    }
}
