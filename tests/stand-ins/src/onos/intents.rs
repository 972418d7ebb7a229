//! `IntentsWebResource` and `IntentCodec`.

use serde_json::{Value, json};

use super::applications::Applications;
use super::{error, text};
use crate::service::Answer;

/// Types that the codec decodes, and what each must have.
const TYPES: [(&str, &[&str]); 4] = [
    ("HostToHostIntent", &["one", "two"]),
    ("MultiPointToSinglePointIntent", &["ingressPoint", "egressPoint"]),
    ("PointToPointIntent", &["ingressPoint", "egressPoint"]),
    ("SinglePointToMultiPointIntent", &["ingressPoint", "egressPoint"]),
];

/// Intents in the order in which they came.
#[derive(Default)]
pub struct Intents {
    all: Vec<Value>,
    last: u64,
}

impl Intents {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// `GET`. Without details only what all types have.
    pub fn read(&self, below: &[&str], has_details: bool) -> Answer {
        match below {
            [] => {
                let base = ["type", "id", "key", "appId", "resources", "state"];
                let shown = |intent: &Value| match intent.as_object().filter(|_| !has_details) {
                    Some(members) => {
                        let kept = members.iter().filter(|(key, _)| base.contains(&key.as_str()));
                        kept.map(|(key, it)| (key.clone(), it.clone())).collect()
                    }
                    None => intent.clone(),
                };
                Answer::json(
                    200,
                    &json!({"intents": self.all.iter().map(shown).collect::<Vec<_>>()}),
                )
            }
            [app, key] => match self.all.iter().find(|it| it["appId"] == *app && it["key"] == *key)
            {
                Some(found) => Answer::json(200, found),
                None => error(404, "Intent is not found"),
            },
            _ => error(404, "HTTP 404 Not Found"),
        }
    }

    /// `POST`: submits one. One with the same key is replaced.
    pub fn post(&mut self, mut intent: Value, applications: &Applications) -> Answer {
        let Some(kind) = intent.get("type").map(text) else {
            return error(400, "type member is required in Intent");
        };
        let Some((_, wanted)) = TYPES.iter().find(|(known, _)| *known == kind) else {
            return error(400, &format!("Intent type {kind} is not supported"));
        };
        let Some(app) = intent.get("appId").map(text) else {
            return error(400, "appId member is required in Intent");
        };
        if !applications.is_known(&app) {
            return error(404, "Application ID is not found");
        }
        if let Some(missing) = wanted.iter().find(|key| intent.get(**key).is_none()) {
            return error(400, &format!("{missing} member is required in {kind}"));
        }
        self.last += 1;
        let id = format!("0x{:x}", self.last);
        intent["id"] = id.clone().into();
        if intent.get("key").is_none() {
            intent["key"] = id.into();
        }
        intent["state"] = "INSTALLED".into();
        if intent.get("resources").is_none() {
            intent["resources"] = json!([]);
        }
        let key = intent["key"].clone();
        self.all.retain(|it| it["appId"] != app || it["key"] != key);
        self.all.push(intent);
        let location = format!("/onos/v1/intents/{app}/{}", self.last);
        Answer::empty(201).with("location", &location)
    }

    /// `DELETE`: withdraws one; one that is not there is withdrawn already.
    pub fn delete(&mut self, app: &str, key: &str, applications: &Applications) -> Answer {
        if !applications.is_known(app) {
            return error(404, "Application Id not found");
        }
        self.all.retain(|it| it["appId"] != app || it["key"] != key);
        Answer::empty(204)
    }
}
