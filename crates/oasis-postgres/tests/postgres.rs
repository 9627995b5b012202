//! Tests of the public interface: data survives restarts, concurrent starts use one server, and nothing
//! remains after the tests.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oasis_postgres::testing::{self, TestCluster};
use oasis_postgres::{Cluster, Error, Options};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn query_number(url: &str, sql: &str) -> i64 {
    connect(url).await.query_one(sql, &[]).await.unwrap().get(0)
}

async fn make_table(url: &str) -> Result<(), tokio_postgres::Error> {
    connect(url).await.batch_execute("CREATE TABLE kept (n bigint)").await
}

/// Starts a second `Cluster` in the folder of `cluster`. The second `Cluster` adopts the server, or starts
/// the server if it does not run.
fn second_user(cluster: &TestCluster) -> Result<Cluster, Error> {
    Cluster::start(Options::new(cluster.dir()))
}

#[tokio::test]
async fn a_restarted_server_keeps_its_data_and_port() {
    let cluster = testing::cluster().await;
    cluster.create_database("oasis").await.unwrap();
    cluster.create_database("oasis").await.unwrap();
    let url = cluster.url("oasis");
    make_table(&url).await.unwrap();
    connect(&url).await.execute("INSERT INTO kept VALUES (7)", &[]).await.unwrap();
    assert_eq!(
        query_number(&url, "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'").await,
        1
    );

    assert!(cluster.stop().unwrap());
    assert_eq!(cluster.pid(), None);
    assert!(tokio_postgres::connect(&url, NoTls).await.is_err());
    assert!(cluster.stop().unwrap(), "a second stop should succeed");

    cluster.restart().unwrap();
    assert_eq!(query_number(&url, "SELECT n FROM kept").await, 7);
    assert!(!cluster.adopted());
}

#[tokio::test]
async fn a_killed_server_restarts_with_every_acknowledged_row() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    make_table(&url).await.unwrap();
    let client = connect(&url).await;
    for n in 0..50_i64 {
        client.execute("INSERT INTO kept VALUES ($1)", &[&n]).await.unwrap();
    }
    cluster.kill().unwrap();
    cluster.restart().unwrap();
    assert_eq!(query_number(&url, "SELECT count(*) FROM kept").await, 50);
}

#[tokio::test]
async fn the_last_user_stops_an_adopted_server() {
    let cluster = testing::cluster().await;
    let second = second_user(&cluster).unwrap();
    assert!(second.adopted());
    assert_eq!(second.pid(), cluster.pid());
    assert_eq!(second.url("postgres"), cluster.url("postgres"));

    assert!(!cluster.stop().unwrap(), "the server should keep running, because the second cluster uses it");
    assert_eq!(query_number(&second.url("postgres"), "SELECT 1::bigint").await, 1);
    assert!(second.stop().unwrap());
    assert!(tokio_postgres::connect(&second.url("postgres"), NoTls).await.is_err());

    // The next start uses the same port.
    let third = second_user(&cluster).unwrap();
    assert!(!third.adopted());
    assert_eq!(third.port(), cluster.port());
}

#[tokio::test]
async fn concurrent_starts_start_only_one_server_and_share_it() {
    let cluster = testing::cluster().await;
    cluster.stop().unwrap();
    std::fs::remove_dir_all(cluster.dir().join("data")).unwrap();
    let dir = cluster.dir().to_owned();
    let starters: Vec<_> = (0..4)
        .map(|_| {
            let options = Options::new(&dir);
            std::thread::spawn(move || Cluster::start(options).unwrap())
        })
        .collect();
    let started: Vec<_> = starters.into_iter().map(|starter| starter.join().unwrap()).collect();
    assert_eq!(started.iter().filter(|cluster| !cluster.adopted()).count(), 1);
    assert_eq!(started.iter().map(Cluster::pid).collect::<HashSet<_>>().len(), 1);
    for cluster in &started {
        assert_eq!(query_number(&cluster.url("postgres"), "SELECT 1::bigint").await, 1);
    }
}

#[tokio::test]
async fn a_stale_pid_file_with_the_id_of_another_process_does_not_prevent_a_restart() {
    let cluster = testing::cluster().await;
    let data = cluster.dir().join("data");
    cluster.kill().unwrap();
    // PostgreSQL ignores the processes of other users, so the bystander must run as the server's user.
    let owner = std::fs::metadata(&data).unwrap();
    let mut bystander = Command::new("sleep");
    bystander.arg("60").current_dir("/");
    if owner.uid() != std::fs::metadata("/proc/self").map_or(owner.uid(), |own| own.uid()) {
        bystander.uid(owner.uid()).gid(owner.gid());
    }
    let mut bystander = bystander.spawn().unwrap();
    let path = data.join("postmaster.pid");
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{}\n{rest}", bystander.id())).unwrap();

    let restarted = cluster.restart();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    restarted.unwrap();
    assert_eq!(query_number(&cluster.url("postgres"), "SELECT 1::bigint").await, 1);
}

#[tokio::test]
async fn each_cause_of_a_failed_start_has_a_specific_error_and_no_error_shows_the_password() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    let password = url.split([':', '@']).nth(2).unwrap();
    assert_eq!(password.len(), 32);
    assert!(!format!("{cluster:?}").contains(password));
    let error = cluster.create_database("").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(password));

    let dir = tempfile::tempdir().unwrap();
    let options = Options::new(dir.path().join("cluster"));
    let error = Cluster::start(Options { bin_dir: Some(dir.path().into()), ..options }).unwrap_err();
    assert!(matches!(error, Error::BadBinaries { .. }), "{error}");

    let (port, settings) = (cluster.port(), vec![("no_such".to_owned(), "1".to_owned())]);
    cluster.stop().unwrap();
    let error = Cluster::start(Options { settings, ..Options::new(cluster.dir()) }).unwrap_err();
    assert!(matches!(&error, Error::Start { tail, .. } if tail.contains("no_such")), "{error}");

    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = Cluster::start(Options { port: Some(port), ..Options::new(cluster.dir()) }).unwrap_err();
    assert!(matches!(error, Error::PortTaken(taken) if taken == port), "{error}");
    let moved = second_user(&cluster).unwrap();
    assert_ne!(moved.port(), port);

    moved.stop().unwrap();
    std::fs::remove_file(cluster.dir().join("password")).unwrap();
    let error = second_user(&cluster).unwrap_err();
    assert!(matches!(error, Error::NoPassword(_)), "{error}");
}

/// Each thread has a separate runtime, as each `#[tokio::test]` does.
#[test]
fn each_test_gets_a_fresh_database_and_the_migrations_run_once() {
    let migrations = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let migrations = Arc::clone(&migrations);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let database = testing::database(async |url: &str| {
                        migrations.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        make_table(url).await
                    })
                    .await;
                    let client = connect(&database.url).await;
                    client.execute("INSERT INTO kept VALUES (1)", &[]).await.unwrap();
                    assert_eq!(query_number(&database.url, "SELECT count(*) FROM kept").await, 1);
                    database.url.clone()
                })
            })
        })
        .collect();
    let urls: HashSet<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(urls.len(), 8);
    assert_eq!(migrations.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_empty_database_has_no_tables_and_accepts_many_connections() {
    let database = testing::empty_database().await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(query_number(&database.url, tables).await, 0);
    let limit = "SELECT setting::bigint FROM pg_settings WHERE name = 'max_connections'";
    assert!(query_number(&database.url, limit).await >= 100);
}

#[tokio::test]
async fn a_database_is_dropped_at_the_end_of_its_test() {
    let (first, second) = (testing::empty_database().await, testing::empty_database().await);
    let name = first.url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let count = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(query_number(&second.url, &count).await, 1);

    drop(first);
    assert_eq!(query_number(&second.url, &count).await, 0);
}

/// Runs `test`, which is one of the ignored tests below, in a new process of this test program.
fn test_process(test: &str, setting: Option<String>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", test, "--nocapture"]).stdout(Stdio::piped());
    command.env_remove("DATABASE_URL").env_remove("TEST_DATABASE_URL");
    command.envs(setting.map(|url| ("TEST_DATABASE_URL", url)));
    command.spawn().unwrap()
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "this did not happen within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_killed_test_process_leaves_no_server_and_no_folder() {
    let mut child = test_process("helper_that_hangs", None);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let dirs: Vec<PathBuf> = lines
        .map_while(Result::ok)
        .filter_map(|line| Some(PathBuf::from(line.split_once("SERVER ")?.1)))
        .take(2)
        .collect();
    assert_eq!(dirs.len(), 2);
    // The test checks the port and not the process id. On a system that does not reap orphans, a dead process
    // keeps its id.
    let port_of = |dir: &Path| -> u16 {
        let text = std::fs::read_to_string(dir.join("data/postmaster.pid")).unwrap();
        text.lines().nth(3).unwrap().parse().unwrap()
    };
    let listens = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    let ports: Vec<_> = dirs.iter().map(|dir| port_of(dir)).collect();
    assert!(ports.iter().all(|port| listens(*port)));
    child.kill().unwrap();
    child.wait().unwrap();
    for (dir, port) in dirs.iter().zip(ports) {
        wait_until("the folder is removed", || !dir.exists());
        wait_until("the server ends", || !listens(port));
    }
}

/// Not a test: the process that `a_killed_test_process_leaves_no_server_and_no_folder` kills.
#[tokio::test]
#[ignore = "run by another test"]
async fn helper_that_hangs() {
    let database = testing::empty_database().await;
    let client = connect(&database.url).await;
    let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
    println!("SERVER {}", Path::new(&data).parent().unwrap().display());
    let cluster = testing::cluster().await;
    println!("SERVER {}", cluster.dir().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn tests_use_and_clean_up_a_server_from_the_environment() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    connect(&url).await.batch_execute("CREATE DATABASE oasis_test_1_remains").await.unwrap();
    let child = test_process("helper_on_named_server", Some(url.clone()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // Only the template remains. A later run drops it.
    let ours = "SELECT count(*) FROM pg_database WHERE datname LIKE 'oasis%' AND";
    assert_eq!(query_number(&url, &format!("{ours} NOT datallowconn")).await, 1);
    assert_eq!(query_number(&url, &format!("{ours} datallowconn")).await, 0);
}

/// Not a test: the process whose databases `tests_use_and_clean_up_a_server_from_the_environment` checks.
#[tokio::test]
#[ignore = "run by another test"]
async fn helper_on_named_server() {
    let (one, two) = (testing::database(make_table).await, testing::database(make_table).await);
    assert_ne!(one.url, two.url);
    let named = std::env::var("TEST_DATABASE_URL").unwrap();
    assert_eq!(one.url.split('/').nth(2), named.split('/').nth(2));
    assert_eq!(query_number(&two.url, "SELECT count(*) FROM kept").await, 0);
}
