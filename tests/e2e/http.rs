//! A plugin over HTTP, from the SDK to a real server: the host adds the password, and bodies are streamed both ways.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Site, command};

type Pages = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// `backup:hunter2` (RFC 7617).
const AUTHORIZATION: &str = "authorization: Basic YmFja3VwOmh1bnRlcjI=";

/// Serves `pages` until the test ends, to those who know the password.
fn serve(pages: &Pages) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let pages = Arc::clone(pages);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let pages = Arc::clone(&pages);
            std::thread::spawn(move || while answer(&stream, &pages).is_some() {});
        }
    });
    Ok(address)
}

/// One request; none once the client has gone.
fn answer(stream: &TcpStream, pages: &Pages) -> Option<()> {
    // A client waits for the answer before it asks again, so nothing of the next request is in the buffer.
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).ok().filter(|count| *count > 0)?;
    }
    let body = if head.contains("transfer-encoding: chunked") {
        chunks(&mut reader)?
    } else {
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
        let mut body = vec![0; length.and_then(|text| text.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        body
    };
    let mut pages = pages.lock().ok()?;
    let (method, target) = head.split_once(" HTTP/1.1\r\n")?.0.split_once(' ')?;
    let name = target.strip_prefix("/pages/").unwrap_or_default().to_owned();
    let is_known = head.contains(AUTHORIZATION) || head.contains("\r\nx-token: letmein\r\n");
    let (status, content) = match (is_known, method, target) {
        (false, ..) => (401, b"who are you?".to_vec()),
        (_, "GET", "/pages?sorted") => {
            let names: Vec<String> = pages.keys().map(|name| format!("{name:?}")).collect();
            (200, format!("[{}]", names.join(",")).into_bytes())
        }
        (_, "GET", _) => pages.get(&name).map_or((404, Vec::new()), |page| (200, page.clone())),
        (_, "PUT", _) => {
            pages.insert(name, body);
            (201, Vec::new())
        }
        (_, "POST", "/maintenance") => {
            pages.insert("maintenance".to_owned(), body);
            (204, Vec::new())
        }
        (_, "POST", "/reindex") => {
            let empty = pages.iter().filter(|(_, page)| page.is_empty());
            let names: Vec<String> = empty.map(|(name, _)| format!("{name:?}")).collect();
            pages.insert("reindexed".to_owned(), body);
            (200, format!("[{}]", names.join(",")).into_bytes())
        }
        (_, "POST", "/restored") if body == b"true" => (204, Vec::new()),
        _ => (400, Vec::new()),
    };
    let mut stream = stream;
    let length = if status == 204 {
        String::new()
    } else {
        format!("content-length: {}\r\n", content.len())
    };
    write!(stream, "HTTP/1.1 {status} -\r\n{length}\r\n").ok()?;
    stream.write_all(&content).ok()
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let before = body.len();
        body.resize(before + length, 0);
        reader.read_exact(&mut body[before..]).ok()?;
        reader.read_exact(&mut [0; 2]).ok()?;
        if length == 0 {
            return Some(body);
        }
    }
}

fn configured(site: &Site, address: SocketAddr, credential: &str) -> Result<Lockgate> {
    let secret = site.path("secret");
    std::fs::write(&secret, "hunter2\n")?;
    let account = format!(
        "credentials.account = {{ principal = \"backup\", secret-file = \"{}\" }}",
        secret.display()
    );
    source(site, address, credential, &account)
}

fn source(site: &Site, address: SocketAddr, credential: &str, more: &str) -> Result<Lockgate> {
    let plugin = command::plugins()?.with_file_name("plugins-e2e").join("pages.wasm");
    ensure!(plugin.is_file(), "no {}: run `sh tests/all.sh` first", plugin.display());
    site.configured(&format!(
        "[sources.site]\nplugin = \"{}\"\nendpoints.server = {{ address = \"{address}\", encryption = \"off\"{credential} }}\n{more}\n",
        plugin.display(),
    ))
}

#[test]
fn pages_are_saved_and_brought_back() -> Result<()> {
    let long: Vec<u8> = (0..5_000_000_u32).map(|index| (index % 251) as u8).collect();
    let before = BTreeMap::from([
        ("empty".to_owned(), Vec::new()),
        ("index".to_owned(), b"<h1>pages</h1>".to_vec()),
        ("long".to_owned(), long),
    ]);
    let pages = Pages::new(Mutex::new(before.clone()));
    let address = serve(&pages)?;
    let site = Site::local()?;
    let lockgate = configured(&site, address, ", credential = \"account\", scheme = \"basic\"")?;
    lockgate.ok(&["init"])?;
    let saved = lockgate.ok(&["backup", "site"])?;
    let shown = lockgate.ok(&["show", "latest"])?;
    for outcome in [&saved, &shown] {
        ensure!(!format!("{outcome:?}").contains("hunter2"), "{outcome:?}");
    }
    pages.lock().ok().context("the server is well")?.clear();
    lockgate.ok(&["restore", "latest"])?;
    ensure!(*pages.lock().ok().context("the server is well")? == before, "pages differ");
    Ok(())
}

#[test]
fn a_server_that_knows_nobody_is_an_error_of_the_credentials() -> Result<()> {
    let pages = Pages::default();
    let address = serve(&pages)?;
    let site = Site::local()?;
    let lockgate = configured(&site, address, ", credential = \"account\", scheme = \"bearer\"")?;
    lockgate.ok(&["init"])?;
    let refused = lockgate.run(&["backup", "site"])?;
    let line = refused.error_line();
    ensure!(line.contains("status 401: who are you?"), "{refused:?}");
    ensure!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
    ensure!(lockgate.ok(&["snapshots"])?.stdout.is_empty());
    Ok(())
}

#[test]
fn a_secret_that_systemd_passes_is_revealed_only_with_a_line_in_the_log() -> Result<()> {
    let pages = Pages::new(Mutex::new(BTreeMap::from([("one".to_owned(), b"1".to_vec())])));
    let address = serve(&pages)?;
    let site = Site::local()?;
    std::fs::create_dir(site.path("credentials"))?;
    std::fs::write(site.path("credentials/site-token"), "letmein\n")?;
    let token = |reveal: &str| {
        let text =
            "credentials.token = { principal = \"backup\", secret-credential = \"site-token\"";
        source(&site, address, "", &format!("{text}{reveal} }}"))
    };
    let closed = token("")?.with("CREDENTIALS_DIRECTORY", site.path("credentials"));
    closed.ok(&["init"])?;
    let refused = closed.run(&["backup", "site"])?;
    ensure!(refused.error_line().contains("`reveal = true`"), "{refused:?}");
    let open = token(", reveal = true")?.with("LOCKGATE_AUDIT", site.path("audit.jsonl"));
    let unset = open.run(&["backup", "site"])?;
    ensure!(unset.error_line().contains("LoadCredential"), "{unset:?}");
    let open = open.with("CREDENTIALS_DIRECTORY", site.path("credentials"));
    let saved = open.ok(&["-v", "backup", "site"])?;
    ensure!(saved.stderr.contains("shown a secret: credential token"), "{saved:?}");
    let recorded = open.ok(&["audit", "show", "--source", "site"])?.stdout;
    let line = recorded.lines().find(|line| line.contains("SHOWN"));
    let line = line.with_context(|| format!("no line in the audit log: {recorded}"))?;
    ensure!(line.contains("token") && line.contains("site"), "{line}");
    ensure!(!format!("{saved:?}{unset:?}{refused:?}").contains("letmein"), "{saved:?}");
    Ok(())
}

#[test]
fn a_datastore_goes_into_maintenance_and_back_and_is_repaired() -> Result<()> {
    let pages = Pages::new(Mutex::new(BTreeMap::from([("hollow".to_owned(), Vec::new())])));
    let held = |name: &str| pages.lock().ok()?.get(name).cloned();
    let address = serve(&pages)?;
    let site = Site::local()?;
    let lockgate = configured(&site, address, ", credential = \"account\", scheme = \"basic\"")?;

    // No repository was made: none is needed.
    lockgate.ok(&["maintenance", "site", "enter"])?;
    ensure!(held("maintenance").as_deref() == Some(b"true"), "it is in service");
    lockgate.ok(&["maintenance", "site", "leave"])?;
    ensure!(held("maintenance").as_deref() == Some(b"false"), "it is out of service");

    let repaired =
        lockgate.run(&["maintenance", "site", "reindex", "--arguments", "{\"deep\": true}"])?;
    ensure!(repaired.code == Some(24), "{repaired:?}");
    ensure!(repaired.stdout.contains("critical  page-empty: page hollow is empty"), "{repaired:?}");
    ensure!(held("reindexed").as_deref() == Some(b"{\"deep\": true}"), "other arguments arrived");

    let unknown = lockgate.run(&["maintenance", "site", "defragment"])?;
    ensure!(unknown.code == Some(19) && unknown.error_line().contains("reindex"), "{unknown:?}");
    for wrong in [["reindex", "{deep}"], ["enter", "{}"]] {
        let [step, arguments] = wrong;
        let refused = lockgate.run(&["maintenance", "site", step, "--arguments", arguments])?;
        ensure!(refused.code == Some(2), "{refused:?}");
    }
    Ok(())
}
