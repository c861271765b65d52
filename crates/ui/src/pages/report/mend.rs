//! Remedies for a request that missed: a rule, or an answer in the snapshot. Both are refused if
//! `snapshot.yaml` was changed since the page was rendered.

use super::Loaded;
use crate::form::Form;
use crate::page::{PageError, see_other};
use crate::pages::{check_token, on_a_thread, rules};
use crate::reports::{Choice, weigh};
use crate::routes::App;
use crate::show::visible;
use crate::snapshots::ShownSnapshot;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use std::sync::Arc;
use understudy_analyse::learn;
use understudy_core::exchange::{Body, End, Exchange, Response as Answer};
use understudy_core::headers::Headers;
use understudy_snapshot::answerable::unanswerable;
use understudy_snapshot::merge::merge;
use understudy_snapshot::{Existing, Header, Snapshot, SnapshotWriter};

/// Saves the rule that the page has shown.
pub(crate) async fn rule(
    State(app): State<Arc<App>>,
    Path((name, id, number)): Path<(String, String, usize)>,
    body: Bytes,
) -> Result<Response, PageError> {
    let form = Form::read(&body);
    check_token(&app, &form)?;
    let (loaded, ..) = Loaded::new(&app, &name, &id).await?;
    let (snapshot, whole, choice) = (loaded.book.snapshot()?, loaded.shared(), Choice::read(&form));
    let weighing = on_a_thread(move || {
        let report = whole.as_ref().as_ref().map_err(|problem| PageError::report(visible(problem)))?;
        weigh(&snapshot, report, number, &choice).map_err(|problem| PageError::conflict(visible(&problem)))
    })
    .await?;
    let because = weighing.refused.clone();
    let Some((rule, weighed)) = weighing.rule.filter(|_| because.is_none()) else {
        let nothing = match weighing.offer.differs.is_empty() {
            true => "the request is the same as that exchange already",
            false => "nothing is left out, or another backend, method or path differs",
        };
        let because = because.unwrap_or_else(|| nothing.to_owned());
        return Err(PageError::refused(format!("No rule was made: {}.", visible(&because))));
    };
    if weighed.answers == 0 {
        return Err(PageError::refused("No rule was made: the request would still not match."));
    }
    rules::change(&app, &loaded.book, &form, |rules| {
        rules.push(rule);
        Ok(())
    })
    .await?;
    Ok(see_other(&format!("{}/responder/{number}?done=rule", loaded.here())))
}

/// Adds the request with an answer.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    Path((name, id, number)): Path<(String, String, usize)>,
    body: Bytes,
) -> Result<Response, PageError> {
    let form = Form::read(&body);
    check_token(&app, &form)?;
    let (loaded, ..) = Loaded::new(&app, &name, &id).await?;
    let responder = loaded.report()?.responder.as_ref();
    let asked = responder.and_then(|responder| responder.verdicts.get(number));
    let whole = asked.and_then(|asked| asked.whole.as_ref()).map(|whole| &whole.0);
    let whole =
        whole.ok_or_else(|| PageError::not_found("The report doesn’t contain the complete request."))?;
    let exchange = answered(whole, &form)?;
    let book = loaded.book.clone();
    let _alone = book.changing.lock().await;
    let opened = book.open()?;
    if opened.digest != form.get("digest") {
        return Err(PageError::conflict(
            "snapshot.yaml was changed since this page was made, so nothing was added. Go back, load the page again, and repeat it.",
        ));
    }
    let to = book.clone();
    let added = on_a_thread(move || put(&to, &exchange)).await?;
    let done = match added {
        Added::Alone => "added",
        Added::WithRules => "learnt",
        Added::Held => "held",
    };
    Ok(see_other(&format!("{}/responder/{number}?done={done}", loaded.here())))
}

/// The request with the chosen answer: the real backend's, or the one in the form.
fn answered(asked: &Exchange, form: &Form) -> Result<Exchange, PageError> {
    let mut exchange = asked.clone();
    if form.get("answer") == "given" && exchange.response.is_some() {
        return can_be_answered(exchange);
    }
    let status = form.get("status").parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    let status = status.ok_or_else(|| PageError::refused("The status must be a number from 200 to 599."))?;
    let mut pairs = Vec::new();
    for line in form.get("headers").lines().map(str::trim).filter(|line| !line.is_empty()) {
        let bad = || PageError::refused(format!("{:?} is no header: write NAME: VALUE.", visible(line)));
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = name.trim().to_ascii_lowercase();
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(bad());
        }
        pairs.push((name, value.trim().to_owned()));
    }
    // Forms send each line break as two characters (URL standard,
    // "application/x-www-form-urlencoded serializing").
    let text = form.all("body").next().unwrap_or_default().replace("\r\n", "\n");
    let body = Body { bytes: text.into_bytes(), truncated: None };
    exchange.response =
        Some(Answer { status, headers: Headers::from_pairs(pairs), body, ..Answer::default() });
    exchange.end = End::Complete;
    can_be_answered(exchange)
}

fn can_be_answered(exchange: Exchange) -> Result<Exchange, PageError> {
    match unanswerable(&exchange) {
        None => Ok(exchange),
        Some(why) => Err(PageError::refused(format!("This can’t be served as an answer: {why}."))),
    }
}

/// The result of adding an exchange.
enum Added {
    Alone,
    /// It was added, and the recording gives evidence for rules.
    WithRules,
    /// The snapshot has it already.
    Held,
}

/// Adds an exchange to a snapshot, like `understudy merge`.
fn put(book: &ShownSnapshot, exchange: &Exchange) -> Result<Added, PageError> {
    let failed = |error: &dyn std::error::Error| {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        PageError::failed(format!("Nothing was added: {}.", visible(&format!("{error}{source}"))))
    };
    let snapshot = book.snapshot()?;
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let one = || -> Result<Snapshot, understudy_snapshot::SnapshotError> {
        let mut writer = SnapshotWriter::create(folder.path().join("added"), Existing::Refuse)?;
        // Appended, so that the other exchanges keep the numbers by which reports name them.
        let mut newest = 0;
        for located in snapshot.exchanges()? {
            newest = newest.max(located?.exchange.time);
        }
        writer.push(&Exchange { time: exchange.time.max(newest.saturating_add(1)), ..exchange.clone() })?;
        let header = snapshot.header();
        writer.finish(Header {
            name: header.name.clone(),
            redaction: header.redaction.clone(),
            ..Header::default()
        })
    };
    let one = one().map_err(|error| failed(&error))?;
    let merged = merge(&snapshot, &[one], &book.path, Existing::Replace, learn::apply)
        .map_err(|error| failed(&error))?;
    Ok(match merged.from.iter().any(|share| share.added > 0) {
        false => Added::Held,
        true if merged.rules.is_empty() => Added::Alone,
        true => Added::WithRules,
    })
}
