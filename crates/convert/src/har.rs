//! HTTP Archives (HAR 1.1 and 1.2): read whole, taken apart one entry at a time. Cookies are read from the headers, not from their list.
//!
//! A HAR has response bodies as a browser shows them: without their content coding. The headers that say otherwise are dropped.

use crate::error::ConvertError;
use crate::format::Format;
use crate::import::Import;
use crate::source::{Source, Text};
use crate::{files, message, text};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::Path;
use understudy_core::exchange::{Body, End, Exchange, Request, Response};
use understudy_core::headers::Headers;

const KNOWN: [&str; 3] = ["", "1.1", "1.2"];

#[derive(Deserialize)]
struct Archive<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(default)]
    version: String,
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    started_date_time: String,
    time: Option<f64>,
    #[serde(borrow)]
    request: RequestIn<'a>,
    #[serde(borrow)]
    response: Option<ResponseIn<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestIn<'a> {
    method: String,
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(default)]
    http_version: String,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow)]
    post_data: Option<PostData<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData<'a> {
    #[serde(default)]
    mime_type: String,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    params: Option<Vec<Param>>,
    encoding: Option<String>,
    #[serde(rename = "_encoding")]
    own_encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    #[serde(default)]
    value: String,
    file_name: Option<String>,
}

#[derive(Deserialize)]
struct ResponseIn<'a> {
    status: f64,
    #[serde(borrow, default)]
    headers: Vec<Pair<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(rename = "_error")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    size: Option<f64>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Pair<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
}

/// Reads an archive.
pub(super) fn import(path: &Path, import: &mut Import<'_>) -> Result<(), ConvertError> {
    for file in files::below(path, &[".har"])? {
        let content = files::text(&file)?;
        let source = Source { path: &file, text: &content };
        let archive: Archive<'_> = source.read(&content, "a HAR")?;
        if !KNOWN.contains(&archive.log.version.as_str()) {
            let version = archive.log.version;
            return Err(ConvertError::Version {
                path: file,
                format: Format::Har,
                version,
                known: "1.1, 1.2",
            });
        }
        for (number, part) in (1..).zip(archive.log.entries) {
            let part = part.get();
            let entry: Entry<'_> = source.read(part, "an entry of a HAR")?;
            let Text(url) = &entry.request.url;
            let item = format!("entry {number} ({} {url:.120})", entry.request.method);
            let (exchange, changed) = match read(entry).map_err(|problem| source.error(part, problem))? {
                Ok(read) => read,
                Err(why) => {
                    import.notes.left_out(item, why);
                    continue;
                }
            };
            changed.into_iter().for_each(|reason| import.notes.changed(item.as_str(), reason));
            import.put_answerable(&item, exchange)?;
        }
    }
    Ok(())
}

type Read = Result<(Exchange, Vec<&'static str>), String>;

/// The exchange of an entry. `Err`: it can't be read. `Ok(Err)`: it can, and is no exchange.
fn read(entry: Entry<'_>) -> Result<Read, String> {
    let time = text::from_time(&entry.started_date_time).ok_or_else(|| {
        format!("`startedDateTime`: {:.64?} is no time (ISO 8601)", entry.started_date_time)
    })?;
    let Text(url) = &entry.request.url;
    let (backend, path) = match text::split_url(url) {
        Ok(url) => url,
        Err(why) => return Ok(Err(why)),
    };
    let mut changed = Vec::new();
    let response = match entry
        .response
        .ok_or_else(|| "there is no answer".to_owned())
        .map(|r| answer(&entry.request, r))
    {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(why))) | Err(why) => return Ok(Err(why)),
        Ok(Err(problem)) => return Err(problem),
    };
    let request = match asked(entry.request, path, &mut changed)? {
        Ok(request) => request,
        Err(why) => return Ok(Err(why)),
    };
    changed.extend(response.changed);
    let exchange = Exchange {
        time,
        duration: text::from_ms(entry.time.unwrap_or_default()),
        backend,
        protocol: request.1.to_owned(),
        request: request.0,
        response: Some(response.response),
        end: End::Complete,
        ..Exchange::default()
    };
    Ok(Ok((exchange, changed)))
}

type Left<T> = Result<T, String>;

fn asked(
    request: RequestIn<'_>,
    path: String,
    changed: &mut Vec<&'static str>,
) -> Result<Left<(Request, &'static str)>, String> {
    let mut pairs: Vec<_> = request.headers.iter().map(|pair| (&*pair.name.0, &*pair.value.0)).collect();
    let mut body = Vec::new();
    let mime_type;
    if let Some(post) = request.post_data {
        body = match posted(&post)? {
            Ok(body) => body,
            Err(why) => return Ok(Err(why)),
        };
        if post.text.is_some_and(|Text(text)| text.contains('\u{fffd}')) {
            changed.push("its request body isn't whole there: what wasn't text is replaced");
        }
        mime_type = post.mime_type;
        let has_type = pairs.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !has_type && !body.is_empty() && !mime_type.is_empty() {
            pairs.push(("content-type", &mime_type));
        }
    }
    let tidied = message::tidy(pairs, &body);
    changed.extend(tidied.changed);
    let request_out = Request {
        method: request.method.into_bytes(),
        path: path.into_bytes(),
        headers: tidied.headers,
        body: Body { bytes: body, truncated: None },
        trailers: Headers::new(),
    };
    Ok(Ok((request_out, text::protocol(&request.http_version))))
}

fn posted(post: &PostData<'_>) -> Result<Left<Vec<u8>>, String> {
    let encoding = post.encoding.as_deref().or(post.own_encoding.as_deref());
    if let Some(Text(text)) = &post.text {
        return bytes(text, encoding).map(Ok).map_err(|problem| format!("`postData.text`: {problem}"));
    }
    let params = post.params.as_deref().unwrap_or_default();
    let is_multipart =
        post.mime_type.starts_with("multipart/") || params.iter().any(|p| p.file_name.is_some());
    if !params.is_empty() && is_multipart {
        return Ok(Err("the body of its multipart request isn't in the file".to_owned()));
    }
    Ok(Ok(text::encode_pairs(params.iter().map(|p| (p.name.as_str(), p.value.as_str()))).into_bytes()))
}

struct Answer {
    response: Response,
    changed: Vec<&'static str>,
}

fn answer(request: &RequestIn<'_>, response: ResponseIn<'_>) -> Result<Left<Answer>, String> {
    if response.status < 1.0 {
        let error = response.error.map(|error| format!(" ({error})")).unwrap_or_default();
        return Ok(Err(format!("it was blocked or aborted: there is no answer{error}")));
    }
    if !(100.0..600.0).contains(&response.status) {
        return Ok(Err(format!("{} is no status of HTTP", response.status)));
    }
    let status = response.status as u16;
    let body = match response.content {
        Some(Content { text: Some(Text(text)), encoding, .. }) => {
            bytes(&text, encoding.as_deref()).map_err(|problem| format!("`content.text`: {problem}"))?
        }
        Some(Content { size: Some(size), .. })
            if size > 0.0 && request.method != "HEAD" && ![204, 304].contains(&status) =>
        {
            return Ok(Err(format!(
                "its body of {size} bytes isn't in the file; save the HAR with contents"
            )));
        }
        _ => Vec::new(),
    };
    // Of the connection, and of a body that was compressed.
    let own = |pair: &&Pair<'_>| !pair.name.0.eq_ignore_ascii_case("content-length");
    let tidied = message::tidy(response.headers.iter().filter(own).map(|p| (&*p.name.0, &*p.value.0)), &body);
    let response = Response {
        status,
        headers: tidied.headers,
        body: Body { bytes: body, truncated: None },
        trailers: Headers::new(),
    };
    Ok(Ok(Answer { response, changed: tidied.changed }))
}

fn bytes(text: &str, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding {
        Some("base64") => text::from_base64(text),
        None | Some("" | "utf-8" | "utf8") => Ok(text.as_bytes().to_vec()),
        Some(other) => Err(format!("the encoding {other:?} is unknown here (known: base64)")),
    }
}
