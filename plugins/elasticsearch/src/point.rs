//! Points in time: what an index was when they were opened, until they are closed.
//!
//! Elasticsearch: <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/point-in-time-api.html>; OpenSearch:
//! <https://docs.opensearch.org/latest/search-plugins/searching-data/point-in-time-api/>.

use lockgate_plugin::http::segment;
use lockgate_plugin::{Error, Result};
use serde_json::{Value, json};

use crate::client::must;
use crate::server::Product;

/// Opens one for an index. Documents that were written, but not made visible to searches yet, are made visible before, so
/// that everything that the server has acknowledged is seen.
///
/// # Errors
/// When the server refuses.
pub fn open(product: Product, index: &str, keep_alive: &str) -> Result<String> {
    let name = segment(index);
    must("POST", &format!("/{name}/_refresh"), None)?;
    let (target, key) = match product {
        Product::Elasticsearch => (format!("/{name}/_pit?keep_alive={keep_alive}"), "id"),
        Product::OpenSearch => {
            (format!("/{name}/_search/point_in_time?keep_alive={keep_alive}"), "pit_id")
        }
    };
    let opened = must("POST", &target, None)?;
    let id = opened.get(key).and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| Error::corrupt(format!("{target}: no id came back")))
}

/// Keeps one alive for so long from now on; a search can do that, one for nothing too.
///
/// # Errors
/// When it is gone.
pub fn prolong(id: &str, keep_alive: &str) -> Result<()> {
    let search = json!({ "size": 0, "track_total_hits": false, "pit": { "id": id, "keep_alive": keep_alive } });
    must("POST", "/_search", Some(&search)).map(drop)
}

/// Closes one. One that is gone already is closed.
///
/// # Errors
/// When the server cannot be asked.
pub fn close(product: Product, id: &str) -> Result<()> {
    let (target, body) = match product {
        Product::Elasticsearch => ("/_pit", json!({ "id": id })),
        Product::OpenSearch => ("/_search/point_in_time", json!({ "pit_id": [id] })),
    };
    let reply = crate::client::ask("DELETE", target, Some(&body))?;
    if reply.status == 404 {
        return Ok(());
    }
    reply.success("closing a point in time").map(drop)
}
