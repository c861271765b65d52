//! The rules of a snapshot with their evidence, proposed rules, and changes of both.

use super::{base, check_token, frame};
use crate::form::Form;
use crate::page::{Frame, PageError, render, see_other};
use crate::routes::App;
use crate::show::{count, visible};
use crate::snapshots::ShownSnapshot;
use askama::Template;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use understudy_analyse::learn;
use understudy_core::rules::Rule;

/// Time that a request to apply a proposal waits for the proposals to be computed again.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    frame: Frame,
    base: String,
    token: String,
    digest: String,
    rules: Vec<ShownRule>,
    proposals: Vec<ShownRule>,
    /// True if the proposals are still being computed.
    waiting: bool,
    failure: Option<String>,
}

/// A rule as shown.
pub(super) struct ShownRule {
    pub(super) about: String,
    exchanges: String,
    pub(super) says: Vec<(&'static str, String)>,
    pub(super) why: Vec<String>,
    /// The rule as text, which identifies it in a form.
    key: String,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, PageError> {
    let book = app.shelf()?.book(&name)?;
    let opened = book.open()?;
    let rules = opened.header.rules;
    let outcome = proposals(&book, app.patience).await?;
    let mut page = RulesPage {
        frame: frame(&app, &book, "/rules", "Rules"),
        base: base(&book.name),
        token: app.guard.form_token.clone(),
        digest: opened.digest,
        rules: rules.iter().map(shown).collect(),
        proposals: Vec::new(),
        waiting: false,
        failure: None,
    };
    match outcome.as_deref() {
        None => (page.waiting, page.frame.refresh) = (true, true),
        Some(Ok(learnt)) => page.proposals = unsaid(learnt, &rules).iter().map(shown).collect(),
        Some(Err(error)) => page.failure = Some(visible(&error.to_string())),
    }
    Ok(render(StatusCode::OK, &page))
}

/// Applies proposals.
pub(crate) async fn apply(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, PageError> {
    let form = Form::read(&body);
    let book = app.shelf()?.book(&name)?;
    let learnt = proposals(&book, PATIENCE).await?;
    let Some(Ok(learnt)) = learnt.as_deref() else {
        return Err(PageError::conflict("The proposals aren't made yet: load the page again."));
    };
    change(&app, &book, &form, |rules| {
        let chosen: Vec<&str> = form.all("rule").collect();
        let mut wanted = unsaid(learnt, rules);
        wanted.retain(|rule| chosen.contains(&key(rule).as_str()));
        if wanted.len() != chosen.len() {
            return Err(PageError::conflict("A proposal isn't there any more: load the page again."));
        }
        rules.extend(wanted);
        Ok(())
    })
    .await?;
    Ok(changed(&book))
}

/// Removes a rule.
pub(crate) async fn undo(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, PageError> {
    let form = Form::read(&body);
    let book = app.shelf()?.book(&name)?;
    change(&app, &book, &form, |rules| {
        let gone = || PageError::conflict("The rule isn't there any more: load the page again.");
        let at = rules.iter().position(|rule| key(rule) == form.get("rule")).ok_or_else(gone)?;
        rules.remove(at);
        Ok(())
    })
    .await?;
    Ok(changed(&book))
}

fn changed(book: &ShownSnapshot) -> Response {
    see_other(&format!("{}/rules", base(&book.name)))
}

/// Changes the rules of a snapshot, unless `snapshot.yaml` was changed since the form was rendered.
pub(super) async fn change(
    app: &App,
    book: &ShownSnapshot,
    form: &Form,
    change: impl FnOnce(&mut Vec<Rule>) -> Result<(), PageError>,
) -> Result<(), PageError> {
    check_token(app, form)?;
    let _alone = book.changing.lock().await;
    let opened = book.open()?;
    if opened.digest != form.get("digest") {
        return Err(PageError::conflict(
            "snapshot.yaml was changed since this page was made, so nothing was saved. Go back, load the page again to see its current content, and repeat your change.",
        ));
    }
    let mut rules = opened.header.rules;
    change(&mut rules)?;
    let mut snapshot = book.snapshot()?;
    snapshot
        .set_rules_if(rules, Some(&opened.digest))
        .map_err(|error| PageError::snapshot(&book.name, &book.path, error))
}

async fn proposals(
    book: &ShownSnapshot,
    patience: Duration,
) -> Result<Option<Arc<Result<Vec<Rule>, understudy_snapshot::SnapshotError>>>, PageError> {
    let snapshot = book.snapshot()?;
    Ok(book.proposals.get(book.state()?, patience, move || learn::learn(&snapshot, None)).await)
}

fn unsaid(learnt: &[Rule], rules: &[Rule]) -> Vec<Rule> {
    learnt.iter().filter_map(|rule| understudy_snapshot::unsaid(rules, rule)).collect()
}

/// Identifies a rule by its whole content.
fn key(rule: &Rule) -> String {
    serde_json::to_string(rule).unwrap_or_default()
}

pub(super) fn shown(rule: &Rule) -> ShownRule {
    let says = rule.says().into_iter();
    let says = says.flat_map(|(key, said)| said.into_iter().map(move |text| (key, visible(&text)))).collect();
    ShownRule {
        about: visible(&rule.about()),
        exchanges: rule.exchanges.map(count).unwrap_or_default(),
        says,
        why: rule.why.iter().flat_map(|why| why.split(". ")).map(visible).collect(),
        key: key(rule),
    }
}
