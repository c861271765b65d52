//! The files that pages load: styles, a script, an icon. They are part of the binary.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The type and the content of a file.
fn file(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "style.css" => ("text/css; charset=utf-8", include_str!("../assets/style.css")),
        "map.css" => ("text/css; charset=utf-8", understudy_analyse::service_map::CSS),
        "chart.css" => ("text/css; charset=utf-8", understudy_replay::report::view::CHART_CSS),
        "app.js" => ("text/javascript; charset=utf-8", include_str!("../assets/app.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../assets/icon.svg")),
        _ => return None,
    })
}

/// Serves a file.
pub(crate) fn serve(name: &str) -> Option<Response> {
    let (media_type, content) = file(name)?;
    // The time is short, because another version uses the same addresses.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60")),
    ];
    Some((headers, content).into_response())
}
