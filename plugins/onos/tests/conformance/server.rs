//! One controller, as the suite drives it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::random::Random;
use lockgate_conformance::{
    Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
};
use lockgate_servers::StandIn;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::client::Client;

const PASSWORD: &str = "rocks";
/// What a cluster takes in one entry of its journal.
const VALUE_BYTES_MAX: u64 = 900_000;
/// An application of a usual size.
const APPLICATION_BYTES: u64 = 2 << 20;
/// The subjects that [`Server::write`] keeps equal.
const PAIR: [&str; 2] = ["of:000000000000000a", "of:000000000000000b"];

pub struct Controller {
    stand_in: StandIn,
    secret: NamedTempFile,
}

impl Controller {
    pub fn new(stand_in: StandIn) -> Result<Self> {
        let secret = NamedTempFile::new()?;
        fs::write(secret.path(), PASSWORD)?;
        Ok(Self { stand_in, secret })
    }

    fn client(&self) -> Client {
        Client { port: self.stand_in.port(), password: PASSWORD.to_owned() }
    }

    fn usual(&self) -> Result<()> {
        let client = self.client();
        let pair = |text: &str| json!({"basic": {"name": text, "driver": "ovs"}});
        client.post(
            "network/configuration",
            &json!({
                "devices": {"of:0000000000000001": pair("one"), PAIR[0]: pair("0"), PAIR[1]: pair("0")},
                "ports": {"of:0000000000000001/1": {"interfaces": [{"ips": ["10.0.0.1/24"]}]}},
                "apps": {"org.onosproject.fwd": {"table": {"size": 5, "is": true, "none": null}}},
            }),
        )?;
        let forwarding = "configuration/org.onosproject.fwd.ReactiveForwarding";
        client.post(forwarding, &json!({"flowTimeout": "30"}))?;
        client.act("POST", "applications/org.onosproject.fwd/active")?;
        client.act("DELETE", "applications/org.onosproject.gui2/active")?;
        client.install(&application("org.example.own", "1.2.0", 100), "?activate=true")?;
        let point = |port: &str| json!({"device": "of:0000000000000001", "port": port});
        client.post(
            "intents",
            &json!({"type": "PointToPointIntent", "appId": "org.example.own", "key": "p2p",
            "priority": 55, "ingressPoint": point("1"), "egressPoint": point("2")}),
        )?;
        client.post(
            "intents",
            &json!({"type": "HostToHostIntent", "appId": "org.onosproject.fwd", "key": "h2h",
            "one": "46:E4:3C:A4:17:C8/-1", "two": "08:00:27:56:8a:15/-1"}),
        )?;
        client.post(
            "intents",
            &json!({"type": "HostToHostIntent", "appId": "org.onosproject.fwd", "key": "gone",
            "one": "a", "two": "b"}),
        )?;
        client.act("DELETE", "intents/org.onosproject.fwd/gone")
    }
}

/// An application as a plain `app.xml`, with so many bytes of noise.
fn application(name: &str, version: &str, bytes: u64) -> String {
    format!(
        "<?xml version=\"1.0\"?><app name=\"{name}\" version=\"{version}\"><!--{}--></app>",
        noise(name, bytes)
    )
}

/// Text that does not compress to less than three quarters.
fn noise(seed: &str, bytes: u64) -> String {
    let seed =
        seed.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    Random::new(seed).noise(usize::try_from(bytes).unwrap_or_default())
}

impl Server for Controller {
    fn source(&self) -> Source {
        let table = |pairs: Vec<(&str, toml::Value)>| {
            toml::Table::from_iter(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)))
        };
        let endpoint = Endpoint {
            address: format!("127.0.0.1:{}", self.stand_in.port()),
            settings: table(vec![
                ("encryption", "off".into()),
                ("credential", "account".into()),
                ("scheme", "basic".into()),
            ]),
        };
        let account = table(vec![
            ("principal", "onos".into()),
            ("secret-file", self.secret.path().display().to_string().into()),
        ]);
        let credentials = table(vec![("account", account.into())]);
        let settings = table(vec![("credentials", credentials.into()), ("parallel", 2.into())]);
        Source { endpoints: BTreeMap::from([("rest".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.stand_in.kill();
        for entry in fs::read_dir(self.stand_in.state())? {
            fs::remove_file(entry?.path())?;
        }
        self.stand_in.restart()
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let client = self.client();
        match content {
            Content::Usual => self.usual(),
            Content::Huge { bytes } => {
                let huge = json!({"basic": {"name": noise("huge", bytes.min(VALUE_BYTES_MAX))}});
                client.post("network/configuration/devices", &json!({"of:1": huge}))
            }
            Content::Many { count } => {
                let device =
                    |number: u64| (format!("of:{number:016x}"), json!({"basic": {"name": number}}));
                let all: Map<String, Value> = (0..count).map(device).collect();
                client.post("network/configuration/devices", &all.into())
            }
            Content::Bulk { bytes } => {
                for number in 0..bytes.div_ceil(APPLICATION_BYTES) {
                    let name = format!("org.example.bulk{number}");
                    client.install(&application(&name, "1.0.0", APPLICATION_BYTES / 3 * 4), "")?;
                }
                Ok(())
            }
            Content::Odd => {
                let odd = [
                    "a b",
                    "../..",
                    "\"quoted\"",
                    "ü",
                    "名前",
                    "🙂",
                    "a\nb",
                    "\u{1b}[2J",
                    "%41",
                    "a%2Fb",
                    "null",
                    "{",
                ];
                let subject = |name: &&str| {
                    ((*name).to_owned(), json!({"basic": {"name": name, "": [name]}}))
                };
                let all: Map<String, Value> = odd.iter().map(subject).collect();
                client.post("network/configuration", &json!({"hosts": all}))
            }
        }
    }

    fn contents(&mut self) -> Result<Contents> {
        let client = self.client();
        let mut contents = Contents::new();
        let network = client.get("network/configuration")?;
        for (class, subjects) in network.as_object().context("no network configuration")? {
            for (subject, configs) in subjects.as_object().context("no subjects")? {
                contents.insert(format!("network {class} {subject}"), configs.to_string());
            }
        }
        let components = client.get("configuration")?;
        for (name, properties) in components.as_object().context("no components")? {
            contents.insert(format!("component {name}"), properties.to_string());
        }
        for application in client.get("applications")?["applications"].as_array().context("none")? {
            let name = application["name"].as_str().context("no name")?;
            let told = format!("{} {}", application["version"], application["state"]);
            contents.insert(format!("application {name}"), told);
        }
        for mut intent in
            client.get("intents?detail=true")?["intents"].as_array().cloned().context("none")?
        {
            let name = format!("intent {} {}", intent["appId"], intent["key"]);
            intent.as_object_mut().context("no intent")?.remove("id");
            contents.insert(name, intent.to_string());
        }
        Ok(contents)
    }

    fn selection(&self) -> Selection {
        let objects = [
            "network devices of:0000000000000001",
            "network devices of:000000000000000a",
            "network devices of:000000000000000b",
            "network ports of:0000000000000001/1",
            "network apps org.onosproject.fwd",
            "application org.example.own",
        ];
        let parts = ["rest/network-configuration", "rest/application/org.example.own"];
        Selection {
            parts: parts.map(str::to_owned).to_vec(),
            objects: objects.map(str::to_owned).to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Renaming {
            parts: vec!["rest/network-configuration".to_owned()],
            names: vec![pair("of:0000000000000001", "of:0000000000000009")],
            objects: vec![
                pair("network devices of:0000000000000001", "network devices of:0000000000000009"),
                pair("network ports of:0000000000000001/1", "network ports of:0000000000000009/1"),
                pair("network devices of:000000000000000a", "network devices of:000000000000000a"),
            ],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let client = self.client();
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut changes = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                changes += 1;
                let config = json!({"basic": {"name": changes.to_string(), "driver": "ovs"}});
                client.post(
                    "network/configuration/devices",
                    &json!({PAIR[0]: config, PAIR[1]: config}),
                )?;
            }
            Ok(changes)
        });
        Ok(Box::new(Scribe { stop, thread }))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let devices = self.client().get("network/configuration/devices")?;
        ensure!(devices[PAIR[0]].is_object() && devices[PAIR[0]] == devices[PAIR[1]], "{devices}");
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.stand_in.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.stand_in.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        Ok(fs::write(self.stand_in.state().join("password"), "another")?)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let version = |text: &str| format!("\"version\":\"{text}\"").into_bytes();
        Ok(Disguise::Replies(vec![(version("2.7.0"), version("9.7.0"))]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

struct Scribe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Writer for Scribe {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer").context("the writer stopped by itself")
    }
}
