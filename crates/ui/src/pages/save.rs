//! Saves which backends are mocked. Refused where `snapshot.yaml` was changed since the form was made: then the page says what is other
//! now, and keeps what was chosen.

use super::changes;
use super::summary::{Conflict, SummaryPage};
use super::{base, check_token};
use crate::form::Form;
use crate::page::{PageError, render, see_other};
use crate::routes::App;
use crate::show::visible;
use crate::snapshots::{Book, Opened};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use understudy_core::config::Mode;
use understudy_snapshot::SnapshotError;

pub(crate) async fn save(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, PageError> {
    let form = Form::read(&body);
    check_token(&app, &form)?;
    let book = app.shelf()?.book(&name)?;
    let _alone = book.changing.lock().await;
    let opened = book.open()?;
    let chosen = chosen(&form);
    if opened.digest != form.get("digest") {
        return refused(&app, &book, &opened, &form, &chosen).await;
    }
    known(&app, &book, &opened, &chosen).await?;
    let modes =
        chosen.iter().filter_map(|(name, mocked)| Some((name.clone(), wanted(&opened, name, *mocked)?)));
    let modes: BTreeMap<String, Mode> = modes.collect();
    if !modes.is_empty() {
        let mut snapshot = book.snapshot()?;
        match snapshot.set_modes(&modes, Some(&opened.digest)) {
            Ok(_) => {}
            // Somebody was faster in the moment since it was read.
            Err(SnapshotError::Changed { .. }) => {
                return refused(&app, &book, &book.open()?, &form, &chosen).await;
            }
            Err(error) => return Err(PageError::snapshot(&book.name, &book.path, error)),
        }
    }
    Ok(see_other(&format!("{}?saved=1", base(&book.name))))
}

/// Each backend of the form, and whether it is to be mocked.
fn chosen(form: &Form) -> BTreeMap<String, bool> {
    let mocked: HashSet<&str> = form.all("mock").collect();
    form.all("backend").map(|name| (name.to_owned(), mocked.contains(name))).collect()
}

/// Refuses names that are neither in `snapshot.yaml` nor in an exchange: they would be added to the file.
async fn known(
    app: &App,
    book: &Book,
    opened: &Opened,
    chosen: &BTreeMap<String, bool>,
) -> Result<(), PageError> {
    let listed = &opened.header.backends;
    let others: Vec<&String> = chosen.keys().filter(|name| !listed.contains_key(*name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let index = book.index()?;
    index.wait(app.patience).await;
    let recorded = index.known();
    match others.into_iter().find(|name| recorded.backends.find(name).is_none()) {
        Some(name) => {
            let name = visible(name);
            Err(PageError::conflict(format!(
                "The backend {name} isn't in this snapshot: load the page again."
            )))
        }
        None => Ok(()),
    }
}

/// Which mode a backend gets; `None` where it keeps what it has. One that isn't mocked may be tapped: that stays.
fn wanted(opened: &Opened, name: &str, mocked: bool) -> Option<Mode> {
    let now = opened.header.backend(name).mode;
    match (mocked, now) {
        (true, Mode::Tap | Mode::Off) => Some(Mode::Mock),
        (false, Mode::Mock) => Some(Mode::Off),
        _ => None,
    }
}

async fn refused(
    app: &App,
    book: &Book,
    opened: &Opened,
    form: &Form,
    chosen: &BTreeMap<String, bool>,
) -> Result<Response, PageError> {
    let old = book.text(form.get("digest"));
    let changes = old.zip(book.text(&opened.digest)).map(|(old, new)| {
        let changes = changes::between(&old, &new).into_iter();
        changes.map(|(came, number, text)| (came, number, visible(&text))).collect()
    });
    // What was left as it was in the form follows the file; what was chosen stays.
    let was: HashSet<&str> = form.all("was").collect();
    let changed =
        |name: &&String| chosen.get(*name).is_some_and(|mocked| *mocked != was.contains(name.as_str()));
    let mine: BTreeMap<String, bool> =
        chosen.keys().filter(changed).map(|name| (name.clone(), chosen[name])).collect();
    let page = SummaryPage::of(app, book, opened, Some((&mine, Conflict { changes }))).await?;
    Ok(render(StatusCode::CONFLICT, &page))
}
