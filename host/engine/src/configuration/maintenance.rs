use serde::Deserialize;

/// What takes an application out of service, and puts it back: programs of the operator's, run by the host and not by plugins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MaintenanceCommands {
    /// The program and its arguments; no shell. May run when it was run before.
    pub enter: Vec<String>,
    /// The same for the way back. May run when nothing was taken out.
    pub leave: Vec<String>,
    /// How long each of them may take, in seconds.
    #[serde(default = "timeout_seconds_default")]
    pub timeout_seconds: u32,
}

fn timeout_seconds_default() -> u32 {
    120
}

/// Mistakes that can be seen without running anything.
pub(super) fn review(commands: Option<&MaintenanceCommands>) -> Vec<String> {
    let Some(commands) = commands else { return Vec::new() };
    let mut found = Vec::new();
    for (key, words) in [("enter", &commands.enter), ("leave", &commands.leave)] {
        if words.first().is_none_or(String::is_empty) {
            found.push(format!(
                "maintenance.{key}: name a program, as in [\"systemctl\", \"stop\", \"shop\"]"
            ));
        }
        if words.iter().any(|word| word.contains('\0')) {
            found.push(format!("maintenance.{key}: there is a NUL in it"));
        }
    }
    if !(1..=3600).contains(&commands.timeout_seconds) {
        let seconds = commands.timeout_seconds;
        found.push(format!("maintenance.timeout-seconds: {seconds} is not between 1 and 3600"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn with(maintenance: &str) -> Result<u32, Vec<String>> {
        let text = format!(
            "[repositories.main]\nurl = \"fs:/a\"\n[sources.x]\nplugin = \"files\"\n[sources.x.maintenance]\n{maintenance}"
        );
        let shown = |mistakes: Vec<super::super::Mistake>| {
            mistakes.iter().map(ToString::to_string).collect::<Vec<String>>()
        };
        let configuration = parse(&text).map_err(shown)?;
        let source = configuration.sources.values().next();
        Ok(source.and_then(|it| it.maintenance.as_ref()).map_or(0, |it| it.timeout_seconds))
    }

    #[test]
    fn commands_are_words_with_a_program() {
        let good = "enter = [\"systemctl\", \"stop\", \"shop\"]\nleave = [\"systemctl\", \"start\", \"shop\"]\n";
        assert_eq!(with(good), Ok(120));
        for (text, expected) in [
            ("enter = []\nleave = [\"b\"]\n", "maintenance.enter: name a program"),
            ("enter = [\"a\"]\n", "missing field `leave`"),
            ("enter = \"a\"\nleave = \"b\"\n", "expected a sequence"),
            (
                "enter = [\"a\"]\nleave = [\"b\"]\ntimeout-seconds = 0\n",
                "0 is not between 1 and 3600",
            ),
        ] {
            let mistakes = with(text).unwrap_err();
            assert!(mistakes[0].contains(expected), "{mistakes:?}");
        }
    }
}
