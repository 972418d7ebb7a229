use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use lockgate_trust::{CONTRACT_PACKAGE, Declaration};

/// Name of the file in a plugin's folder.
pub const FILE: &str = "plugin.toml";

/// Interfaces that every job offers; they need no reason.
const ALWAYS: [&str; 2] = ["archive", "job"];

/// What a plugin says of itself before it is built.
#[derive(Debug)]
pub struct Manifest {
    /// What the host will read from the component.
    pub declaration: Declaration,
    /// Put into the component unchanged.
    pub text: String,
}

impl Manifest {
    /// Reads the one in `folder`, as strictly as the host will.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let declaration =
            Declaration::parse(text.as_bytes()).with_context(|| format!("{}", path.display()))?;
        Ok(Self { declaration, text })
    }

    /// Checks that the component imports the interfaces of what is asked for, no more and no less.
    pub fn compare(&self, imports: &[String]) -> Result<()> {
        let mut used = BTreeSet::new();
        for import in imports {
            let rest =
                import.strip_prefix(CONTRACT_PACKAGE).and_then(|rest| rest.strip_prefix('/'));
            let Some(interface) = rest else {
                bail!("imports {import}, which is not of the contract");
            };
            let name = interface.split('@').next().unwrap_or(interface);
            if !ALWAYS.contains(&name) {
                used.insert(name);
            }
        }
        let may_see = self.declaration.credentials.values().any(|it| it.reveal.is_some());
        // Some schemes show the secret too, so that asking for it does not mean this interface.
        if used.remove("credentials-reveal") && !may_see {
            bail!("uses credentials-reveal; say why with `reveal` in [credentials.NAME] of {FILE}");
        }
        let asked = self.declaration.interfaces();
        if let Some(missing) = used.difference(&asked).next() {
            bail!("uses {missing}; ask for it in {FILE}, with the reason: {}", table(missing));
        }
        if let Some(unused) = asked.difference(&used).next() {
            bail!("does not use {unused}; take {} out of {FILE}", table(unused));
        }
        Ok(())
    }
}

/// The table of `plugin.toml` that asks for an interface.
fn table(interface: &str) -> String {
    match interface {
        "net" => "[endpoints.NAME]".to_owned(),
        "http" => "[endpoints.NAME] with protocol = \"http\"".to_owned(),
        "files" => "[folders.NAME]".to_owned(),
        "file-locks" => "[folders.NAME] with locks = \"why\"".to_owned(),
        "credentials" => "[credentials.NAME]".to_owned(),
        other => format!("[{other}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(requests: &str) -> Manifest {
        let text = format!("name = 'x'\nversion = '1.0.0'\nsummary = 's'\n{requests}");
        Manifest { declaration: Declaration::parse(text.as_bytes()).unwrap(), text }
    }

    const CLOCK: &str = "[clock]\nreason = 'waits'\n";
    const NET: &str =
        "[endpoints.server]\nprotocol = 'x'\nencryption = ['off']\nreason = 'dials'\n";

    #[test]
    fn what_is_asked_for_and_what_is_imported_must_be_equal() {
        let imports =
            ["lockgate:datastore/job@0.1.0", "lockgate:datastore/net@0.1.0"].map(String::from);
        assert!(manifest(NET).compare(&imports).is_ok());
        let error = manifest("").compare(&imports).unwrap_err().to_string();
        assert!(error.contains("uses net") && error.contains("[endpoints.NAME]"), "{error}");
        let error = manifest(&format!("{NET}{CLOCK}")).compare(&imports).unwrap_err().to_string();
        assert!(error.contains("does not use clock"), "{error}");
    }

    #[test]
    fn endpoints_that_speak_http_are_another_interface() {
        let http = manifest(&NET.replace("'x'", "'http'"));
        assert!(http.compare(&["lockgate:datastore/http@0.1.0".into()]).is_ok());
        assert!(http.compare(&["lockgate:datastore/net@0.1.0".into()]).is_err());
        let error = manifest("").compare(&["lockgate:datastore/http@0.1.0".into()]).unwrap_err();
        assert!(error.to_string().contains("protocol = \"http\""), "{error}");
    }

    #[test]
    fn locking_files_needs_a_reason() {
        let imports = ["files", "file-locks"].map(|it| format!("lockgate:datastore/{it}@0.1.0"));
        let asks = "[folders.data]\nreason = 'reads it'\n";
        let error = manifest(asks).compare(&imports).unwrap_err().to_string();
        assert!(error.contains("uses file-locks") && error.contains("locks = "), "{error}");
        let asks = format!("{asks}locks = 'reads in peace'\n");
        assert!(manifest(&asks).compare(&imports).is_ok());
        assert!(manifest(&asks).compare(&imports[..1]).is_err());
    }

    #[test]
    fn seeing_a_secret_needs_a_reason() {
        let imports = ["credentials", "credentials-reveal"]
            .map(|it| format!("lockgate:datastore/{it}@0.1.0"));
        let asks = "[credentials.account]\nschemes = ['x']\nreason = 'logs in'\n";
        let error = manifest(asks).compare(&imports).unwrap_err().to_string();
        assert!(error.contains("say why with `reveal`"), "{error}");
        let asks = format!("{asks}reveal = 'old servers'\n");
        assert!(manifest(&asks).compare(&imports).is_ok());
        assert!(manifest(&asks).compare(&imports[..1]).is_ok());
    }

    #[test]
    fn imports_outside_of_the_contract_are_refused() {
        assert!(manifest("").compare(&["wasi:cli/environment@0.2.0".into()]).is_err());
    }
}
