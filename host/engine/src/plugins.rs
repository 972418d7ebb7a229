use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lockgate_sandbox::CONTRACTS;
use lockgate_trust::{
    AdmitError, Admitted, COMPONENT_BYTES_MAX, Candidate, Declaration, PREAMBLE_BYTES,
    SIGNATURES_BYTES_MAX, Signatures, admit, are_compatible, check_preamble,
};
use lockgate_types::{Descriptor, Name};

use crate::{Error, ErrorKind, Result};

/// The folder with the installed components, `NAME.wasm` each.
pub struct Plugins {
    folder: PathBuf,
}

/// A component that was found and admitted.
pub struct Plugin {
    /// As it calls itself.
    pub name: Name,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes and digest.
    pub admitted: Admitted,
    /// What it says of itself and asks for.
    pub declaration: Declaration,
    /// What lies beside it; none when there is no signature file.
    pub signatures: Option<Signatures>,
}

/// What a component's file name gets for the name of its signature file.
pub const SIGNATURES_ENDING: &str = ".sig";

/// The signature file that belongs to a component's file.
#[must_use]
pub fn signatures_path(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(SIGNATURES_ENDING);
    path.into()
}

impl Plugin {
    /// The lock entry that would pin it, without looking at signatures.
    #[must_use]
    pub fn unsigned_entry(&self) -> lockgate_trust::Locked {
        self.candidate().entry(&[])
    }

    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            admitted: &self.admitted,
            declaration: &self.declaration,
            signatures: self.signatures.as_ref(),
        }
    }

    /// Whether this program speaks the contract that the plugin was built for.
    ///
    /// # Errors
    /// With both versions, or that it has nothing of any version.
    pub fn check_contract(&self) -> Result<()> {
        let Some(built_for) = self.admitted.contract.as_deref() else {
            let message = format!(
                "plugin {} {} has no interface of the contract lockgate:datastore, so it is none",
                self.name, self.declaration.version
            );
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("build it for the world `plugin` of the package lockgate:datastore"));
        };
        if CONTRACTS.iter().any(|spoken| are_compatible(spoken, built_for)) {
            return Ok(());
        }
        let message = format!(
            "plugin {} {} was built for version {built_for} of the contract, and this lockgate speaks {}",
            self.name,
            self.declaration.version,
            CONTRACTS.join(" and ")
        );
        Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("install a release of the plugin for that version, or a lockgate that speaks the plugin's"))
    }

    /// Whether the running plugin says the same of itself as its `plugin.toml`.
    pub(crate) fn check_descriptor(&self, descriptor: &Descriptor) -> Result<()> {
        let declared = &self.declaration;
        if descriptor.name == declared.name.as_str()
            && descriptor.version == declared.version.to_string()
        {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Untrusted,
            format!(
                "plugin {} {} calls itself {:?} {:?} once it runs",
                declared.name, declared.version, descriptor.name, descriptor.version
            ),
        )
        .with_hint("its author has to correct plugin.toml"))
    }
}

impl Plugins {
    /// The components in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Paths of all components, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder).map_err(|error| self.unreadable(&error))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| self.unreadable(&error))?.path();
            if path.extension().is_some_and(|ending| ending == "wasm") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// Finds and admits a component by name, or by path when `plugin` has a `/` or ends in `.wasm`.
    ///
    /// # Errors
    /// When it is not there or is no component.
    pub fn find(&self, plugin: &str) -> Result<Plugin> {
        let is_path = plugin.contains('/')
            || Path::new(plugin).extension().is_some_and(|ending| ending == "wasm");
        if is_path {
            return load(Path::new(plugin));
        }
        let name: Name = plugin
            .parse()
            .map_err(|error| Error::new(ErrorKind::Configuration, format!("plugin {error}")))?;
        let path = self.folder.join(format!("{name}.wasm"));
        if !path.exists() {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!("there is no plugin {name} in {}", self.folder.display()),
            )
            .with_hint(
                "`lockgate plugin list` shows what is installed; --plugins names another folder",
            ));
        }
        let plugin = load(&path)?;
        if plugin.name != name {
            return Err(Error::new(
                ErrorKind::Untrusted,
                format!("plugin {name}: {} calls itself {}", path.display(), plugin.name),
            )
            .with_hint("put the right component back, or name this one by its path"));
        }
        Ok(plugin)
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        Error::new(
            ErrorKind::Configuration,
            format!("plugin folder {}: {error}", self.folder.display()),
        )
        .with_hint("build the plugins, or name their folder with --plugins or LOCKGATE_PLUGINS")
    }
}

fn load(path: &Path) -> Result<Plugin> {
    let unusable = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("plugin {}: {cause}", path.display()))
    };
    let component = read_component(path).map_err(|error| unusable(error.to_string()))?;
    let mut admitted = admit(component).map_err(|error| unusable(error.to_string()))?;
    let declaration = admitted.declaration.take().ok_or_else(|| {
        unusable(
            "the component carries no plugin.toml, so nobody knows what it asks for".to_owned(),
        )
        .with_hint("build it with lockgate-build")
    })?;
    let beside = signatures_path(path);
    let signatures = match read(&beside, SIGNATURES_BYTES_MAX) {
        Ok(bytes) => Some(Signatures::parse(&bytes).map_err(|error| unreadable(&beside, &error))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(unreadable(&beside, &error)),
    };
    let name = declaration.name.clone();
    Ok(Plugin { name, path: path.to_owned(), admitted, declaration, signatures })
}

fn unreadable(signatures: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Untrusted, format!("signature file {}: {cause}", signatures.display()))
        .with_hint("get the signature file again, from the same release as the component")
}

/// The whole file, and one byte more than allowed when it is longer.
fn read(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bounded(fs::File::open(path)?, bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The whole file of a component; only the first bytes of what is none or too long.
fn read_component(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > COMPONENT_BYTES_MAX {
        return Err(std::io::Error::other(AdmitError::TooLarge(length)));
    }
    let mut bytes = Vec::new();
    let mut start = bounded(file, PREAMBLE_BYTES);
    start.read_to_end(&mut bytes)?;
    if check_preamble(&bytes).is_ok() {
        // Grown piece by piece, it would take twice the room.
        bytes.reserve_exact(length);
        bounded(start.into_inner(), COMPONENT_BYTES_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn bounded(file: fs::File, bytes_max: usize) -> std::io::Take<fs::File> {
    file.take(u64::try_from(bytes_max).unwrap_or(u64::MAX))
}
