//! What a node is made of: libraries, files of its configuration, arguments of Java.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Cassandra, CassandraOptions};
use crate::install::require;
use crate::maven::{COPY_GOAL, maven};
use crate::process::run;
use crate::tools::cached;

pub(super) const VERSION: &str = "5.0.9";
const JOLOKIA: &str = "2.6.0";
/// In the node's own.
pub(super) const FOLDERS: [&str; 7] =
    ["conf", "data", "commitlog", "hints", "saved_caches", "temporary", "staging"];
/// Parts of the ring for each node.
const TOKENS: usize = 4;
/// Packages of Java's modules that the server looks into; after `conf/jvm17-server.options` of its distribution.
const EXPORTS: [&str; 10] = [
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/java.lang.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
];
const OPENS: [&str; 18] = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.management/com.sun.management.internal",
];

pub(super) fn libraries() -> Result<PathBuf> {
    let artifact = format!("org.apache.cassandra:cassandra-all:{VERSION}");
    crate::maven::libraries(&format!("cassandra-{VERSION}"), &[&artifact], &[])
}

/// Jolokia as an agent in the server's own process.
fn agent() -> Result<PathBuf> {
    cached(&format!("jolokia-agent-{JOLOKIA}.jar"), |work| {
        let artifact = format!("-Dartifact=org.jolokia:jolokia-agent-jvm:{JOLOKIA}:jar:javaagent");
        let output = format!("-DoutputDirectory={}", work.display());
        run(maven(work).args([&format!("{COPY_GOAL}:copy"), &artifact, &output]))?;
        Ok(work.join(format!("jolokia-agent-jvm-{JOLOKIA}-javaagent.jar")))
    })
}

/// One of several.
pub(super) struct Node<'a> {
    pub(super) home: &'a Path,
    /// Of all nodes.
    pub(super) addresses: &'a [String],
    /// From 0.
    pub(super) number: usize,
    /// Of clients, of the other nodes, of Jolokia.
    pub(super) ports: (u16, u16, u16),
}

impl Node<'_> {
    /// Writes the files of its configuration. Returns the program that starts it, and the arguments.
    pub(super) fn configure(&self, options: &CassandraOptions) -> Result<(PathBuf, Vec<String>)> {
        let conf = self.home.join("conf");
        fs::write(conf.join("cassandra.yaml"), self.settings(options)?)?;
        fs::write(
            conf.join("logback.xml"),
            "<configuration><appender name=\"OUT\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder><pattern>\
             %-5level [%thread] %date{ISO8601} %logger{0} - %msg%n</pattern></encoder></appender>\
             <root level=\"INFO\"><appender-ref ref=\"OUT\"/></root></configuration>\n",
        )?;
        let mut arguments = self.machine(options)?;
        arguments.extend(self.properties(&conf));
        arguments.push("-cp".to_owned());
        arguments.push(format!("{}:{}/*", conf.display(), libraries()?.display()));
        arguments.push("org.apache.cassandra.service.CassandraDaemon".to_owned());
        Ok((require("java", "openjdk-17-jre-headless")?, arguments))
    }

    /// Arguments for Java itself.
    fn machine(&self, options: &CassandraOptions) -> Result<Vec<String>> {
        let (user, password) = Cassandra::JOLOKIA;
        let agent = format!(
            "-javaagent:{}=host={},port={},user={user},password={password},discoveryEnabled=false",
            agent()?.display(),
            self.address()?,
            self.ports.2
        );
        let memory = options.heap_mib;
        let mut arguments = vec![
            agent,
            format!("-Xms{memory}m"),
            format!("-Xmx{memory}m"),
            "-Xss512k".to_owned(),
            "-XX:+UseSerialGC".to_owned(),
            "-XX:MaxDirectMemorySize=256m".to_owned(),
            "-XX:TieredStopAtLevel=1".to_owned(),
            "-XX:+ExitOnOutOfMemoryError".to_owned(),
            "-Djdk.attach.allowAttachSelf=true".to_owned(),
            "-Djava.net.preferIPv4Stack=true".to_owned(),
            format!("-Djava.io.tmpdir={}", self.home.join("temporary").display()),
        ];
        arguments.extend(EXPORTS.map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
        arguments.extend(OPENS.map(|package| format!("--add-opens={package}=ALL-UNNAMED")));
        Ok(arguments)
    }

    /// Arguments for the server. Those of time are for a cluster that is made at once.
    fn properties(&self, conf: &Path) -> Vec<String> {
        let set = |name: &str, value: &str| format!("-Dcassandra{name}={value}");
        let logging = conf.join("logback.xml");
        vec![
            set(".config", &format!("file://{}", conf.join("cassandra.yaml").display())),
            format!("-Dlogback.configurationFile={}", logging.display()),
            set(".storagedir", &self.home.display().to_string()),
            set(".logdir", &self.home.display().to_string()),
            set(".skip_wait_for_gossip_to_settle", "0"),
            // Nodes that are silent for half of this time are forgotten, which busy machines are.
            set(".ring_delay_ms", if self.addresses.len() > 1 { "8000" } else { "1000" }),
            set(".superuser_setup_delay_ms", "0"),
            set("-foreground", "yes"),
        ]
    }

    fn settings(&self, options: &CassandraOptions) -> Result<String> {
        let folder = |name: &str| format!("\"{}\"", self.home.join(name).display());
        let (authenticator, authorizer) = if options.is_authenticated {
            ("PasswordAuthenticator", "CassandraAuthorizer")
        } else {
            ("AllowAllAuthenticator", "AllowAllAuthorizer")
        };
        let (clients, nodes, _) = self.ports;
        let seeds: Vec<String> =
            self.addresses.iter().map(|one| format!("{one}:{nodes}")).collect();
        let mut lines = vec![
            "cluster_name: test".to_owned(),
            format!("num_tokens: {TOKENS}"),
            format!("initial_token: \"{}\"", self.tokens()),
            "partitioner: org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
            format!("authenticator: {authenticator}"),
            format!("authorizer: {authorizer}"),
            "role_manager: CassandraRoleManager".to_owned(),
            format!("data_file_directories: [ {} ]", folder("data")),
            format!("commitlog_directory: {}", folder("commitlog")),
            format!("hints_directory: {}", folder("hints")),
            format!("saved_caches_directory: {}", folder("saved_caches")),
            // What was acknowledged is kept over a kill but for its last moment.
            "commitlog_sync: periodic".to_owned(),
            "commitlog_sync_period: 200ms".to_owned(),
            "commitlog_total_space: 256MiB".to_owned(),
            "memtable_heap_space: 64MiB".to_owned(),
            "memtable_offheap_space: 64MiB".to_owned(),
            "file_cache_size: 32MiB".to_owned(),
            "key_cache_size: 4MiB".to_owned(),
            "counter_cache_size: 4MiB".to_owned(),
            "concurrent_reads: 4".to_owned(),
            "concurrent_writes: 4".to_owned(),
            "concurrent_counter_writes: 2".to_owned(),
            "concurrent_compactors: 1".to_owned(),
            "materialized_views_enabled: true".to_owned(),
            "user_defined_functions_enabled: true".to_owned(),
            // Every node finds all, so that they start at the same time.
            "seed_provider: [ { class_name: org.apache.cassandra.locator.SimpleSeedProvider,"
                .to_owned(),
            format!("  parameters: [ {{ seeds: \"{}\" }} ] }} ]", seeds.join(",")),
            format!("storage_port: {nodes}"),
            format!("listen_address: {}", self.address()?),
            format!("native_transport_port: {clients}"),
            format!("rpc_address: {}", self.address()?),
            "endpoint_snitch: SimpleSnitch".to_owned(),
            "request_timeout: 20s".to_owned(),
            "read_request_timeout: 20s".to_owned(),
            "range_request_timeout: 20s".to_owned(),
            "write_request_timeout: 20s".to_owned(),
            "counter_write_request_timeout: 20s".to_owned(),
        ];
        lines.extend(options.settings.iter().cloned());
        Ok(lines.join("\n") + "\n")
    }

    fn address(&self) -> Result<&str> {
        Ok(self.addresses.get(self.number).context("no such node")?)
    }

    /// Where the node's parts of the ring end: all nodes' are at equal distances, in turn.
    fn tokens(&self) -> String {
        let all = (TOKENS * self.addresses.len()) as u64;
        let token = |turn: usize| {
            let place = (turn * self.addresses.len() + self.number) as u64;
            // From the lowest of 64 bits with a sign.
            (u64::MAX / all * place)
                .wrapping_add(1 << 63)
                .cast_signed()
                .saturating_add(1)
                .to_string()
        };
        (0..TOKENS).map(token).collect::<Vec<_>>().join(",")
    }
}
