//! The pages, one file each.

pub(crate) mod download;
pub(crate) mod exchange;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod report;
pub(crate) mod rules;
pub(crate) mod save;
pub(crate) mod summary;
pub(crate) mod traffic;

mod changes;
mod listing;
mod related;

use crate::form::segment;
use crate::page::{Frame, PageError, Tabs};
use crate::routes::App;
use crate::snapshots::{ShownSnapshot, SnapshotShelf};

/// The address of a snapshot.
fn base(name: &str) -> String {
    format!("/s/{}", segment(name))
}

/// The frame of a page of a snapshot.
fn frame(app: &App, book: &ShownSnapshot, current: &'static str, title: &str) -> Frame {
    let base = base(&book.name);
    let mut crumbs = match app.shelf.as_ref().and_then(|shelf: &SnapshotShelf| shelf.one.as_ref()) {
        Some(_) => Vec::new(),
        None => vec![("Snapshots".to_owned(), "/".to_owned())],
    };
    crumbs.push((crate::show::visible(&book.name), base.clone()));
    let title = match title {
        "" => book.name.clone(),
        title => format!("{title} · {}", book.name),
    };
    Frame { title: crate::show::visible(&title), crumbs, tabs: Some(Tabs { base, current }), refresh: false }
}

/// Runs blocking work on another thread.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    let result = tokio::task::spawn_blocking(work).await;
    result.unwrap_or_else(|error| Err(PageError::failed(format!("the page can't be rendered: {error}"))))
}

/// Refuses a form that wasn't rendered by this process.
fn check_token(app: &App, form: &crate::form::Form) -> Result<(), PageError> {
    match crate::guard::same(form.get("token"), &app.guard.form_token) {
        true => Ok(()),
        false => Err(PageError::forbidden(
            "This form isn't of this server, or the server was restarted since: go back, load the page again, and repeat the change.",
        )),
    }
}
