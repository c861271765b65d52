//! One request to a backend: its content, signature and verdict, and its current verdict. For a
//! miss also the nearest requests and the remedies.

use super::offer::Offered;
use super::responder::{class, now};
use super::{Loaded, ReportHeading, sides, status, wire};
use crate::form::Form;
use crate::page::{Frame, PageError, render};
use crate::reports::{Choice, Now};
use crate::routes::App;
use crate::show::{BodyView, Curl, visible, visible_bytes};
use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use understudy_core::exchange::Exchange;
use understudy_core::facts::is_grpc;
use understudy_core::verdict::Nearest;
use understudy_replay::report::JudgedCall;
use understudy_replay::report::view::Sides;

#[derive(Template)]
#[template(path = "asked.html")]
pub(super) struct AskedPage {
    frame: Frame,
    above: ReportHeading,
    here: String,
    token: String,
    digest: String,
    title: String,
    status: (String, &'static str),
    class: &'static str,
    verdict: String,
    reason: String,
    /// The change that was just made.
    done: &'static str,
    now: CurrentVerdict,
    signature: Vec<(String, String)>,
    request: String,
    /// The recorded request for which a rule is weighed.
    nearest: Option<Near>,
    others: Vec<Near>,
    offered: Option<Offered>,
    /// The way to add an answer; `None` if there is none.
    add: Option<Add>,
    /// The reason why none can be added.
    no_add: &'static str,
    curl: Option<Curl>,
}

/// The current verdict.
struct CurrentVerdict {
    class: &'static str,
    text: String,
}

/// A near recorded request.
struct Near {
    exchange: String,
    title: String,
    rows: Vec<Sides>,
    /// The page with a rule for it.
    href: Option<String>,
}

/// The form that adds an answer.
struct Add {
    /// The real backend's answer, if the request was passed through.
    given: Option<(u16, BodyView)>,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path((name, id, number)): Path<(String, String, usize)>,
    RawQuery(query): RawQuery,
) -> Result<Response, PageError> {
    let form = Form::read(query.unwrap_or_default().as_bytes());
    let page = page(&app, &name, &id, number, &form).await?;
    Ok(render(StatusCode::OK, &page))
}

pub(super) async fn page(
    app: &App,
    name: &str,
    id: &str,
    number: usize,
    form: &Form,
) -> Result<AskedPage, PageError> {
    let (loaded, mut frame, mut above) = Loaded::new(app, name, id).await?;
    above.tabs = loaded.tabs("/responder")?;
    let responder = loaded.report()?.responder.as_ref();
    let asked = responder.and_then(|responder| responder.verdicts.get(number));
    let asked = asked.ok_or_else(|| PageError::not_found("The report has no such request."))?;
    let here = format!("{}/responder/{number}", loaded.here());
    let missed = asked.verdict != "match";
    let judged = if missed { now(app, &loaded).await? } else { None };
    let judged = judged.as_deref().map(|judged| match judged {
        Ok(all) => Ok(all.iter().find(|(at, _)| *at == number).map(|(_, now)| now)),
        Err(problem) => Err(problem.as_str()),
    });
    frame.refresh = missed && judged.is_none();
    let still = matches!(judged, Some(Ok(Some(Now::Miss { .. }))));
    let nearest: &[Nearest] = match &judged {
        Some(Ok(Some(Now::Miss { nearest, .. }))) => nearest,
        _ => &asked.nearest,
    };
    let whole = asked.whole.as_ref().map(|whole| &whole.0);
    let mut choice = Choice::read(form);
    if choice.with.is_empty() {
        choice.with = nearest.first().map(|nearest| nearest.exchange.clone()).unwrap_or_default();
    }
    let offered = match still && whole.is_some() && !choice.with.is_empty() {
        true => Some(Offered::new(app, &loaded, number, &choice).await?),
        false => None,
    };
    frame.refresh |= offered.as_ref().is_some_and(Offered::is_waiting);
    let (add, no_add) = add(whole, still);
    let chosen = nearest.iter().find(|near| near.exchange == choice.with);
    let others = nearest.iter().filter(|near| near.exchange != choice.with);
    Ok(AskedPage {
        frame,
        above,
        token: app.guard.form_token.clone(),
        digest: loaded.digest.clone(),
        title: visible(&format!("{} {}{}", asked.operation, asked.backend, asked.location)),
        status: status(asked.status),
        class: class(asked),
        verdict: visible(&asked.verdict),
        reason: visible(asked.reason.as_deref().unwrap_or_default()),
        done: done(form.get("done")),
        now: told(judged, asked),
        signature: asked.signature.iter().map(|(key, value)| (visible(key), visible(value))).collect(),
        request: whole.map_or_else(|| asked.request.as_ref().map(wire).unwrap_or_default(), on_wire),
        nearest: chosen.map(|near| shown(near, &here, false)),
        others: others.map(|near| shown(near, &here, still && whole.is_some())).collect(),
        offered,
        add,
        no_add,
        curl: whole.and_then(crate::show::curl),
        here,
    })
}

fn done(what: &str) -> &'static str {
    match what {
        "rule" => "The rule is in snapshot.yaml. It applies from the next replay on.",
        "added" => "The answer is in the snapshot. It is given from the next replay on.",
        "learnt" => {
            "The answer is in the snapshot. It is given from the next replay on. The recording now supports another rule: see Rules."
        }
        "held" => "Nothing was added: the snapshot holds this request with this answer already.",
        _ => "",
    }
}

fn told(judged: Option<Result<Option<&Now>, &str>>, asked: &JudgedCall) -> CurrentVerdict {
    let told = |class, text: String| CurrentVerdict { class, text };
    match judged {
        None if asked.verdict == "match" => {
            told("good", format!("It was answered with exchange {}.", visible(asked.exchange.as_deref().unwrap_or("?"))))
        }
        None => told("", "Matching it against the current snapshot…".to_owned()),
        Some(Err(problem)) => told("warn", format!("Whether it would match now can’t be told: {}.", visible(problem))),
        Some(Ok(Some(Now::Match { exchange, but }))) => {
            let but = if but.is_empty() { String::new() } else { format!("; {} may be other", visible(&but.join(", "))) };
            told("good", format!("With the current snapshot it would match exchange {}{but}.", visible(exchange)))
        }
        Some(Ok(Some(Now::Miss { reason, .. }))) => {
            told("warn", format!("With the current snapshot it would still not match: {reason}."))
        }
        Some(Ok(Some(Now::Unmocked))) => told("", "Its backend is no longer mocked: the request would be forwarded.".to_owned()),
        Some(Ok(Some(Now::Failed(problem)))) => {
            told("warn", format!("Whether it would match now can’t be told: {}.", visible(problem)))
        }
        Some(Ok(Some(Now::Unjudged))) => told(
            "",
            "Too many requests before it didn’t match: mend those first, and replay again.".to_owned(),
        ),
        Some(Ok(Some(Now::Unknown) | None)) => told(
            "",
            "The report doesn’t contain the complete request, so that neither a rule nor an answer can be made from it: an older \
             Understudy wrote the report, or its size limit was reached. Replay again, and open the new report."
                .to_owned(),
        ),
    }
}

fn shown(near: &Nearest, here: &str, can: bool) -> Near {
    Near {
        exchange: visible(&near.exchange),
        title: visible(&format!("#{} {}, {} % the same", near.exchange, near.request, near.score)),
        rows: sides(&near.differs),
        href: can.then(|| format!("{here}?{}#rule", crate::form::query([("with", &*near.exchange)]))),
    }
}

/// The request as shown.
fn on_wire(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let mut text = format!("{} {}\n", visible_bytes(&request.method), visible_bytes(&request.path));
    for (name, value) in request.headers.iter() {
        text.push_str(&format!("{}: {}\n", visible_bytes(name), visible_bytes(value)));
    }
    let body = BodyView::of(&request.body, &request.headers);
    let body = if body.pretty.is_empty() { body.raw } else { body.pretty };
    if !body.is_empty() {
        text.push_str(&format!("\n{body}"));
    }
    text
}

fn add(whole: Option<&Exchange>, still: bool) -> (Option<Add>, &'static str) {
    let Some(whole) = whole.filter(|_| still) else { return (None, "") };
    let given =
        whole.response.as_ref().map(|answer| (answer.status, BodyView::of(&answer.body, &answer.headers)));
    let grpc = whole.request.headers.get(b"content-type").is_some_and(is_grpc);
    match grpc && given.is_none() {
        true => (
            None,
            "A gRPC answer can’t be written as text: replay with --on-miss passthrough, and add the real backend’s answer.",
        ),
        false => (Some(Add { given }), ""),
    }
}
