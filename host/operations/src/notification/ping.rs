//! Calls of a URL, as healthchecks.io takes them (<https://healthchecks.io/docs/http_api/>): `/start`, the URL itself, `/fail`,
//! with the text in the body and `rid`, which tells jobs from each other that run at the same time.

use lockgate_engine::configuration::{Occasion, Ping};

use super::{Message, http};
use crate::{Error, ErrorKind, Result};

pub(super) async fn send(ping: &Ping, message: &Message) -> Result<()> {
    let url = http::url(ping.url.as_ref(), ping.url_file.as_ref()).await?;
    let ending = match (message.is_beginning, message.occasion) {
        (true, _) => "/start",
        (false, Occasion::Success) => "",
        (false, _) => "/fail",
    };
    let wrong = || Error::new(ErrorKind::Configuration, "the ping's URL is none");
    let mut url = reqwest::Url::parse(&url).map_err(|_| wrong())?;
    let path = format!("{}{ending}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    if let Some(job) = &message.job {
        url.query_pairs_mut().append_pair("rid", &job.id.to_string());
    }
    let text = match message.is_beginning {
        true => String::new(),
        false => format!("{}\n{}", message.subject, message.text),
    };
    http::send(http::client(ping.ca_file.as_ref()).await?.post(url).body(text)).await
}
