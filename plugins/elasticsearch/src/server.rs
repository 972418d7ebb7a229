//! Which server it is, and whether it is one that this plugin works with.

use std::fmt;

use lockgate_plugin::{Error, Part, Result, printable};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{self, get};
use crate::config::Config;

/// What was run in the tests.
pub const TESTED: &str = "Elasticsearch 7.17 and 8.19, OpenSearch 2.19";

/// Attribute of a part: the server that it was saved from.
pub const ATTRIBUTE: &str = "server";

/// Who made the server. They have the same roots, and go different ways since 2021.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// <https://www.elastic.co/elasticsearch>.
    Elasticsearch,
    /// <https://opensearch.org>.
    OpenSearch,
}

/// A server's product and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Who made it.
    pub product: Product,
    /// Major, minor, patch.
    pub version: (u32, u32, u32),
}

#[derive(Deserialize)]
struct Root {
    version: RootVersion,
}

#[derive(Deserialize)]
struct RootVersion {
    number: String,
    distribution: Option<String>,
}

impl Product {
    const fn name(self) -> &'static str {
        match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version;
        write!(formatter, "{} {major}.{minor}.{patch}", self.product.name())
    }
}

impl Server {
    /// Asks the server who it is.
    ///
    /// # Errors
    /// When it does not say, or is not one that this plugin works with.
    pub fn probe(config: &Config) -> Result<Self> {
        let server = Self::ask()?;
        server.admit(config.allow_untested_version)?;
        Ok(server)
    }

    fn ask() -> Result<Self> {
        let reply = client::ask("GET", "/", None)?;
        // A server without that page (a distribution with few modules) tells its nodes' versions all the same.
        if !matches!(reply.status, 404 | 405) {
            let root: Root = reply.success("asking the server for its version")?.json("/")?;
            let product = match root.version.distribution.as_deref() {
                Some("opensearch") => Product::OpenSearch,
                Some(other) => return Err(foreign(other)),
                None => Product::Elasticsearch,
            };
            return Self::parse(product, &root.version.number);
        }
        if reply.product.as_deref() != Some("Elasticsearch") {
            return Err(foreign("a server that does not say what it is"));
        }
        let nodes: Value = get("/_nodes/_local?filter_path=nodes.*.version")?;
        let node =
            nodes.get("nodes").and_then(Value::as_object).and_then(|all| all.values().next());
        let version = node.and_then(|node| node.get("version")).and_then(Value::as_str);
        Self::parse(Product::Elasticsearch, version.unwrap_or_default())
    }

    fn parse(product: Product, text: &str) -> Result<Self> {
        let plain = text.split('-').next().unwrap_or_default();
        let numbers: Vec<u32> = plain.split('.').filter_map(|number| number.parse().ok()).collect();
        match numbers.as_slice() {
            &[major, minor, patch] => Ok(Self { product, version: (major, minor, patch) }),
            _ => Err(foreign(&format!("{} {text:?}", product.name()))),
        }
    }

    /// Whether this version was run in the tests.
    pub fn is_tested(&self) -> bool {
        let (major, minor, _) = self.version;
        match self.product {
            Product::Elasticsearch => matches!((major, minor), (7, 17) | (8, 19)),
            Product::OpenSearch => (major, minor) == (2, 19),
        }
    }

    /// Sliced points in time came with Elasticsearch 7.12 and OpenSearch 2.4.
    fn is_known(&self) -> bool {
        let (major, minor, _) = self.version;
        match self.product {
            Product::Elasticsearch => matches!((major, minor), (7, 12..) | (8, _)),
            Product::OpenSearch => matches!((major, minor), (2, 4..) | (3, _)),
        }
    }

    fn admit(&self, is_untested_allowed: bool) -> Result<()> {
        if self.is_known() || is_untested_allowed {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "{self} is not known to this plugin: it was tested with {TESTED} and takes Elasticsearch 7.12 to 8 and \
             OpenSearch 2.4 to 3; `allow-untested-version = true` in `config` tries all the same"
        )))
    }

    /// Whether this server may take what `part` was saved from: the same product, of the same release or a newer one.
    ///
    /// # Errors
    /// When it may not, or the part does not say.
    pub fn admit_archive(&self, part: &Part, is_untested_allowed: bool) -> Result<()> {
        let unnamed = || Error::corrupt(format!("part {} does not name its server", part.id));
        let text = part.attribute(ATTRIBUTE).ok_or_else(unnamed)?;
        let (product, version) = text.split_once(' ').ok_or_else(unnamed)?;
        let product = [Product::Elasticsearch, Product::OpenSearch]
            .into_iter()
            .find(|known| known.name() == product)
            .ok_or_else(unnamed)?;
        let archived = Self::parse(product, version)?;
        let is_older = (self.version.0, self.version.1) < (archived.version.0, archived.version.1);
        if (self.product == archived.product && !is_older) || is_untested_allowed {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "the backup is of {archived} and the target is {self}: restore into the same product of the same release or a \
             newer one; `allow-untested-version = true` in `config` tries all the same"
        )))
    }
}

fn foreign(what: &str) -> Error {
    let what = printable(what);
    Error::unsupported(format!("{what} is neither Elasticsearch nor OpenSearch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(product: Product, text: &str) -> Server {
        Server::parse(product, text).unwrap()
    }

    #[test]
    fn versions_are_known_or_refused() {
        use Product::{Elasticsearch, OpenSearch};
        for (product, text, known) in [
            (Elasticsearch, "7.17.29", true),
            (Elasticsearch, "8.0.0-SNAPSHOT", true),
            (Elasticsearch, "7.11.2", false),
            (Elasticsearch, "9.0.0", false),
            (OpenSearch, "2.19.6", true),
            (OpenSearch, "1.3.0", false),
            (OpenSearch, "4.0.0", false),
        ] {
            let server = server(product, text);
            assert_eq!(server.admit(false).is_ok(), known, "{server}");
            assert!(server.admit(true).is_ok());
        }
        assert!(Server::parse(OpenSearch, "2").is_err() && Server::parse(OpenSearch, "").is_err());
    }

    #[test]
    fn backups_go_into_the_same_product_and_not_into_an_older_one() {
        let part = |text: &str| Part::new("index/a", "index").with_attribute(ATTRIBUTE, text);
        let live = server(Product::Elasticsearch, "8.19.21");
        assert!(live.admit_archive(&part("Elasticsearch 7.17.29"), false).is_ok());
        assert!(live.admit_archive(&part("Elasticsearch 8.19.30"), false).is_ok());
        assert!(live.admit_archive(&part("Elasticsearch 8.20.0"), false).is_err());
        assert!(live.admit_archive(&part("OpenSearch 2.19.6"), false).is_err());
        assert!(live.admit_archive(&part("OpenSearch 2.19.6"), true).is_ok());
        assert!(live.admit_archive(&part("Solr 9.0.0"), true).is_err());
        assert!(live.admit_archive(&Part::new("index/a", "index"), false).is_err());
    }
}
