//! `NetworkConfigWebResource`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{error, partly};
use crate::service::Answer;

/// The classes of subjects that are known.
const CLASSES: [&str; 7] = ["apps", "devices", "hosts", "layouts", "links", "ports", "regions"];

/// Configurations by class, subject and key.
#[derive(Default)]
pub struct Network(BTreeMap<(String, String), Map<String, Value>>);

impl Network {
    /// `GET`, at any depth.
    pub fn read(&self, below: &[&str]) -> Answer {
        let told = match below {
            [] => {
                let all = CLASSES.iter().map(|it| ((*it).to_owned(), self.class(it)));
                Value::Object(all.collect())
            }
            [class] if CLASSES.contains(class) => self.class(class),
            [class, subject] => match self.subject(class, subject) {
                Some(found) => Value::Object(found.clone()),
                None => return not_found(below),
            },
            [class, subject, key] => match self.subject(class, subject).and_then(|it| it.get(*key))
            {
                Some(found) => found.clone(),
                None => return not_found(below),
            },
            _ => return not_found(below),
        };
        Answer::json(200, &told)
    }

    fn class(&self, class: &str) -> Value {
        let of_class = self.0.iter().filter(|((held, _), _)| held == class);
        of_class
            .map(|((_, subject), configs)| (subject.clone(), json!(configs)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn subject(&self, class: &str, subject: &str) -> Option<&Map<String, Value>> {
        self.0.get(&(class.to_owned(), subject.to_owned()))
    }

    /// `POST`, at any depth.
    pub fn post(&mut self, below: &[&str], value: &Value) -> Answer {
        let mut whole = value.clone();
        for name in below.iter().rev() {
            whole = json!({*name: whole});
        }
        if let [class, ..] = below
            && !CLASSES.contains(class)
        {
            return error(404, &format!("subjectClassKey '{class}' not found"));
        }
        let mut wrong = Vec::new();
        let empty = Map::new();
        for (class, subjects) in whole.as_object().unwrap_or(&empty) {
            if !CLASSES.contains(&class.as_str()) {
                wrong.push(format!("subjectClassKey '{class}' not found"));
                continue;
            }
            let Some(subjects) = subjects.as_object() else {
                wrong.push(format!("Config for '{class}' is invalid"));
                continue;
            };
            for (subject, configs) in subjects {
                let held = self.0.entry((class.clone(), subject.clone())).or_default();
                for (key, config) in configs.as_object().unwrap_or(&empty) {
                    held.insert(key.clone(), config.clone());
                }
            }
        }
        if wrong.is_empty() { Answer::empty(200) } else { partly(&wrong) }
    }

    /// `DELETE`, at any depth.
    pub fn delete(&mut self, below: &[&str]) -> Answer {
        if let [class, ..] = below
            && !CLASSES.contains(class)
        {
            return error(404, &format!("subjectClassKey '{class}' not found"));
        }
        if let [class, subject, key] = below {
            if let Some(held) = self.0.get_mut(&((*class).to_owned(), (*subject).to_owned())) {
                held.remove(*key);
            }
        } else {
            self.0.retain(|(class, subject), _| match below {
                [] => false,
                [gone] => gone != class,
                [of, gone, ..] => of != class || gone != subject,
            });
        }
        self.0.retain(|_, configs| !configs.is_empty());
        Answer::empty(204)
    }
}

fn not_found(below: &[&str]) -> Answer {
    error(404, &format!("Config for '{}' not found", below.join("/")))
}
