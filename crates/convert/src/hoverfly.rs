//! Hoverfly simulations (schema 5): the pairs that match exactly. What matches by a pattern and what answers by a template is said and
//! left out; delays and actions are said and dropped.

use crate::error::ConvertError;
use crate::format::Format;
use crate::import::Import;
use crate::source::{Fields, Source};
use crate::states::State;
use crate::stubs::{self, Refusal, Stub, left_out};
use crate::{files, message, text};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use understudy_core::exchange::{Body, Exchange, Request, Response};
use understudy_core::headers::Headers;

/// What a matcher asks for.
enum Asked {
    /// Nothing: anything will do.
    Anything,
    /// This, and as what.
    Exact(Kind, String),
    /// These, one after the other.
    Several(Vec<String>),
}

#[derive(PartialEq)]
enum Kind {
    Text,
    Json,
    Form,
}

/// One pair on its way.
struct Pair<'a> {
    source: Source<'a>,
    part: &'a str,
    backend: Option<&'a str>,
    changed: Vec<String>,
    /// The headers that the request matches on, in lower case.
    matched: BTreeSet<String>,
}

/// Reads a simulation.
pub(super) fn import(path: &Path, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let mut found = Vec::new();
    for file in files::below(path, &[".json"])? {
        read_file(&file, &mut found, import)?;
    }
    stubs::put(found, |scenario| scenario.starts_with("sequence:").then_some("1"), import)
}

fn read_file(path: &Path, found: &mut Vec<Stub>, import: &mut Import<'_>) -> Result<(), ConvertError> {
    let content = files::text(path)?;
    let source = Source { path, text: &content };
    let mut file: Fields<'_> = source.read(&content, "a simulation")?;
    check_version(file.take("meta").unwrap_or("{}"), &source)?;
    let mut data: Fields<'_> =
        source.read(file.take("data").unwrap_or("{}"), "the `data` of a simulation")?;
    let pairs: Vec<&RawValue> = data.read("pairs", &source)?.unwrap_or_default();
    for (number, part) in (1..).zip(pairs) {
        let item = format!("{}: pair {number}", path.display());
        let part = part.get();
        let backend = import.options.backend.as_deref();
        let mut pair = Pair { source, part, backend, changed: Vec::new(), matched: BTreeSet::new() };
        let stub = pair.stub();
        stubs::add(item, stub, pair.changed, found, import)?;
    }
    let actions: BTreeMap<String, Vec<&RawValue>> = data.read("globalActions", &source)?.unwrap_or_default();
    for (name, _) in actions.iter().filter(|(_, actions)| !actions.is_empty()) {
        import.notes.left_out(format!("{}: globalActions.{name}", path.display()), "delays aren't carried");
    }
    for (key, _) in data.rest().filter(|(_, value)| *value != "[]") {
        import.notes.left_out(format!("{}: data.{key}", path.display()), "it isn't carried");
    }
    Ok(())
}

fn check_version(meta: &str, source: &Source<'_>) -> Result<(), ConvertError> {
    let mut meta: Fields<'_> = source.read(meta, "the `meta` of a simulation")?;
    let version: String = meta.read("schemaVersion", source)?.unwrap_or_default();
    if version == "v5" || version.strip_prefix("v5.").is_some_and(|minor| minor.parse::<u16>().is_ok()) {
        return Ok(());
    }
    let path = source.path.to_owned();
    Err(ConvertError::Version { path, format: Format::Hoverfly, version, known: "v5, v5.1, v5.2, v5.3" })
}

impl<'a> Pair<'a> {
    fn stub(&mut self) -> Result<Stub, Refusal> {
        let source = self.source;
        let mut fields: Fields<'_> = source.read(self.part, "a pair")?;
        let mut request: Fields<'_> =
            source.read(fields.take("request").unwrap_or("{}"), "a request of a pair")?;
        let mut response: Fields<'_> =
            source.read(fields.take("response").unwrap_or("{}"), "a response of a pair")?;
        let state = self.state(&mut request, &mut response)?;
        let (backend, request) = self.request(request)?;
        let response = self.response(response)?;
        let exchange = Exchange {
            backend,
            protocol: "HTTP/1.1".to_owned(),
            request,
            response: Some(response),
            ..Exchange::default()
        };
        let headers = std::mem::take(&mut self.matched);
        Ok(Stub { item: String::new(), exchange, priority: 0, state, headers })
    }

    fn state(&self, request: &mut Fields<'a>, response: &mut Fields<'a>) -> Result<Option<State>, Refusal> {
        let source = self.source;
        let mut required: BTreeMap<String, String> =
            request.read("requiresState", &source)?.unwrap_or_default();
        let mut next: BTreeMap<String, String> =
            response.read("transitionsState", &source)?.unwrap_or_default();
        let removes: Vec<String> = response.read("removesState", &source)?.unwrap_or_default();
        if !removes.is_empty() {
            return left_out("it removes a state, which is no step in a sequence");
        }
        let mut keys: Vec<_> = required.keys().chain(next.keys()).cloned().collect();
        keys.dedup();
        match keys.as_slice() {
            [] => Ok(None),
            [key] => {
                let (required, next) = (required.remove(key), next.remove(key));
                Ok(Some(State { scenario: key.clone(), required, next }))
            }
            _ => left_out("it depends on several states at once"),
        }
    }

    fn request(&mut self, mut fields: Fields<'a>) -> Result<(String, Request), Refusal> {
        let method = match self.asked(fields.take("method"), "method")? {
            Asked::Exact(Kind::Text, method) => method,
            _ => return left_out("it matches any method"),
        };
        let backend = self.backend_of(&mut fields)?;
        let path = self.path(&mut fields)?;
        let mut headers = self.headers(fields.take("headers"))?;
        let has_type = headers.iter().any(|(name, _)| name == "content-type");
        let (body, content_type) = match self.asked(fields.take("body"), "body")? {
            Asked::Anything => {
                if ["POST", "PUT", "PATCH"].contains(&method.as_str()) {
                    self.changed.push("it matches any body there, and none here".to_owned());
                }
                (Vec::new(), None)
            }
            Asked::Exact(Kind::Json, text) => {
                let bad = || self.source.error(self.part, "the value of its json matcher isn't JSON");
                (text::compact(text.as_bytes()).ok_or_else(bad)?, Some("application/json"))
            }
            Asked::Exact(Kind::Form, text) => (text.into_bytes(), Some("application/x-www-form-urlencoded")),
            Asked::Exact(Kind::Text, text) => (text.into_bytes(), None),
            Asked::Several(_) => return left_out("its body is matched as a list"),
        };
        if let (false, Some(content_type)) = (has_type, content_type) {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        if let Some((key, _)) = fields.rest().find(|(_, value)| !["[]", "{}"].contains(value)) {
            return left_out(format!("`request.{key}` is no exact match"));
        }
        let headers = message::tidy(headers, &body).headers;
        let body = Body { bytes: body, truncated: None };
        let (method, path) = (method.into_bytes(), path.into_bytes());
        Ok((backend, Request { method, path, headers, body, trailers: Headers::new() }))
    }

    fn backend_of(&mut self, fields: &mut Fields<'a>) -> Result<String, Refusal> {
        let scheme = self.asked(fields.take("scheme"), "scheme")?;
        match (self.asked(fields.take("destination"), "destination")?, self.backend) {
            (Asked::Exact(Kind::Text, authority), _) => {
                let scheme = match scheme {
                    Asked::Exact(Kind::Text, scheme) => scheme,
                    _ => {
                        self.changed.push("it matches http and https there, and http here".to_owned());
                        "http".to_owned()
                    }
                };
                text::backend_name(&scheme, &authority).or_else(left_out)
            }
            (_, Some(backend)) => Ok(backend.to_owned()),
            _ => {
                let (path, line) = (self.source.path.to_owned(), self.source.line(self.part));
                Err(ConvertError::NoBackend { path, line, format: Format::Hoverfly }.into())
            }
        }
    }

    fn path(&mut self, fields: &mut Fields<'a>) -> Result<String, Refusal> {
        let mut out = match self.asked(fields.take("path"), "path")? {
            Asked::Exact(Kind::Text, path) if path.starts_with('/') => path,
            Asked::Exact(..) => return left_out("its path doesn't begin with /"),
            _ => return left_out("it matches any path"),
        };
        if let Asked::Exact(Kind::Text, query) =
            self.asked(fields.take("deprecatedQuery"), "deprecatedQuery")?
        {
            out = if query.is_empty() { out } else { format!("{out}?{query}") };
        }
        let Some(query) = fields.take("query") else { return Ok(out) };
        let query: Fields<'_> = self.source.read(query, "a `query`")?;
        let mut pairs = Vec::new();
        for (name, part) in query.rest() {
            match self.asked(Some(part), &format!("query.{name}"))? {
                Asked::Several(values) => pairs.extend(values.into_iter().map(|value| (name, value))),
                // How Hoverfly writes what was sent several times.
                Asked::Exact(_, value) => {
                    pairs.extend(value.split(';').map(|value| (name, value.to_owned())))
                }
                Asked::Anything => return left_out(format!("`request.query.{name}` is no exact match")),
            }
        }
        if !pairs.is_empty() {
            out.push('?');
            out.push_str(&text::encode_pairs(pairs.iter().map(|(name, value)| (*name, value.as_str()))));
        }
        Ok(out)
    }

    fn headers(&mut self, part: Option<&'a str>) -> Result<Vec<(String, String)>, Refusal> {
        let Some(part) = part else { return Ok(Vec::new()) };
        let fields: Fields<'_> = self.source.read(part, "`headers` of a request")?;
        let mut headers = Vec::new();
        for (name, part) in fields.rest() {
            let name = name.to_ascii_lowercase();
            match self.asked(Some(part), &format!("headers.{name}"))? {
                Asked::Exact(_, value) => {
                    self.matched.insert(name.clone());
                    headers.push((name, value));
                }
                Asked::Several(values) => {
                    self.matched.insert(name.clone());
                    headers.extend(values.into_iter().map(|value| (name.clone(), value)))
                }
                Asked::Anything => self.changed.push(format!("its header {name} isn't compared here")),
            }
        }
        Ok(headers)
    }

    /// What a list of matchers asks for. What isn't exact leaves the pair out.
    fn asked(&self, part: Option<&'a str>, what: &str) -> Result<Asked, Refusal> {
        let matchers: Vec<&'a RawValue> = match part {
            Some(part) => self.source.read(part, "a list of matchers")?,
            None => return Ok(Asked::Anything),
        };
        let [one] = matchers.as_slice() else {
            return match matchers.len() {
                0 => Ok(Asked::Anything),
                _ => left_out(format!("its {what} is matched in several ways at once")),
            };
        };
        let mut matcher: Fields<'_> = self.source.read(one.get(), "a matcher")?;
        let kind: Option<String> = matcher.read("matcher", &self.source)?;
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        let value = matcher.take("value").unwrap_or("\"\"");
        let config: Option<BTreeMap<String, bool>> = matcher.read("config", &self.source)?;
        let is_loose =
            config.is_some_and(|config| config.values().any(|on| *on)) || matcher.take("doMatch").is_some();
        let text = || -> Result<String, ConvertError> {
            if value.starts_with('"') { self.source.read(value, "text") } else { Ok(value.to_owned()) }
        };
        match kind.as_str() {
            _ if is_loose => left_out(format!("its {what} is matched loosely")),
            "exact" | "" => Ok(Asked::Exact(Kind::Text, text()?)),
            "glob" if !text()?.contains('*') => Ok(Asked::Exact(Kind::Text, text()?)),
            "json" => Ok(Asked::Exact(Kind::Json, text()?)),
            "array" => Ok(Asked::Several(self.source.read(value, "a list of values")?)),
            "form" => {
                let form: Fields<'_> = self.source.read(value, "a form's matchers")?;
                let mut pairs = Vec::new();
                for (name, part) in form.rest() {
                    match self.asked(Some(part), &format!("form.{name}"))? {
                        Asked::Exact(_, value) => pairs.push((name, value)),
                        _ => return left_out(format!("its form's {name} is no exact match")),
                    }
                }
                let pairs = pairs.iter().map(|(name, value)| (*name, value.as_str()));
                Ok(Asked::Exact(Kind::Form, text::encode_pairs(pairs)))
            }
            other => left_out(format!("its {what} is matched by `{other}`, which is no exact match")),
        }
    }

    fn response(&mut self, mut fields: Fields<'a>) -> Result<Response, Refusal> {
        let source = self.source;
        let status: u16 = fields.read("status", &source)?.unwrap_or(200);
        let body: String = fields.read("body", &source)?.unwrap_or_default();
        let templated: bool = fields.read("templated", &source)?.unwrap_or_default();
        let headers: BTreeMap<String, Vec<String>> = fields.read("headers", &source)?.unwrap_or_default();
        if templated && (body.contains("{{") || headers.values().flatten().any(|value| value.contains("{{")))
        {
            return left_out("its answer is a template");
        }
        let encoded: bool = fields.read("encodedBody", &source)?.unwrap_or_default();
        let body = match encoded {
            true => text::from_base64(&body)
                .map_err(|problem| source.error(self.part, format!("`body`: {problem}")))?,
            false => body.into_bytes(),
        };
        if fields.take("bodyFile").is_some_and(|file| file != "\"\"") {
            return left_out("its body is in another file");
        }
        for (key, value) in fields.rest() {
            match key {
                _ if ["0", "\"\"", "[]", "{}"].contains(&value) => {}
                "fixedDelay" | "logNormalDelay" => {
                    self.changed.push(format!("its delay (`{key}`) isn't carried"))
                }
                _ => self.changed.push(format!("`response.{key}` isn't carried")),
            }
        }
        let pairs = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let tidied = message::tidy(pairs, &body);
        self.changed.extend(tidied.changed.into_iter().map(str::to_owned));
        let body = Body { bytes: body, truncated: None };
        Ok(Response { status, headers: tidied.headers, body, trailers: Headers::new() })
    }
}
