//! OpenDaylight on one member: its datastore, RESTCONF, Jolokia, and models to put data into.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::elasticsearch::SearchClient;
use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::maven::{COPY_GOAL, maven};
use crate::process::{Server, free_port, run};
use crate::tools::cached;

/// Of one train of releases (Calcium), the last that runs with Java 17.
const ODLPARENT: &str = "13.1.3";
const CONTROLLER: &str = "9.0.4";
const NETCONF: &str = "7.0.7";
/// Group, name and version of the features that the node gets.
const FEATURES: [(&str, &str, &str); 3] = [
    ("org.opendaylight.controller", "odl-mdsal-broker", CONTROLLER),
    ("org.opendaylight.controller", "odl-jolokia", CONTROLLER),
    ("org.opendaylight.netconf", "odl-restconf-nb", NETCONF),
];
/// Checks and archives of the makers that a test does not need.
const SKIPPED: [&str; 6] = [
    "-DskipTests",
    "-Dspotbugs.skip=true",
    "-Dcheckstyle.skip=true",
    "-Dmaven.javadoc.skip=true",
    "-Dkaraf.archiveTarGz=false",
    "-Dkaraf.archiveZip=false",
];
/// How often a node is started before it is given up. Some starts never end: the service that encrypts keys misses the moment at
/// which its settings come from the datastore, and whatever serves waits for it. The next start finds them.
const STARTS: usize = 3;
/// What a node changes in its folder, and so is copied; the rest is shared.
const COPIED: [&str; 4] = ["bin", "configuration", "deploy", "etc"];
const SHARED: [&str; 2] = ["lib", "system"];

/// A node. It starts with a datastore that is empty but for the keys of the installation.
#[derive(Debug)]
pub struct OpenDaylight {
    /// Asks it as its administrator.
    pub client: SearchClient,
    port: u16,
    heap_mib: u32,
    /// None while it is down.
    server: Option<Server>,
    // Dropped after the server.
    folder: Folder,
}

impl OpenDaylight {
    /// User and password that may do everything.
    pub const ADMINISTRATOR: (&'static str, &'static str) = ("admin", "admin");

    /// What it is, as "OpenDaylight Calcium (controller 9.0.4)".
    #[must_use]
    pub fn version() -> String {
        format!("OpenDaylight Calcium (controller {CONTROLLER}, netconf {NETCONF})")
    }

    /// Prepares a node with `heap_mib` MiB of memory, and starts it; takes half a minute, and minutes more when it must be fetched first.
    ///
    /// # Errors
    /// When it cannot be had or does not start.
    pub fn start(heap_mib: u32) -> Result<Self> {
        let mut node = Self::prepare(heap_mib)?;
        node.restart()?;
        Ok(node)
    }

    /// A node that is down.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn prepare(heap_mib: u32) -> Result<Self> {
        install(&[Prerequisite::Java])?;
        let distribution = distribution()?;
        let folder = Folder::create("lockgate-opendaylight-")?;
        let home = folder.path().join("karaf");
        fs::create_dir(&home)?;
        for name in COPIED {
            run(Command::new("cp").arg("-a").arg(distribution.join(name)).arg(&home))?;
        }
        for name in SHARED {
            symlink(distribution.join(name), home.join(name))?;
        }
        for name in
            ["data", "backup", "clustered-datastore-restore", "segmented-journal", "snapshots"]
        {
            fs::create_dir(home.join(name))?;
        }
        let port = free_port()?;
        configure(&home, port)?;
        let client = SearchClient::new(port, Some(Self::ADMINISTRATOR));
        Ok(Self { client, port, heap_mib, server: None, folder })
    }

    /// Of RESTCONF and Jolokia.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own folder (`KARAF_HOME`).
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("karaf")
    }

    /// Whether it was started and not killed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it with the data that its folder holds, and waits until it serves.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let home = self.home();
        let java = fs::canonicalize(require("java", "openjdk-17-jre-headless")?)?;
        let java_home = java.parent().and_then(Path::parent).context("java is in no folder bin")?;
        let arguments = [
            format!("JAVA_HOME={}", java_home.display()),
            format!("KARAF_HOME={}", home.display()),
            format!("JAVA_MAX_MEM={}m", self.heap_mib),
            "JAVA_MIN_MEM=128m".to_owned(),
            "EXTRA_JAVA_OPTS=-XX:+UseSerialGC -XX:TieredStopAtLevel=1".to_owned(),
            home.join("bin/karaf").display().to_string(),
            "daemon".to_owned(),
        ];
        let env = require("env", "coreutils")?;
        let start = || {
            // Of a node that was killed.
            for name in ["lock", "karaf.pid"] {
                if home.join(name).exists() {
                    fs::remove_file(home.join(name))?;
                }
            }
            let server = Server::start(&env, &arguments, &home.join("output.log"))?;
            // It answers before its datastore and its models are there.
            server.wait("opendaylight", || self.serves())?;
            Ok(server)
        };
        let mut started: Result<Server> = start();
        for _ in 1..STARTS {
            started = started.or_else(|_| start());
        }
        self.server = Some(started?);
        Ok(())
    }

    fn serves(&self) -> bool {
        let has = |target: &str| match self.client.request("GET", target, "") {
            Ok(_) => true,
            Err(error) => format!("{error:#}").contains("model content does not exist"),
        };
        has("/rests/data/people:people?content=config")
            && has("/rests/data/car:cars?content=config")
    }

    /// Removes everything that a node keeps of its datastore. It must be down.
    ///
    /// # Errors
    /// When it is up.
    pub fn forget(&mut self) -> Result<()> {
        if self.is_up() {
            bail!("the node is up");
        }
        for name in ["backup", "clustered-datastore-restore", "segmented-journal", "snapshots"] {
            let folder = self.home().join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)?;
        }
        Ok(())
    }

    /// Changes the administrator's password, which [`OpenDaylight::client`] does not know then.
    ///
    /// # Errors
    /// When it refuses.
    pub fn revoke(&mut self) -> Result<()> {
        let user = r#"{"userid":"admin@sdn","name":"admin","description":"","enabled":1,"email":"","password":"another","domainid":"sdn"}"#;
        self.client.request("PUT", "/auth/v1/users/admin@sdn", user).map(drop)
    }
}

/// The distribution, which OpenDaylight's own project files make of what is in Maven's central repository.
fn distribution() -> Result<PathBuf> {
    cached(&format!("opendaylight-{CONTROLLER}-{NETCONF}"), |work| {
        install(&[Prerequisite::Java, Prerequisite::Maven])?;
        eprintln!(
            "fetching OpenDaylight (controller {CONTROLLER}) with Maven, which takes some minutes"
        );
        let feature = |(group, name, version): &(&str, &str, &str)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>\
                 <classifier>features</classifier><type>xml</type><scope>runtime</scope></dependency>"
            )
        };
        let features: String = FEATURES.iter().map(feature).collect();
        let project = format!(
            "<project><modelVersion>4.0.0</modelVersion><parent><groupId>org.opendaylight.odlparent</groupId>\
             <artifactId>karaf4-parent</artifactId><version>{ODLPARENT}</version><relativePath/></parent>\
             <groupId>t</groupId><artifactId>t</artifactId><version>1</version><packaging>pom</packaging>\
             <properties><karaf.localFeature>odl-restconf-nb</karaf.localFeature></properties>\
             <dependencies>{features}</dependencies></project>"
        );
        fs::write(work.join("pom.xml"), project)?;
        run(maven(work).arg("package").args(SKIPPED))
            .context("Maven and its central repository are needed")?;
        let assembly = work.join("target/assembly");
        // The makers' own models for tests of the cluster.
        let model = format!("org.opendaylight.controller.samples:clustering-it-model:{CONTROLLER}");
        let output = format!("-DoutputDirectory={}", assembly.join("deploy").display());
        let goal = format!("{COPY_GOAL}:copy");
        run(maven(work).args([&goal, &format!("-Dartifact={model}"), &output]))?;
        Ok(assembly)
    })
}

/// Everything on 127.0.0.1, on free ports.
fn configure(home: &Path, port: u16) -> Result<()> {
    let features = FEATURES.map(|(_, name, _)| name).join(",");
    edit(&home.join("etc/org.apache.karaf.features.cfg"), |line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "featuresBoot")
            .then(|| format!("featuresBoot = {},{features}", value.trim()))
    })?;
    let ports = [
        ("org.apache.karaf.shell.cfg", "sshPort", free_port()?.to_string()),
        ("org.apache.karaf.shell.cfg", "sshHost", "127.0.0.1".to_owned()),
        ("org.apache.karaf.management.cfg", "rmiRegistryPort", free_port()?.to_string()),
        ("org.apache.karaf.management.cfg", "rmiServerPort", free_port()?.to_string()),
        ("org.ops4j.pax.web.cfg", "org.osgi.service.http.port", port.to_string()),
    ];
    for (file, key, value) in ports {
        edit(&home.join("etc").join(file), |line| {
            let (found, _) = line.split_once('=')?;
            (found.trim() == key).then(|| format!("{key} = {value}"))
        })?;
    }
    let web = home.join("etc/org.ops4j.pax.web.cfg");
    let text = fs::read_to_string(&web)?;
    fs::write(&web, format!("{text}\norg.ops4j.pax.web.listening.addresses = 127.0.0.1\n"))?;
    edit(&home.join("etc/jetty.xml"), |line| {
        let host = r#"<Property name="jetty.host""#;
        if line.contains(host) {
            return Some(line.replace(host, r#"<Property name="jetty.host" default="127.0.0.1""#));
        }
        let (before, _) = line.split_once(r#"name="jetty.port" default=""#)?;
        let (_, after) = line.rsplit_once("\"/>")?;
        Some(format!(r#"{before}name="jetty.port" default="{port}"/>{after}"#))
    })?;
    fs::create_dir_all(home.join("configuration/initial"))?;
    let example = format!(
        "sal-clustering-config/{CONTROLLER}/sal-clustering-config-{CONTROLLER}-akkaconf.xml"
    );
    let example = home.join("system/org/opendaylight/controller").join(example);
    let cluster = free_port()?.to_string();
    let settings = fs::read_to_string(&example).with_context(|| example.display().to_string())?;
    fs::write(home.join("configuration/initial/akka.conf"), settings.replace("2550", &cluster))?;
    Ok(())
}

/// Replaces the lines of a file for which `replace` gives another.
fn edit(file: &Path, replace: impl Fn(&str) -> Option<String>) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines: Vec<String> =
        text.lines().map(|line| replace(line).unwrap_or_else(|| line.to_owned())).collect();
    fs::write(file, lines.join("\n") + "\n")?;
    Ok(())
}
