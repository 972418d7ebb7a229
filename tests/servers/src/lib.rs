//! Real servers and programs for tests, each started for one test and gone with it.
//!
//! A server listens on 127.0.0.1 on a free port, keeps everything in a temporary folder, is stopped when its value is
//! dropped, and is killed by the system when the test process dies in any other way. [`restic`] and [`versitygw`] are programs,
//! built from pinned public Go modules into a cache when they are not there. [`install`] brings what is missing on a Debian machine.

mod age;
mod atomix;
mod cassandra;
mod certificates;
mod elasticsearch;
mod etcd;
mod folder;
mod go;
mod install;
mod mariadb;
mod maven;
mod opendaylight;
mod openssl;
mod postgresql;
mod process;
mod python;
mod redis;
mod s3;
mod sqlite;
mod stand_in;
mod tools;
mod unreliable;
mod zookeeper;

pub use age::Age;
pub use atomix::{Atomix, AtomixClient, AtomixOptions};
pub use cassandra::{Cassandra, CassandraOptions};
pub use certificates::expired_certificate;
pub use elasticsearch::{Elasticsearch, SearchClient, SearchProduct};
pub use etcd::{Etcd, EtcdOptions, EtcdRelease};
pub use install::{Prerequisite, install};
pub use mariadb::{MariaDb, MariaDbOptions};
pub use opendaylight::OpenDaylight;
pub use openssl::{KeyKind, OpenSsl};
pub use postgresql::{PostgreSql, PostgreSqlOptions};
pub use python::python_packages;
pub use redis::{Redis, RedisCluster, RedisOptions};
pub use s3::{Bucket, S3Server};
pub use sqlite::{ACCOUNTS, Moved, Sqlite, SqliteProgram};
pub use stand_in::StandIn;
pub use tools::{
    RUSTIC, borg, etcd, etcdctl, etcdutl, go_tests, kopia, plakar, restic, rustic, tools_folder,
    versitygw,
};
pub use unreliable::{Call, Plan, Trouble, UnreliableS3};
pub use zookeeper::{ZooKeeper, ZooKeeperOptions};
