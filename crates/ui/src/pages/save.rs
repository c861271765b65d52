//! Saves which backends are mocked. Refused if `snapshot.yaml` was changed since the form was
//! rendered: then the page shows the changes and keeps the user's choice.

use super::changes;
use super::summary::{SaveConflict, SummaryPage};
use super::{base, check_token};
use crate::form::Form;
use crate::page::{PageError, render, see_other};
use crate::routes::App;
use crate::show::visible;
use crate::snapshots::{OpenedHeader, ShownSnapshot};
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
            // The file was changed after it was read above.
            Err(SnapshotError::Changed { .. }) => {
                return refused(&app, &book, &book.open()?, &form, &chosen).await;
            }
            Err(error) => return Err(PageError::snapshot(&book.name, &book.path, error)),
        }
    }
    Ok(see_other(&format!("{}?saved=1", base(&book.name))))
}

/// The backends of the form, and whether each is mocked.
fn chosen(form: &Form) -> BTreeMap<String, bool> {
    let mocked: HashSet<&str> = form.all("mock").collect();
    form.all("backend").map(|name| (name.to_owned(), mocked.contains(name))).collect()
}

/// Refuses names that are neither in `snapshot.yaml` nor in an exchange: they would be added to the
/// file.
async fn known(
    app: &App,
    book: &ShownSnapshot,
    opened: &OpenedHeader,
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

/// The new mode of a backend; `None` if it stays. A tapped backend that isn't mocked stays tapped.
fn wanted(opened: &OpenedHeader, name: &str, mocked: bool) -> Option<Mode> {
    let now = opened.header.backend(name).mode;
    match (mocked, now) {
        (true, Mode::Tap | Mode::Off) => Some(Mode::Mock),
        (false, Mode::Mock) => Some(Mode::Off),
        _ => None,
    }
}

async fn refused(
    app: &App,
    book: &ShownSnapshot,
    opened: &OpenedHeader,
    form: &Form,
    chosen: &BTreeMap<String, bool>,
) -> Result<Response, PageError> {
    let old = book.text(form.get("digest"));
    let changes = old.zip(book.text(&opened.digest)).map(|(old, new)| {
        let changes = changes::between(&old, &new).into_iter();
        changes.map(|(came, number, text)| (came, number, visible(&text))).collect()
    });
    // Boxes that the user didn't change follow the file. The others keep the user's choice.
    let was: HashSet<&str> = form.all("was").collect();
    let changed =
        |name: &&String| chosen.get(*name).is_some_and(|mocked| *mocked != was.contains(name.as_str()));
    let mine: BTreeMap<String, bool> =
        chosen.keys().filter(changed).map(|name| (name.clone(), chosen[name])).collect();
    let page = SummaryPage::of(app, book, opened, Some((&mine, SaveConflict { changes }))).await?;
    Ok(render(StatusCode::CONFLICT, &page))
}
