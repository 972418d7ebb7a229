use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use lockgate_trust::{Admitted, COMPONENT_BYTES_MAX, admit};
use lockgate_types::Name;

use crate::{Error, ErrorKind, Result};

/// The folder with the installed components, `NAME.wasm` each.
pub struct Plugins {
    folder: PathBuf,
}

/// A component that was found and admitted.
pub struct Plugin {
    /// The file's name without its ending.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes and digest.
    pub admitted: Admitted,
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
        load(&path)
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
    let file = fs::File::open(path).map_err(|error| unusable(error.to_string()))?;
    let mut component = Vec::new();
    let limit = u64::try_from(COMPONENT_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(limit.saturating_add(1))
        .read_to_end(&mut component)
        .map_err(|error| unusable(error.to_string()))?;
    let admitted = admit(component).map_err(|error| unusable(error.to_string()))?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Plugin { name, path: path.to_owned(), admitted })
}
