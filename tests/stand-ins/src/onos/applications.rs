//! `ApplicationsWebResource`. Archives are taken as a plain `app.xml`, which is one of the two forms that ONOS takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error;
use crate::service::Answer;

/// Applications by their names.
pub struct Applications(BTreeMap<String, Application>);

struct Application {
    id: usize,
    version: String,
    bits: String,
    is_active: bool,
}

/// What comes with the installation, and what of it is active.
const BUILT_IN: [(&str, bool); 4] = [
    ("org.onosproject.drivers", true),
    ("org.onosproject.fwd", false),
    ("org.onosproject.gui2", true),
    ("org.onosproject.openflow", false),
];

impl Applications {
    /// Those that come with the installation.
    pub fn new() -> Self {
        let application = |(id, (name, is_active)): (usize, &(&str, bool))| {
            let bits =
                format!("<app name=\"{name}\" version=\"2.7.0\" origin=\"ONOS Community\"/>");
            let made = Application { id, version: "2.7.0".to_owned(), bits, is_active: *is_active };
            ((*name).to_owned(), made)
        };
        Self(BUILT_IN.iter().enumerate().map(application).collect())
    }

    /// Whether an application has registered itself.
    pub fn is_known(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// `GET`.
    pub fn read(&self, below: &[&str]) -> Answer {
        match below {
            [] => {
                let all: Vec<Value> = self.0.iter().map(|(name, it)| it.told(name)).collect();
                Answer::json(200, &json!({"applications": all}))
            }
            [name] => match self.0.get(*name) {
                Some(found) => Answer::json(200, &found.told(name)),
                None => not_found(name),
            },
            [name, "bits"] => match self.0.get(*name) {
                Some(found) => {
                    Answer { body: found.bits.clone().into_bytes(), ..Answer::empty(200) }
                        .with("content-type", "application/octet-stream")
                }
                None => error(404, &format!("Application ID is not found: {name}")),
            },
            _ => error(404, "HTTP 404 Not Found"),
        }
    }

    /// Everything else.
    pub fn change(&mut self, method: &str, below: &[&str], query: &str, body: &str) -> Answer {
        match (method, below) {
            ("POST", []) => self.install(body, query.contains("activate=true")),
            ("DELETE", [name]) => {
                self.0.remove(*name);
                Answer::empty(204)
            }
            ("POST", [name, "active"]) => match self.0.get_mut(*name) {
                Some(found) => {
                    found.is_active = true;
                    Answer::json(200, &found.told(name))
                }
                None => not_found(name),
            },
            ("DELETE", [name, "active"]) => {
                if let Some(found) = self.0.get_mut(*name) {
                    found.is_active = false;
                }
                Answer::empty(204)
            }
            _ => error(405, "HTTP 405 Method Not Allowed"),
        }
    }

    fn install(&mut self, bits: &str, is_active: bool) -> Answer {
        let attribute = |name: &str| {
            let (_, rest) = bits.split_once(&format!(" {name}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let is_xml = bits.starts_with("<?xml ") || bits.starts_with("<app ");
        let (Some(name), Some(version)) =
            (attribute("name"), attribute("version").filter(|_| is_xml))
        else {
            return error(400, "Application archive is missing app.xml");
        };
        if self.0.contains_key(&name) {
            return error(400, &format!("Application {name} already installed"));
        }
        let made =
            Application { id: 100 + self.0.len(), version, bits: bits.to_owned(), is_active };
        let told = made.told(&name);
        self.0.insert(name, made);
        Answer::json(200, &told)
    }
}

impl Application {
    fn told(&self, name: &str) -> Value {
        json!({
            "name": name, "id": self.id, "version": self.version, "category": "default", "description": "", "readme": "",
            "origin": "ONOS Community", "url": "", "featuresRepo": "",
            "state": if self.is_active { "ACTIVE" } else { "INSTALLED" },
            "features": [], "permissions": [], "requiredApps": [],
        })
    }
}

fn not_found(name: &str) -> Answer {
    error(404, &format!("Application is not found: {name}"))
}
