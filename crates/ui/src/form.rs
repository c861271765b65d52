//! The fields of a query or a form, as a browser sends them. They are untrusted input.

/// Names and values in the order in which they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The first value of a name, trimmed; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.trim()).unwrap_or_default()
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Writes fields as a query, without those that have no value.
pub(crate) fn query<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.append_pair(name, value);
    }
    out.finish()
}

/// Writes text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_special_characters_are_read_and_written() {
        let form = Form::read(b"a=1&b=x+%26%20y&a=2&empty=");
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("empty"), form.get("none")),
            ("1", "x & y", "", "")
        );
        assert_eq!(form.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query([("q", "a&b c"), ("none", ""), ("p", "2")]), "q=a%26b+c&p=2");
        assert_eq!(segment("a/b \"<ü"), "a%2Fb%20%22%3C%C3%BC");
    }
}
