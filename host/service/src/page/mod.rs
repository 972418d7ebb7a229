//! The page for people: files as they are, in the program itself, so that it needs no folder and no network beside the service.
//! Each view is a module in `views/`; `main.js` says which there are.

use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse;

use crate::problem::{Answer, Trouble};

/// A file of the page.
#[derive(Clone, Copy, Debug)]
struct File {
    /// Below `/page/`; `index.html` is also what `/` shows.
    path: &'static str,
    /// For `Content-Type`.
    media_type: &'static str,
    /// Its content.
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

macro_rules! files {
    ($($media_type:ident: $($path:literal)+;)+) => {
        &[$($(File { path: $path, media_type: $media_type, bytes: include_bytes!($path) },)+)+]
    };
}

/// All files of the page.
const FILES: &[File] = files! {
    HTML: "index.html";
    IMAGE: "icon.svg";
    STYLE: "style.css" "parts.css";
    SCRIPT:
        "main.js" "api.js" "session.js" "live.js"
        "elements.js" "parts.js" "format.js" "words.js" "progress.js" "calendar.js" "findings.js" "plan.js"
        "back-up.js" "download.js" "job-panel.js" "restore-form.js"
        "views/audit.js" "views/backup.js" "views/backups.js" "views/files.js" "views/health.js" "views/job.js"
        "views/jobs.js" "views/overview.js" "views/plugins.js" "views/restore.js" "views/schedules.js" "views/sign-in.js";
};

fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

/// `/`
pub(crate) async fn index() -> Answer<impl IntoResponse> {
    file(Path("index.html".to_owned())).await
}

/// `/page/PATH`
pub(crate) async fn file(Path(path): Path<String>) -> Answer<impl IntoResponse> {
    let file = find(&path).ok_or_else(|| Trouble::not_found("there is no such file"))?;
    // A new version of the program brings new ones.
    Ok(([(header::CONTENT_TYPE, file.media_type), (header::CACHE_CONTROL, "no-cache")], file.bytes))
}

#[cfg(test)]
mod tests;
