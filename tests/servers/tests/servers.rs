//! The fixtures themselves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use lockgate_servers::{
    ACCOUNTS, Age, Cassandra, CassandraOptions, Elasticsearch, Etcd, EtcdOptions, EtcdRelease,
    KeyKind, MariaDb, MariaDbOptions, OpenSsl, PostgreSql, PostgreSqlOptions, Redis, RedisCluster,
    RedisOptions, S3Server, SearchProduct, Sqlite, ZooKeeper, ZooKeeperOptions, restic,
};

fn is_running(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn restic_tells_the_pinned_version() {
    let output = Command::new(restic().unwrap()).arg("version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("0.18.1"), "{text}");
}

#[test]
fn an_s3_server_answers_and_is_gone_when_dropped() {
    let server = S3Server::start().unwrap();
    let address = server.endpoint.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    // Unsigned requests are refused, in the words of S3.
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("AccessDenied"), "{answer}");
    let (pid, objects) = (server.pid(), server.objects());
    assert!(is_running(pid) && objects.is_dir());
    drop(server);
    assert!(!is_running(pid) && !objects.exists());
}

#[test]
fn a_mariadb_runs_statements_over_the_socket_and_users_come_over_tls() {
    let options = MariaDbOptions { is_tls: true, ..MariaDbOptions::default() };
    let server = MariaDb::start_with(&options).unwrap();
    server.sql("CREATE USER u@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SSL").unwrap();
    assert_eq!(server.sql("SELECT 1, 'a'; SELECT 2").unwrap(), "1\ta\n2\n");
    assert!(server.sql("SELECT nothing").unwrap_err().to_string().contains("1054"));

    let port = format!("--port={}", server.port);
    let authority = format!("--ssl-ca={}", server.ca_certificate.as_ref().unwrap().display());
    let user = ["--no-defaults", "--host=127.0.0.1", "--user=u", "--password=secret", "-N", &port];
    let ask = |more: &[&str]| {
        let output = Command::new("mariadb").args(user).args(more).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let question = [
        "-e",
        "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'",
    ];
    let verified = [&["--ssl-verify-server-cert", authority.as_str()], &question[..]].concat();
    assert_eq!(ask(&verified).trim(), "1");
    let plain = ask(&[&["--skip-ssl"], &question[..]].concat());
    assert!(plain.contains("Access denied"), "{plain}");

    let pid = server.pid();
    drop(server);
    assert!(!is_running(pid));
}

#[test]
fn an_etcd_of_each_release_keeps_what_it_was_given_and_asks_for_a_password() {
    for release in [EtcdRelease::V3_4, EtcdRelease::V3_6] {
        let mut server = Etcd::start(release).unwrap();
        server.enable_auth("secret").unwrap();
        server.ctl(&["put", "a", "1"]).unwrap();
        server.kill();
        assert!(server.ctl(&["--command-timeout=1s", "get", "a"]).is_err());
        server.restart().unwrap();
        assert_eq!(server.ctl(&["get", "a", "--print-value-only"]).unwrap().trim(), "1");
        server.reset().unwrap();
        assert_eq!(server.ctl(&["get", "a"]).unwrap(), "");
        let pid = server.pid();
        drop(server);
        assert!(!is_running(pid));
    }
}

#[test]
fn a_search_server_keeps_documents_when_it_is_killed_and_wants_a_password_where_it_has_security() {
    for product in [SearchProduct::OpenSearch, SearchProduct::Elasticsearch] {
        let mut server = Elasticsearch::start(product).unwrap();
        server.client.request("PUT", "/a/_doc/1", "{\"n\":1}").unwrap();
        let pid = server.pid().unwrap();
        server.kill();
        assert!(!is_running(pid) && server.client.request("GET", "/", "").is_err());
        server.restart().unwrap();
        assert!(
            server
                .client
                .request("GET", "/a/_doc/1", "")
                .unwrap()
                .contains("\"_source\":{\"n\":1}")
        );
        assert!(
            server.client.request("GET", "/a/_doc/2", "").unwrap_err().to_string().contains("404")
        );

        let mut stranger =
            TcpStream::connect((server.client.host.as_str(), server.client.port)).unwrap();
        stranger.write_all(b"GET /a HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stranger.read_to_string(&mut answer).unwrap();
        let status = if product == SearchProduct::Elasticsearch { " 401 " } else { " 200 " };
        assert!(answer.contains(status), "{answer}");
        let pid = server.pid().unwrap();
        drop(server);
        assert!(!is_running(pid));
    }
}

#[test]
fn an_etcd_of_three_members_asks_for_certificates() {
    let options = EtcdOptions { members: 3, is_tls: true, ..EtcdOptions::default() };
    let server = Etcd::start_with(&options).unwrap();
    server.ctl(&["put", "a", "1"]).unwrap();
    let members = server.ctl(&["member", "list"]).unwrap();
    assert_eq!(members.matches("started").count(), 3, "{members}");
    // Without a certificate nobody is let in.
    let mut bare = Command::new(lockgate_servers::etcdctl().unwrap());
    bare.args(["--endpoints", &format!("https://{}", server.address), "get", "a"]);
    bare.args(["--cacert", &server.ca_certificate.as_ref().unwrap().display().to_string()]);
    assert!(!bare.output().unwrap().status.success());
}

#[test]
fn a_redis_keeps_what_it_was_told_and_speaks_tls_only_when_asked() {
    let options = RedisOptions { is_tls: true, is_durable: true, ..RedisOptions::default() };
    let mut server = Redis::start_with(&options).unwrap();
    server.script("SET a 1\nSET \"\\x00b\" \"c d\"\n").unwrap();
    assert!(server.script("INCR \"\\x00b\"\n").is_err() && server.command(&["NOTHING"]).is_err());
    let port = server.port.to_string();
    let plain = Command::new("redis-cli").args(["-p", &port, "PING"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("PONG"));
    let pid = server.pid();
    server.kill();
    assert!(!is_running(pid) && server.command(&["PING"]).is_err());
    server.restart().unwrap();
    assert_eq!(server.script("GET a\nGET \"\\x00b\"\n").unwrap(), "1\nc d\n");
    let pid = server.pid();
    drop(server);
    assert!(!is_running(pid));
}

#[test]
fn a_postgresql_runs_statements_over_the_socket_and_users_come_over_tls() {
    let options = PostgreSqlOptions { is_tls: true, ..PostgreSqlOptions::default() };
    let mut server = PostgreSql::start_with(&options).unwrap();
    server
        .sql("postgres", "CREATE ROLE u LOGIN PASSWORD 'secret'; CREATE TABLE t (a int)")
        .unwrap();
    assert_eq!(server.sql("postgres", "SELECT 1, 'a'; SELECT 2").unwrap(), "1|a\n2\n");
    assert!(server.sql("postgres", "SELECT nothing").unwrap_err().to_string().contains("nothing"));

    let authority = server.ca_certificate.clone().unwrap();
    let ask = |mode: &str| {
        let mut client = server.client("psql");
        client.env("PGHOST", "127.0.0.1").env("PGUSER", "u").env("PGPASSWORD", "secret");
        client.env("PGSSLMODE", mode).env("PGSSLROOTCERT", &authority);
        let question = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let output = client.args(["-XqAt", "-c", question, "postgres"]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert_eq!(ask("verify-full").trim(), "t");
    let plain = ask("disable");
    assert!(plain.contains("no encryption"), "{plain}");

    server.kill();
    assert!(server.sql("postgres", "SELECT 1").is_err());
    server.restart().unwrap();
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM t").unwrap(), "0\n");
    let pid = server.pid();
    drop(server);
    assert!(!is_running(pid));
}

#[test]
fn a_cluster_of_redis_servers_knows_where_each_key_is() {
    let cluster = RedisCluster::start(3).unwrap();
    let set = cluster.nodes[0].client().args(["-c", "SET", "foo", "bar"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&set.stdout).trim(), "OK");
    // `foo` is in slot 12182, which the last of three masters has.
    assert_eq!(cluster.nodes[2].command(&["GET", "foo"]).unwrap(), "bar");
    assert!(cluster.nodes[0].command(&["GET", "foo"]).is_err());
}

#[test]
fn programs_write_a_sqlite_database_and_leave_its_log_when_they_are_killed() {
    let sqlite = Sqlite::start().unwrap();
    assert_eq!(sqlite.sql("bank.db", "SELECT 1, 'a'; SELECT 2").unwrap(), "1|a\n2\n");
    assert!(sqlite.sql("bank.db", "SELECT absent;").unwrap_err().to_string().contains("no such"));
    sqlite.sql("bank.db", ACCOUNTS).unwrap();
    let before = sqlite.contents().unwrap();
    let moved = sqlite.moves("WAL", "bank.db").unwrap().stop().unwrap();
    let killed = sqlite.moves("WAL", "bank.db").unwrap();
    while !sqlite.data().join("bank.db-wal").exists() {}
    killed.kill().unwrap();
    assert!(moved.longest.as_micros() > 0 && sqlite.data().join("bank.db-wal").exists());
    assert_ne!(sqlite.contents().unwrap(), before);
    assert_eq!(sqlite.sql("bank.db", "SELECT sum(amount) FROM account").unwrap(), "2000\n");
    let held = sqlite.hold(&[sqlite.data().join("bank.db")]).unwrap();
    let folder = sqlite.data();
    drop((held, sqlite));
    assert!(!folder.exists());
}

#[test]
fn openssl_makes_keys_and_age_opens_what_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let openssl = OpenSsl::find().unwrap();
    assert!(openssl.version().unwrap().starts_with("OpenSSL 3."));
    openssl.pair(&path("a.key"), &path("a.crt"), KeyKind::P256, 10).unwrap();
    let text = openssl.run(&["x509", "-noout", "-subject", "-in", path("a.crt").to_str().unwrap()]);
    assert!(text.unwrap().contains("a.example.org"));

    let age = Age::create(&path("identity")).unwrap();
    let mut sealing = Command::new("age");
    sealing.args(["-r", &age.recipient, "-o"]).args([path("sealed"), path("a.key")]);
    assert!(sealing.status().unwrap().success());
    assert_eq!(age.open(&path("sealed")).unwrap(), std::fs::read(path("a.key")).unwrap());
}

#[test]
fn an_ensemble_elects_a_leader_loses_it_and_is_gone_afterwards() {
    let options = ZooKeeperOptions { members: 3, ..ZooKeeperOptions::default() };
    let mut ensemble = ZooKeeper::start_with(options).unwrap();
    let modes: Vec<String> = (0..3).map(|number| ensemble.mode(number).unwrap()).collect();
    assert_eq!(modes.iter().filter(|mode| *mode == "leader").count(), 1, "{modes:?}");
    let leader = modes.iter().position(|mode| mode == "leader").unwrap();
    ensemble.kill(leader).unwrap();
    assert!(ensemble.mode(leader).is_err());
    ensemble.restart(leader).unwrap();
    assert!(ensemble.word(leader, "ruok").unwrap() == "imok" && ensemble.ports().len() == 3);
    let pids = ensemble.pids();
    drop(ensemble);
    assert!(pids.len() == 3 && !pids.into_iter().any(is_running));
}

const LOOK_INTO_CASSANDRA: &str = "
import sys
from cassandra.cluster import Cluster, EXEC_PROFILE_DEFAULT, ExecutionProfile
from cassandra.policies import WhiteListRoundRobinPolicy
addresses = sys.argv[2:]
profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy(addresses))
cluster = Cluster(addresses, port=int(sys.argv[1]), execution_profiles={EXEC_PROFILE_DEFAULT: profile})
session = cluster.connect()
session.execute(\"CREATE KEYSPACE IF NOT EXISTS k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}\")
session.execute('CREATE TABLE IF NOT EXISTS k.t (a int PRIMARY KEY)')
for a in range(100):
    session.execute('INSERT INTO k.t (a) VALUES (%s)', (a,))
print(len(list(session.execute('SELECT * FROM k.t'))), len(cluster.metadata.all_hosts()))
cluster.shutdown()
";

#[test]
fn a_cassandra_cluster_shares_its_rows_and_has_them_after_a_kill() {
    let options = CassandraOptions { nodes: 2, ..CassandraOptions::default() };
    let mut cluster = Cassandra::start_with(options).unwrap();
    let look = |cluster: &Cassandra| {
        let mut client = Command::new("python3");
        client.env("PYTHONPATH", Cassandra::python_client().unwrap());
        client.args(["-c", LOOK_INTO_CASSANDRA, &cluster.port.to_string()]);
        let output = client.args(cluster.addresses()).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    assert_eq!(look(&cluster).trim(), "100 2");
    // Time for the last rows to be in the log of commits.
    std::thread::sleep(std::time::Duration::from_secs(1));
    cluster.kill(1).unwrap();
    assert_eq!(cluster.pids().len(), 1);
    cluster.restart(1).unwrap();
    assert_eq!(look(&cluster).trim(), "100 2");
    assert!(cluster.data(1).join("k").is_dir());
    let (pids, folder) = (cluster.pids(), cluster.data(0));
    drop(cluster);
    assert!(!pids.into_iter().any(is_running) && !folder.exists());
}
