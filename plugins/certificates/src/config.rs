use lockgate_plugin::glob::Pattern;
use serde::Deserialize;

/// For people and programs.
pub const SCHEMA: &str = include_str!("config.schema.json");

/// The source's configuration; [`SCHEMA`] describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// For whom secrets are sealed, as age writes them.
    pub recipients: Vec<String>,
    /// What is left out. The last pattern that matches decides.
    pub exclude: Vec<Pattern>,
    /// What is sealed whatever it looks like.
    pub secret: Vec<Pattern>,
    /// What is stored as it is unless it is known to be secret.
    pub public: Vec<Pattern>,
    /// Days before its end from which a certificate is a warning.
    pub warn_days: u32,
    /// Milliseconds for which nothing may have changed in a part before it is read.
    pub settle_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recipients: Vec::new(),
            exclude: Vec::new(),
            secret: Vec::new(),
            public: Vec::new(),
            warn_days: 30,
            settle_ms: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::glob::matches;

    use super::*;

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let config: Config =
            serde_json::from_str(r#"{"public": ["*.conf", "!tls/*.conf"]}"#).unwrap();
        assert!(matches(&config.public, b"a/b.conf", false));
        assert!(!matches(&config.public, b"tls/b.conf", false));
        assert!(!matches(&config.public, b"b.key", false));
    }

    #[test]
    fn the_schema_names_every_key_and_default() {
        lockgate_plugin::native::check_schema::<Config>(SCHEMA).unwrap();
        assert!(serde_json::from_str::<Config>(r#"{"recipient": []}"#).is_err());
    }
}
