use std::fmt;

use lockgate_types::Name;
use serde::Deserialize;

use super::{
    Configuration, Repository, Set, Source, maintenance, notifications, schedules, service,
};

/// Something wrong in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where, counted from 1; 0 when the mistake belongs to no line.
    pub line: usize,
    /// What is wrong and what is expected, in one line.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.message),
            line => write!(formatter, "line {line}: {}", self.message),
        }
    }
}

/// Least speed of a storage, in KiB a second: a slower one would never bring a pack through.
const SPEED_KIB_MIN: u32 = 16;
/// Largest configuration file, in bytes.
pub const CONFIGURATION_BYTES_MAX: usize = 4 << 20;

/// Reads the text of a configuration file.
///
/// # Errors
/// All mistakes that can be seen without touching anything outside the text.
pub fn parse(text: &str) -> Result<Configuration, Vec<Mistake>> {
    if text.len() > CONFIGURATION_BYTES_MAX {
        return Err(vec![Mistake { line: 0, message: "the file is larger than 4 MiB".to_owned() }]);
    }
    let configuration = Configuration::deserialize(
        toml::Deserializer::parse(text).map_err(|e| vec![syntax(text, &e)])?,
    )
    .map_err(|error| vec![syntax(text, &error)])?;
    let mistakes = review(text, &configuration);
    if mistakes.is_empty() { Ok(configuration) } else { Err(mistakes) }
}

fn syntax(text: &str, error: &toml::de::Error) -> Mistake {
    let start = error.span().map_or(0, |span| span.start);
    let line = text.get(..start).map_or(0, |before| before.matches('\n').count() + 1);
    let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    Mistake { line, message }
}

fn review(text: &str, configuration: &Configuration) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let policy = configuration.trust.policy().check();
    mistakes.extend(policy.err().map(|error| at(text, "trust", error.to_string())));
    for (name, repository) in &configuration.repositories {
        let table = format!("repositories.{name}");
        let found = review_repository(repository);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    for (name, source) in &configuration.sources {
        let table = format!("sources.{name}");
        let found = review_source(configuration, source);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    for (name, set) in &configuration.sets {
        let table = format!("sets.{name}");
        let found = review_set(configuration, name, set);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    for (name, schedule) in &configuration.schedules {
        let table = format!("schedules.{name}");
        let found = schedules::review(configuration, schedule);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    let found = service::review(&configuration.service);
    mistakes.extend(found.into_iter().map(|message| at(text, "service", message)));
    for (name, user) in &configuration.service.users {
        let table = format!("service.users.{name}");
        let found = service::review_user(user);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    for (name, notification) in &configuration.notifications {
        let table = format!("notifications.{name}");
        let found = notifications::review(configuration, notification);
        mistakes.extend(found.into_iter().map(|message| at(text, &table, message)));
    }
    mistakes
}

fn at(text: &str, table: &str, message: String) -> Mistake {
    let header = format!("[{table}");
    let line = text
        .lines()
        .position(|line| line.trim_start().starts_with(&header))
        .map_or(0, |index| index + 1);
    Mistake { line, message: format!("{table}: {message}") }
}

fn review_repository(repository: &Repository) -> Vec<String> {
    let mut found = Vec::new();
    if let Err(error) = repository.url.parse::<lockgate_storage::StorageUrl>() {
        found.push(format!("url: {error}"));
    }
    let ways = [
        repository.password_file.is_some(),
        repository.password_variable.is_some(),
        repository.password_command.is_some(),
    ];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        found.push(
            "give only one of password-file, password-variable and password-command".to_owned(),
        );
    }
    if repository.write.compression.parse::<lockgate_repository::Compression>().is_err() {
        found.push(format!(
            "write.compression: {:?} is not one of off, fastest, auto, better, max",
            repository.write.compression
        ));
    }
    if repository.write.chunking.parse::<lockgate_repository::Chunking>().is_err() {
        let chunking = &repository.write.chunking;
        found.push(format!("write.chunking: {chunking:?} is not one of keyed, restic"));
    }
    let (pack, memory) = (repository.write.pack_mib, repository.write.memory_mib);
    if !(4..=128).contains(&pack) {
        found.push(format!("write.pack-mib: {pack} is not between 4 and 128"));
    }
    if memory < 64 {
        found.push(format!("write.memory-mib: {memory} is less than 64"));
    }
    for (name, limit) in [
        ("limit-upload-kib", repository.limit_upload_kib),
        ("limit-download-kib", repository.limit_download_kib),
    ] {
        if limit.is_some_and(|limit| limit < SPEED_KIB_MIN) {
            found.push(format!(
                "{name}: give at least {SPEED_KIB_MIN}, or leave it out for no limit"
            ));
        }
    }
    if repository.keep.as_ref().is_some_and(lockgate_repository::Policy::is_empty) {
        found.push("keep: give at least one rule, such as last = 7".to_owned());
    }
    if !(1..=64).contains(&repository.write.uploads) {
        found.push("write.uploads: give 1 to 64".to_owned());
    }
    found
}

fn review_source(configuration: &Configuration, source: &Source) -> Vec<String> {
    let mut found = maintenance::review(source.maintenance.as_ref());
    for (index, name) in source.repository.iter().enumerate() {
        if !configuration.repositories.contains_key(name) {
            found.push(format!("repository: there is no [repositories.{name}]"));
        }
        if source.repository[..index].contains(name) {
            found.push(format!("repository: {name} twice"));
        }
    }
    if source.repository.is_empty() && configuration.repositories.len() > 1 {
        found.push("repository: say which one, there are several".to_owned());
    }
    if !(1..=64).contains(&source.parallel) {
        found.push(format!("parallel: {} is not between 1 and 64", source.parallel));
    }
    for (name, folder) in &source.folders {
        if !folder.path.is_absolute() {
            found.push(format!("folders.{name}.path: {} is not absolute", folder.path.display()));
        }
    }
    for (name, endpoint) in &source.endpoints {
        if endpoint
            .address
            .rsplit_once(':')
            .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        {
            found
                .push(format!("endpoints.{name}.address: {:?} is not host:port", endpoint.address));
        }
    }
    for (name, credential) in &source.credentials {
        if let Err(reason) = credential.source() {
            found.push(format!("credentials.{name} {reason}"));
        }
    }
    found
}

fn review_set(configuration: &Configuration, name: &Name, set: &Set) -> Vec<String> {
    let mut found = maintenance::review(set.maintenance.as_ref());
    if configuration.sources.contains_key(name) {
        found.push("a source has this name too".to_owned());
    }
    if set.sources.len() < 2 {
        found.push("sources: name two or more".to_owned());
    }
    if !(1..=3600).contains(&set.hold_seconds) {
        found.push(format!("hold-seconds: {} is not between 1 and 3600", set.hold_seconds));
    }
    let mut repositories = Vec::new();
    for (index, source) in set.sources.iter().enumerate() {
        if set.sources[..index].contains(source) {
            found.push(format!("sources: {source} twice"));
        }
        match configuration.sources.get(source) {
            Some(source) => repositories.push(&source.repository),
            None => found.push(format!("sources: there is no [sources.{source}]")),
        }
    }
    for name in set.after.iter().flat_map(|(name, needed)| std::iter::once(name).chain(needed)) {
        if !set.sources.contains(name) {
            found.push(format!("after: {name} is not one of the sources"));
        }
    }
    if repositories.windows(2).any(|pair| pair[0] != pair[1]) {
        found.push(
            "sources: they must have the same repository, or the same list of them".to_owned(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_line_and_what_is_expected() {
        let text = "[repositories.main]\nurl = \"fs:/srv/backup\"\n\n[sources.home]\nplugin = \"files\"\nrepository = \"mian\"\n";
        let mistakes = parse(text).unwrap_err();
        assert_eq!(
            mistakes[0].to_string(),
            "line 4: sources.home: repository: there is no [repositories.mian]"
        );
    }

    #[test]
    fn unknown_keys_are_refused_with_their_line() {
        let mistakes =
            parse("[repositories.main]\nurl = \"fs:/a\"\npasword-file = \"x\"\n").unwrap_err();
        assert_eq!(mistakes[0].line, 3);
        assert!(mistakes[0].message.contains("pasword-file"), "{}", mistakes[0]);
    }

    #[test]
    fn a_speed_that_brings_nothing_through_is_refused() {
        let text =
            |kib: u32| format!("[repositories.main]\nurl = \"fs:/a\"\nlimit-upload-kib = {kib}\n");
        let mistakes = parse(&text(15)).unwrap_err();
        assert!(
            mistakes[0].message.contains("limit-upload-kib: give at least 16"),
            "{}",
            mistakes[0]
        );
        assert_eq!(parse(&text(16)).unwrap().repositories.len(), 1);
    }

    #[test]
    fn a_source_with_everything_is_understood() {
        let text = r#"
[repositories.main]
url = "fs:/srv/backup"
password-file = "/etc/lockgate/password"

[sources.shop]
plugin = "mariadb"
parallel = 8
config = { databases = ["shop"] }
endpoints.server = { address = "127.0.0.1:3306", encryption = "start" }
credentials.login = { principal = "backup", secret-file = "/etc/lockgate/shop" }
limits = { memory-bytes = 134217728 }
"#;
        let configuration = parse(text).unwrap();
        let source = configuration.sources.values().next().unwrap();
        assert_eq!(source.limits.memory_bytes, 128 << 20);
        assert_eq!(source.config_json(), r#"{"databases":["shop"]}"#);
        assert_eq!(source.grants().endpoints.len(), 1);
    }

    #[test]
    fn a_set_is_of_sources_that_can_be_one_snapshot() {
        let sources = "[repositories.a]\nurl = \"fs:/a\"\n[repositories.b]\nurl = \"fs:/b\"\n\
            [sources.x]\nplugin = \"files\"\nrepository = \"a\"\n\
            [sources.y]\nplugin = \"files\"\nrepository = \"a\"\n\
            [sources.z]\nplugin = \"files\"\nrepository = \"b\"\n";
        let with =
            |name: &str, set: &str| parse(&format!("{sources}[sets.{name}]\nsources = {set}\n"));
        let good = with("shop", r#"["y", "x"]"#).unwrap();
        let set = good.sets.values().next().unwrap();
        assert_eq!((set.sources.len(), set.hold_seconds), (2, 60));
        for (name, set, expected) in [
            ("shop", r#"["x"]"#, "two or more"),
            ("shop", r#"["x", "x"]"#, "x twice"),
            ("shop", r#"["x", "w"]"#, "no [sources.w]"),
            ("shop", r#"["x", "z"]"#, "the same repository"),
            ("x", r#"["x", "y"]"#, "a source has this name too"),
            ("shop", "[\"x\", \"y\"]\nhold-seconds = 0", "not between 1 and 3600"),
        ] {
            let mistakes = with(name, set).unwrap_err();
            assert_eq!(mistakes[0].line, 14, "{}", mistakes[0]);
            assert!(mistakes[0].message.contains(expected), "{}", mistakes[0]);
        }
    }
}
