//! WireMock's stub mappings: those that match exactly. What matches by a pattern, and what answers by a template, a delay, a fault or a
//! proxy, is said and left out, or carried without it where that changes nothing about what matches.

use crate::error::ConvertError;
use crate::files::NamedError;
use crate::format::Format;
use crate::import::Import;
use crate::source::{Fields, Source};
use crate::states::State;
use crate::stubs::{self, Refusal, Stub, left_out};
use crate::{files, message, text};
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::header_family;
use understudy_core::headers::Headers;
use understudy_snapshot::SnapshotError;

/// What a mapping may say besides request and response, without any effect on them.
const ASIDE: [&str; 6] = ["id", "uuid", "name", "persistent", "metadata", "insertionIndex"];
/// Parts of a request that aren't compared here either.
const NOT_COMPARED: [&str; 2] = ["basicAuth", "cookies"];
/// One mapping on its way.
struct Mapping<'a> {
    source: Source<'a>,
    /// The mapping's own text.
    part: &'a str,
    bodies: &'a Path,
    backend: Option<&'a str>,
    changed: Vec<String>,
    /// The headers that the request matches on, in lower case.
    matched: BTreeSet<String>,
}

/// Reads a mapping, a file of them, or a folder with `mappings` and `__files`.
pub(super) fn import(path: &Path, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let folder = path.join("mappings");
    let from = if folder.is_dir() { &folder } else { path };
    let bodies = bodies(path);
    let mut found = Vec::new();
    for file in files::below(from, &[".json"])? {
        if !file.components().any(|part| part.as_os_str() == "__files") {
            read_file(&file, &bodies, &mut found, import)?;
        }
    }
    stubs::put(found, |_| Some("Started"), import)
}

/// Where the bodies are: beside the mappings.
fn bodies(path: &Path) -> PathBuf {
    let above = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut folder = if path.is_dir() { path } else { above(&path) };
    if !folder.join("__files").is_dir() && folder.file_name().is_some_and(|name| name == "mappings") {
        folder = above(&folder);
    }
    folder.join("__files")
}

fn read_file(
    path: &Path,
    bodies: &Path,
    found: &mut Vec<Stub>,
    import: &mut Import<'_>,
) -> Result<(), ConvertError> {
    let content = files::text(path)?;
    let source = Source { path, text: &content };
    let mut file: Fields<'_> = source.read(&content, "a file of mappings")?;
    let several: Option<Vec<&RawValue>> = file.read("mappings", &source)?;
    let parts =
        several.map_or_else(|| vec![content.as_str()], |parts| parts.iter().map(|p| p.get()).collect());
    for (number, part) in (1..).zip(parts) {
        let mut fields: Fields<'_> = source.read(part, "a mapping")?;
        let item = item(path, number, &mut fields, &source)?;
        let backend = import.options.backend.as_deref();
        let mut mapping =
            Mapping { source, part, bodies, backend, changed: Vec::new(), matched: BTreeSet::new() };
        let stub = mapping.stub(fields);
        stubs::add(item, stub, mapping.changed, found, import)?;
    }
    Ok(())
}

/// `FILE: mapping 2 (NAME)`.
fn item<'a>(
    path: &Path,
    number: u64,
    fields: &mut Fields<'a>,
    source: &Source<'a>,
) -> Result<String, ConvertError> {
    let name: Option<String> = fields.read("name", source)?;
    let id: Option<String> = fields.read("id", source)?;
    let name = name.or(id).map(|name| format!(" ({name:.80})")).unwrap_or_default();
    Ok(format!("{}: mapping {number}{name}", path.display()))
}

impl<'a> Mapping<'a> {
    fn stub(&mut self, mut fields: Fields<'a>) -> Result<Stub, Refusal> {
        let source = self.source;
        let priority = fields.read::<i64>("priority", &source)?.unwrap_or(5);
        let scenario: Option<String> = fields.read("scenarioName", &source)?;
        let required = fields.read("requiredScenarioState", &source)?;
        let next = fields.read("newScenarioState", &source)?;
        let Some(request) = fields.take("request") else { return left_out("it has no request") };
        let response = fields.take("response");
        let (backend, request) = self.request(source.read(request, "a request of a mapping")?)?;
        let response = self.response(response)?;
        for (key, _) in fields.rest().filter(|(key, _)| !ASIDE.contains(key)) {
            self.changed.push(format!("`{key}` isn't carried"));
        }
        let exchange = Exchange {
            backend,
            protocol: "HTTP/1.1".to_owned(),
            request,
            response: Some(response),
            ..Exchange::default()
        };
        let state = scenario.map(|scenario| State { scenario, required, next });
        let headers = std::mem::take(&mut self.matched);
        Ok(Stub { item: String::new(), exchange, priority, state, headers })
    }

    fn request(&mut self, mut fields: Fields<'a>) -> Result<(String, Request), Refusal> {
        let source = self.source;
        let method: String = fields.read("method", &source)?.unwrap_or_else(|| "ANY".to_owned());
        if method == "ANY" {
            return left_out("it matches any method");
        }
        let path = self.path(&mut fields)?;
        let backend = self.backend_of(&mut fields)?;
        let mut headers = self.headers(&mut fields)?;
        let body = self.body(&mut fields, &method, &mut headers)?;
        for (key, _) in fields.rest() {
            if NOT_COMPARED.iter().any(|name| key.starts_with(name)) {
                self.changed.push(format!("`request.{key}` isn't compared here"));
            } else {
                return left_out(format!("`request.{key}` is no exact match"));
            }
        }
        let headers = message::tidy(headers, &body).headers;
        let body = Body { bytes: body, truncated: None };
        let (method, path) = (method.into_bytes(), path.into_bytes());
        Ok((backend, Request { method, path, headers, body, trailers: Headers::new() }))
    }

    fn path(&mut self, fields: &mut Fields<'a>) -> Result<String, Refusal> {
        let source = self.source;
        let whole: Option<String> = fields.read("url", &source)?;
        let mut path: Option<String> = fields.read("urlPath", &source)?;
        path = path.or(fields.read("urlPathEqualTo", &source)?);
        let query = self.pairs(fields.take("queryParameters"), "queryParameters")?;
        let Some(mut out) = whole.clone().or(path) else {
            let pattern = ["urlPattern", "urlPathPattern", "urlPathTemplate"]
                .into_iter()
                .find(|k| fields.take(k).is_some());
            return left_out(pattern.map_or("it matches any path".to_owned(), |key| {
                format!("`request.{key}` is no exact match")
            }));
        };
        if !out.starts_with('/') {
            return left_out(format!("{out:.100?} is no path: it doesn't begin with /"));
        }
        if whole.is_none() && query.is_empty() {
            self.changed.push("it matches any query there, and none here".to_owned());
        }
        if !query.is_empty() {
            out.push(if out.contains('?') { '&' } else { '?' });
            out.push_str(&text::encode_pairs(
                query.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            ));
        }
        Ok(out)
    }

    /// The mapping's own scheme, host and port where it has them, else what was asked for.
    fn backend_of(&mut self, fields: &mut Fields<'a>) -> Result<String, Refusal> {
        let source = self.source;
        let scheme: Option<String> = fields.read("scheme", &source)?;
        let port: Option<u16> = fields.read("port", &source)?;
        if let Some(part) = fields.take("host") {
            let Some(host) = self.exact(part)? else { return left_out("`request.host` is no exact match") };
            let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            let name = text::backend_name(scheme.as_deref().unwrap_or("http"), &authority);
            return name.or_else(left_out);
        }
        let missing = || ConvertError::NoBackend {
            path: source.path.to_owned(),
            line: source.line(self.part),
            format: Format::Wiremock,
        };
        Ok(self.backend.ok_or_else(missing)?.to_owned())
    }

    fn headers(&mut self, fields: &mut Fields<'a>) -> Result<Vec<(String, String)>, Refusal> {
        let Some(part) = fields.take("headers") else { return Ok(Vec::new()) };
        let fields: Fields<'_> = self.source.read(part, "`headers` of a request")?;
        let mut headers = Vec::new();
        for (name, part) in fields.rest() {
            let lower = name.to_ascii_lowercase();
            self.matched.insert(lower.clone());
            if self.is_absent(part)? {
                continue;
            }
            if let Some(value) = self.exact(part)? {
                headers.push((lower, value));
            } else if lower == "content-type" && self.media_type(part)?.is_some() {
                headers.extend(self.media_type(part)?.map(|value| (lower, value)));
            } else if lower == "accept" || header_family::family(lower.as_bytes()).is_some() {
                self.matched.remove(&lower);
                self.changed.push(format!("its header {lower} isn't compared here"));
            } else {
                return left_out(format!("its header {lower} is no exact match"));
            }
        }
        Ok(headers)
    }

    /// `{"contains": "application/json"}` is how most people ask for a content type, whose parameters don't count here.
    fn media_type(&self, part: &'a str) -> Result<Option<String>, Refusal> {
        let mut matcher: Fields<'_> = self.source.read(part, "a matcher")?;
        let contains: Option<String> = matcher.read("contains", &self.source)?;
        let is_type =
            |text: &String| text.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        Ok(contains.filter(is_type).filter(|_| matcher.rest().next().is_none()))
    }

    /// Whether a matcher asks that there be nothing, which is what isn't said here.
    fn is_absent(&self, part: &'a str) -> Result<bool, Refusal> {
        let mut matcher: Fields<'_> = self.source.read(part, "a matcher")?;
        Ok(matcher.read("absent", &self.source)?.unwrap_or_default() && matcher.rest().next().is_none())
    }

    /// The value of a matcher that matches one value alone.
    fn exact(&self, part: &'a str) -> Result<Option<String>, Refusal> {
        let mut matcher: Fields<'_> = self.source.read(part, "a matcher")?;
        let value: Option<String> = matcher.read("equalTo", &self.source)?;
        let any_case: bool = matcher.read("caseInsensitive", &self.source)?.unwrap_or_default();
        Ok(value.filter(|_| !any_case && matcher.rest().next().is_none()))
    }

    /// Names with exact values: `equalTo`, or `hasExactly` of several.
    fn pairs(&mut self, part: Option<&'a str>, what: &str) -> Result<Vec<(String, String)>, Refusal> {
        let Some(part) = part else { return Ok(Vec::new()) };
        let fields: Fields<'_> = self.source.read(part, &format!("`{what}`"))?;
        let mut pairs = Vec::new();
        for (name, part) in fields.rest() {
            if self.is_absent(part)? {
                continue;
            }
            let mut matcher: Fields<'_> = self.source.read(part, "a matcher")?;
            let several: Vec<&'a RawValue> = match matcher.take("hasExactly") {
                Some(list) => self.source.read(list, "a list of matchers")?,
                None => Vec::new(),
            };
            let parts =
                if several.is_empty() { vec![part] } else { several.iter().map(|p| p.get()).collect() };
            for part in parts {
                let Some(value) = self.exact(part)? else {
                    return left_out(format!("`request.{what}.{name}` is no exact match"));
                };
                pairs.push((name.to_owned(), value));
            }
        }
        Ok(pairs)
    }

    fn body(
        &mut self,
        fields: &mut Fields<'a>,
        method: &str,
        headers: &mut Vec<(String, String)>,
    ) -> Result<Vec<u8>, Refusal> {
        let form = self.pairs(fields.take("formParameters"), "formParameters")?;
        let patterns: Vec<&'a RawValue> = fields.read("bodyPatterns", &self.source)?.unwrap_or_default();
        let (body, content_type) = match (patterns.as_slice(), form.is_empty()) {
            ([], true) => {
                if ["POST", "PUT", "PATCH"].contains(&method) {
                    self.changed.push("it matches any body there, and none here".to_owned());
                }
                (Vec::new(), None)
            }
            ([], false) => {
                let body =
                    text::encode_pairs(form.iter().map(|(name, value)| (name.as_str(), value.as_str())));
                (body.into_bytes(), Some("application/x-www-form-urlencoded"))
            }
            ([one], true) => self.body_pattern(one.get())?,
            _ => return left_out("its body is matched in several ways at once"),
        };
        let has_type = headers.iter().any(|(name, _)| name == "content-type");
        if let (false, Some(content_type)) = (has_type, content_type) {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        Ok(body)
    }

    fn body_pattern(&mut self, part: &'a str) -> Result<(Vec<u8>, Option<&'static str>), Refusal> {
        let source = self.source;
        if self.is_absent(part)? {
            return Ok((Vec::new(), None));
        }
        if let Some(text) = self.exact(part)? {
            return Ok((text.into_bytes(), None));
        }
        let mut pattern: Fields<'_> = source.read(part, "a body pattern")?;
        if let Some(code) = pattern.read::<String>("binaryEqualTo", &source)? {
            let bytes = text::from_base64(&code)
                .map_err(|problem| source.error(part, format!("`binaryEqualTo`: {problem}")))?;
            return Ok((bytes, None));
        }
        let Some(json) = pattern.take("equalToJson") else {
            let key = pattern.rest().next().map_or("it", |(key, _)| key).to_owned();
            return left_out(format!("its body is matched by `{key}`, which is no exact match"));
        };
        for key in ["ignoreArrayOrder", "ignoreExtraElements"] {
            if pattern.read::<bool>(key, &source)?.unwrap_or_default() {
                return left_out(format!("its JSON body is matched with `{key}`"));
            }
        }
        let text = if json.starts_with('"') { source.read(json, "text")? } else { json.to_owned() };
        if text.contains("${json-unit.") {
            return left_out("its JSON body has placeholders");
        }
        match text::compact(text.as_bytes()) {
            Some(body) => Ok((body, Some("application/json"))),
            None => Err(source.error(part, "`equalToJson` isn't JSON").into()),
        }
    }

    fn response(&mut self, part: Option<&'a str>) -> Result<Response, Refusal> {
        let source = self.source;
        let mut fields: Fields<'_> = source.read(part.unwrap_or("{}"), "a response of a mapping")?;
        for key in ["fault", "proxyBaseUrl"] {
            if fields.take(key).is_some() {
                return left_out(format!("its answer is a `{key}`"));
            }
        }
        let status: u16 = fields.read("status", &source)?.unwrap_or(200);
        let transformers: Vec<String> = fields.read("transformers", &source)?.unwrap_or_default();
        let pairs = fields.take("headers").map_or(Ok(Vec::new()), |part| self.answer_headers(part))?;
        let body = self.answer_body(&mut fields)?;
        let is_template =
            body.windows(2).any(|two| two == b"{{") || pairs.iter().any(|(_, value)| value.contains("{{"));
        if is_template && transformers.iter().any(|name| name == "response-template") {
            return left_out("its answer is a template");
        }
        if let Some(name) = transformers.iter().find(|name| *name != "response-template") {
            return left_out(format!("its answer is made by the transformer {name}"));
        }
        for (key, _) in
            fields.rest().filter(|(key, _)| !["statusMessage", "transformerParameters"].contains(key))
        {
            self.changed.push(match key {
                "fixedDelayMilliseconds" | "delayDistribution" | "chunkedDribbleDelay" => {
                    format!("its delay (`{key}`) isn't carried")
                }
                _ => format!("`response.{key}` isn't carried"),
            });
        }
        let tidied = message::tidy(pairs, &body);
        self.changed.extend(tidied.changed.into_iter().map(str::to_owned));
        let body = Body { bytes: body, truncated: None };
        Ok(Response { status, headers: tidied.headers, body, trailers: Headers::new() })
    }

    fn answer_headers(&self, part: &'a str) -> Result<Vec<(String, String)>, Refusal> {
        let fields: Fields<'_> = self.source.read(part, "`headers` of a response")?;
        let mut pairs = Vec::new();
        for (name, part) in fields.rest() {
            let parts: Vec<&'a RawValue> =
                if part.starts_with('[') { self.source.read(part, "a list of values")? } else { Vec::new() };
            let parts =
                if part.starts_with('[') { parts.iter().map(|p| p.get()).collect() } else { vec![part] };
            for part in parts {
                let value =
                    if part.starts_with('"') { self.source.read(part, "text")? } else { part.to_owned() };
                pairs.push((name.to_owned(), value));
            }
        }
        Ok(pairs)
    }

    fn answer_body(&mut self, fields: &mut Fields<'a>) -> Result<Vec<u8>, Refusal> {
        let source = self.source;
        if let Some(text) = fields.read::<String>("body", &source)? {
            return Ok(text.into_bytes());
        }
        if let Some(json) = fields.take("jsonBody") {
            return Ok(text::compact(json.as_bytes()).unwrap_or_else(|| json.as_bytes().to_vec()));
        }
        if let Some(code) = fields.read::<String>("base64Body", &source)? {
            let bad = |problem| source.error(self.part, format!("`base64Body`: {problem}"));
            return Ok(text::from_base64(&code).map_err(bad)?);
        }
        let Some(name) = fields.read::<String>("bodyFileName", &source)? else { return Ok(Vec::new()) };
        match files::named(self.bodies, &name) {
            Ok(Some(body)) => Ok(body),
            Ok(None) => left_out(format!("its body {name:?} isn't in {}", self.bodies.display())),
            Err(NamedError::Outside) => {
                let (path, line) = (source.path.to_owned(), source.line(self.part));
                Err(ConvertError::Outside { path, line, name }.into())
            }
            Err(NamedError::Io(error)) => {
                let path = self.bodies.join(name);
                Err(ConvertError::from(SnapshotError::io("read", &path)(error)).into())
            }
        }
    }
}
