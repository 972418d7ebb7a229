//! Distributions of the servers, fetched once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::install::{Prerequisite, install};
use crate::maven::{COPY_GOAL, libraries, maven};
use crate::process::run;
use crate::tools::cached;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchProduct {
    /// OpenSearch 2.19 with the module `reindex`; without security.
    OpenSearch,
    /// Elasticsearch 7.17 with security, and few modules: no data streams, no reindexing.
    Elasticsearch,
}

/// A distribution as the makers publish it for tests, in Maven's central repository.
struct Distribution {
    group: &'static str,
    name: &'static str,
    version: &'static str,
    /// Of the archive.
    sha256: &'static str,
}

const OPENSEARCH: Distribution = Distribution {
    group: "org.opensearch.distribution.integ-test-zip",
    name: "opensearch",
    version: "2.19.6",
    sha256: "71d6d8b1c637f3faecda0752b184b1cc526fc6eaad59ec1408c6327bb00b9293",
};
const ELASTICSEARCH: Distribution = Distribution {
    group: "org.elasticsearch.distribution.integ-test-zip",
    name: "elasticsearch",
    version: "7.17.29",
    sha256: "841ee00be1a72ba8e707b5a2fb55f23fe7a4184369b4585393238b1c903eedaf",
};

impl SearchProduct {
    fn distribution(self) -> &'static Distribution {
        match self {
            Self::OpenSearch => &OPENSEARCH,
            Self::Elasticsearch => &ELASTICSEARCH,
        }
    }

    /// Fetches the server if it is not there. Returns the folder in which it is unpacked.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn fetch(self) -> Result<PathBuf> {
        let distribution = self.distribution();
        let name = format!("{}-{}", distribution.name, distribution.version);
        cached(&name, |work| distribution.fetch(work))
    }

    /// Of its program.
    pub(super) fn name(self) -> &'static str {
        self.distribution().name
    }

    /// For people, as "OpenSearch 2.19.6".
    #[must_use]
    pub fn version(self) -> String {
        let name = match self {
            Self::OpenSearch => "OpenSearch",
            Self::Elasticsearch => "Elasticsearch",
        };
        format!("{name} {}", self.distribution().version)
    }
}

impl Distribution {
    /// Unpacks it in `work`.
    fn fetch(&self, work: &Path) -> Result<PathBuf> {
        install(&[Prerequisite::Maven, Prerequisite::Unzip])?;
        eprintln!("fetching {} {} with Maven", self.name, self.version);
        let artifact = format!("-Dartifact={}:{}:{}:zip", self.group, self.name, self.version);
        let output = format!("-DoutputDirectory={}", work.display());
        run(maven(work).args([&format!("{COPY_GOAL}:copy"), &artifact, &output]))?;
        let archive = work.join(format!("{}-{}.zip", self.name, self.version));
        let said = run(Command::new("sha256sum").arg(&archive))?;
        if said.split_whitespace().next() != Some(self.sha256) {
            bail!("{} is not the archive that was pinned: {}", archive.display(), said.trim());
        }
        run(Command::new("unzip").arg("-q").arg(&archive).arg("-d").arg(work))?;
        let unpacked = work.join(format!("{}-{}", self.name, self.version));
        if self.name == OPENSEARCH.name {
            self.add_reindex(&unpacked).context("add the module reindex")?;
        }
        Ok(unpacked)
    }

    /// The distribution for tests lacks the module, which is published as a library.
    fn add_reindex(&self, home: &Path) -> Result<()> {
        let artifact = format!("org.opensearch.plugin:reindex-client:{}", self.version);
        let all = libraries(&format!("opensearch-reindex-{}", self.version), &[&artifact], &[])?;
        let module = home.join("modules/reindex");
        fs::create_dir_all(&module)?;
        for library in fs::read_dir(&all)? {
            let library = library?;
            // What the server has already must not be there twice.
            if !home.join("lib").join(library.file_name()).exists() {
                fs::copy(library.path(), module.join(library.file_name()))?;
            }
        }
        let descriptor = format!(
            "description=reindex\nversion={0}\nname=reindex\nclassname=org.opensearch.index.reindex.ReindexPlugin\n\
             java.version=1.8\nopensearch.version={0}\nhas.native.controller=false\n",
            self.version
        );
        fs::write(module.join("plugin-descriptor.properties"), descriptor)?;
        Ok(())
    }
}
