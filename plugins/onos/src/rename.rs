//! Names of nodes, devices and addresses in JSON, and how they are changed.

use serde_json::{Map, Value};

/// Old names and new ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<(String, String)>);

impl Names {
    /// From the operator's pairs.
    #[must_use]
    pub fn new<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> Self {
        Self(pairs.into_iter().cloned().collect())
    }

    /// The way back.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self(self.0.iter().map(|(from, to)| (to.clone(), from.clone())).collect())
    }

    /// JSON in which keys and texts that are an old name, or begin with one and a slash (a port of a device), have the new one.
    #[must_use]
    pub fn apply(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.name(&text)),
            Value::Array(all) => all.into_iter().map(|it| self.apply(it)).collect(),
            Value::Object(members) => {
                let renamed =
                    members.into_iter().map(|(key, it)| (self.name(&key), self.apply(it)));
                Value::Object(renamed.collect())
            }
            other => other,
        }
    }

    fn name(&self, text: &str) -> String {
        let renamed = self.0.iter().find_map(|(from, to)| {
            let rest = text.strip_prefix(from.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
        });
        renamed.unwrap_or_else(|| text.to_owned())
    }
}

/// JSON in which every object with an `id` that has a new address says so in `ip`, and in `port` where the address has one.
#[must_use]
pub fn readdressed<'a>(value: Value, address: &impl Fn(&str) -> Option<&'a str>) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(|it| readdressed(it, address)).collect(),
        Value::Object(members) => {
            let new = members.get("id").and_then(Value::as_str).and_then(address);
            let inner = members.into_iter().map(|(key, it)| (key, readdressed(it, address)));
            let mut members: Map<String, Value> = inner.collect();
            if let Some(new) = new.filter(|_| members.contains_key("ip")) {
                let parts = new.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
                let (host, port) =
                    parts.map_or((new, None), |(host, port)| (host, port.parse::<u16>().ok()));
                members.insert("ip".to_owned(), host.into());
                if let Some(port) = port {
                    members.insert("port".to_owned(), port.into());
                }
            }
            Value::Object(members)
        }
        other => other,
    }
}

/// JSON without what a move to other addresses changes.
#[must_use]
pub fn without_addresses(value: Value) -> Value {
    match value {
        Value::Array(all) => all.into_iter().map(without_addresses).collect(),
        Value::Object(mut members) => {
            if members.contains_key("id") {
                members.remove("ip");
                members.remove("port");
            }
            members.into_iter().map(|(key, it)| (key, without_addresses(it))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_changed_where_they_stand_alone() {
        let names = Names::new(&[("of:1".to_owned(), "of:9".to_owned())]);
        let before = json!({"devices": {"of:1": {"a": "of:1"}, "of:11": 1}, "ports": {"of:1/2": ["of:1/3"]}});
        let after = json!({"devices": {"of:9": {"a": "of:9"}, "of:11": 1}, "ports": {"of:9/2": ["of:9/3"]}});
        assert_eq!(names.apply(before.clone()), after);
        assert_eq!(names.inverted().apply(after), before);
    }

    #[test]
    fn nodes_get_new_addresses_under_their_names() {
        let cluster = json!({"name": "c", "node": {"id": "n1", "ip": "10.0.0.1", "port": 9876},
            "storage": [{"id": "s1", "ip": "10.0.0.9", "port": 5679}, {"id": "s2", "ip": "fe80::1"}]});
        let address = |id: &str| match id {
            "n1" => Some("10.1.0.1"),
            "s1" => Some("10.1.0.9:5680"),
            "s2" => Some("fe80::2"),
            _ => None,
        };
        let moved = readdressed(cluster.clone(), &address);
        assert_eq!(moved["node"], json!({"id": "n1", "ip": "10.1.0.1", "port": 9876}));
        assert_eq!(moved["storage"][0], json!({"id": "s1", "ip": "10.1.0.9", "port": 5680}));
        assert_eq!(moved["storage"][1], json!({"id": "s2", "ip": "fe80::2"}));
        assert_eq!(without_addresses(moved), without_addresses(cluster));
    }
}
