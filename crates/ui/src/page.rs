//! Pages and error pages as responses. Sets the headers that keep recorded content from running, on
//! every response.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response as HttpResponse, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::path::Path;
use understudy_snapshot::SnapshotError;

/// Pages run and load only files of this server, send forms only to it, and can't be framed.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The frame around each page.
#[derive(Default)]
pub(crate) struct Frame {
    /// The title of the window.
    pub(crate) title: String,
    /// The pages above it: texts with their addresses.
    pub(crate) crumbs: Vec<(String, String)>,
    /// The snapshot's tabs, if it belongs to one.
    pub(crate) tabs: Option<Tabs>,
    /// True if the page is incomplete and reloads itself.
    pub(crate) refresh: bool,
}

/// The pages of one snapshot.
pub(crate) struct Tabs {
    /// The address of the first tab.
    pub(crate) base: String,
    /// The end of the address of the current tab.
    pub(crate) current: &'static str,
}

impl Tabs {
    /// All tabs: the address, the name, and whether it is current.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, &'static str, bool)> {
        let all = [
            ("", "Summary"),
            ("/traffic", "Traffic"),
            ("/rules", "Rules"),
            ("/lint", "Lint"),
            ("/reports", "Reports"),
        ];
        all.into_iter().map(|(end, text)| (format!("{}{end}", self.base), text, end == self.current))
    }
}

/// An error, shown as a page.
#[derive(Debug)]
pub(crate) struct PageError {
    status: StatusCode,
    title: String,
    text: String,
    /// Lines of a file, with a mark at the faulty line.
    excerpt: Vec<(u64, String, bool)>,
}

impl PageError {
    fn new(status: StatusCode, title: &str, text: impl Into<String>) -> Self {
        Self { status, title: title.to_owned(), text: text.into(), excerpt: Vec::new() }
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not found", text)
    }

    pub(crate) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Refused", text)
    }

    /// The snapshot was changed meanwhile.
    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Changed meanwhile", text)
    }

    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "It didn't work", text)
    }

    /// A report that can't be read.
    pub(crate) fn report(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The report can’t be read", text)
    }

    /// The fields of a form aren't valid.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Nothing was saved", text)
    }

    /// A snapshot that can't be read. Shows the faulty line, if there is one.
    pub(crate) fn snapshot(name: &str, path: &Path, error: SnapshotError) -> Self {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let status = match &error {
            SnapshotError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            SnapshotError::NotFound { .. } | SnapshotError::MissingFile { .. } => StatusCode::NOT_FOUND,
            SnapshotError::Changed { .. } => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let excerpt = match &error {
            SnapshotError::Yaml { line, .. } | SnapshotError::Version { line, .. } => {
                let text = std::fs::read(path.join(understudy_snapshot::HEADER_FILE)).unwrap_or_default();
                excerpt(&String::from_utf8_lossy(&text), *line)
            }
            _ => Vec::new(),
        };
        let title = match &error {
            SnapshotError::Changed { .. } | SnapshotError::Edit { .. } => "Nothing was saved".into(),
            _ => format!("{} can't be read", crate::show::visible(name)),
        };
        Self { status, title, text: format!("{error}{source}"), excerpt }
    }
}

/// The lines around a faulty line, which is marked.
fn excerpt(text: &str, line: u64) -> Vec<(u64, String, bool)> {
    let near = |number: u64| line > 0 && number.abs_diff(line) <= 3;
    let lines = (1u64..).zip(text.lines()).filter(|(number, _)| near(*number));
    lines.map(|(number, text)| (number, crate::show::visible(text), number == line)).collect()
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    text: String,
    excerpt: Vec<(u64, String, bool)>,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let frame = Frame { title: self.title, ..Frame::default() };
        render(self.status, &ErrorPage { frame, text: self.text, excerpt: self.excerpt })
    }
}

/// Renders a template as a response.
pub(crate) fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            (status, [(header::CONTENT_TYPE, html)], text).into_response()
        }
        Err(error) => {
            log::error!("a page can't be rendered: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page can't be rendered\n").into_response()
        }
    }
}

/// A file to download. The browser never shows it, whatever its content.
pub(crate) fn attachment(name: &str, bytes: Vec<u8>) -> Response {
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    // A name that begins like this would be hidden, or an option of a command.
    let safe: String = safe.trim_start_matches(['.', '-']).chars().take(80).collect();
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{safe}\""));
    let mut response = HttpResponse::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers
        .insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    response
}

/// Redirects to an address, with GET.
pub(crate) fn see_other(address: &str) -> Response {
    let Ok(address) = HeaderValue::try_from(address) else {
        return PageError::failed("There is no such address.").into_response();
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// Sets the headers of every response.
pub(crate) fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // Not `no-referrer`: browsers would then send `Origin: null` with our forms too (Fetch
    // standard, "append a request Origin header").
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    response
}
