//! Tests of the probes: what they answer, and to whom.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use oasis_service::{Limits, Listeners, LocalHosts, ServiceArgs};

use super::client::{Client, Reply, get};
use super::logs;
use super::sample::{listener, start, start_on};

#[tokio::test]
async fn probes_name_the_service() {
    let server = start(Limits::default()).await;
    let health = get(server.address, "/health").await.json();
    assert_eq!((&health["ok"], &health["service"]), (&true.into(), &"sample".into()));
    assert!(health["timestamp"].as_str().unwrap().ends_with('Z'));
    let ready = get(server.address, "/ready").await;
    assert_eq!((ready.status, &ready.json()["ok"]), (200, &true.into()));
    assert_eq!((&ready.json()["service"], &ready.json()["checks"]), (&"sample".into(), &1.into()));
    server.stop().await;
}

/// The answers to probes soon show that the service has become ready. The readiness check of the app runs
/// less often than probes arrive.
#[tokio::test]
async fn a_service_that_is_not_ready_is_checked_again_soon() {
    let server = start(Limits::default()).await;
    server.app.is_ready.store(false, Ordering::SeqCst);
    let mut client = Client::connect(server.address).await;
    let began = Instant::now();
    let mut asked = 0;
    while server.app.checks.load(Ordering::SeqCst) < 5 {
        let reply = client.get("/ready").await;
        assert_eq!((reply.status, &reply.json()["reasons"][0]), (503, &"not yet".into()));
        assert_eq!((&reply.json()["ok"], reply.json()["checks"].is_u64()), (&false.into(), true));
        asked += 1;
    }
    assert!(began.elapsed() >= Duration::from_millis(4 * 20), "{:?}", began.elapsed());
    assert!(asked > 5, "the app was checked for each of {asked} probes");
    server.app.is_ready.store(true, Ordering::SeqCst);
    while client.get("/ready").await.status != 200 {}
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    server.stop().await;
}

/// Tests the health check that a container image without a shell runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_says_why_the_service_is_not_ready() {
    let server = start(Limits::default()).await;
    let port = server.address.port();
    let asked = async |host: &str| {
        let args = ServiceArgs::<8080> {
            host: host.into(),
            port,
            metrics_port: None,
            log: String::new(),
            max_connections_per_client: None,
            keep_alive: Duration::from_secs(75),
            healthcheck: true,
        };
        tokio::task::spawn_blocking(move || args.healthcheck().map_err(|error| error.to_string()))
            .await
            .unwrap()
    };
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "::", "[::]", "*"] {
        assert_eq!(asked(host).await, Ok(()), "{host}");
    }
    server.app.is_ready.store(false, Ordering::SeqCst);
    while asked("127.0.0.1").await.is_ok() {}
    let why = asked("127.0.0.1").await.unwrap_err();
    assert!(why.contains(r#""reasons":["not yet"]"#), "{why}");
    server.stop().await;
    assert!(asked("127.0.0.1").await.unwrap_err().contains("refused"));
}

/// Requests a path with more headers. A forwarded request can come from anywhere.
async fn forwarded(client: &mut Client, path: &str, headers: &str) -> Reply {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 1.2.3.4\r\n{headers}\r\n")).await;
    client.reply().await
}

#[tokio::test]
async fn strangers_learn_neither_why_a_service_is_not_ready_nor_its_guarded_metrics() {
    let server = start(Limits::default()).await;
    server.app.is_ready.store(false, Ordering::SeqCst);
    let mut client = Client::connect(server.address).await;
    for (headers, sees) in
        [("x-request-id: stranger-1\r\n", false), ("authorization: Bearer reader\r\n", true)]
    {
        let reply = forwarded(&mut client, "/ready", headers).await;
        assert_eq!((reply.status, reply.body.contains("not yet")), (503, sees), "{}", reply.body);
        assert_eq!(forwarded(&mut client, "/metrics", headers).await.status, 200);
    }
    let guess = "authorization: Bearer guess\r\n";
    assert!(!forwarded(&mut client, "/ready", guess).await.body.contains("not yet"));
    assert_eq!(forwarded(&mut client, "/metrics", guess).await.error_code(), "bad_token");
    assert_eq!(forwarded(&mut client, "/metrics?token=guess", "").await.error_code(), "bad_token");
    assert_eq!(forwarded(&mut client, "/metrics?x=1", "").await.error_code(), "token_missing");
    let logged = logs::lines_about("stranger-1");
    assert!(logged.iter().any(|line| line["reasons"] == "not yet"), "{logged:?}");
    server.stop().await;
}

/// A proxy that passes on `Host` and sets no other header passes on what its client has chosen.
#[tokio::test]
async fn only_a_request_to_a_loopback_address_is_local() {
    let server = start(Limits::default()).await;
    server.app.is_ready.store(false, Ordering::SeqCst);
    let mut client = Client::connect(server.address).await;
    for (host, sees) in [
        ("localhost:1", true),
        ("127.0.0.1", true),
        ("[::1]:1", true),
        ("203.0.113.9", false),
        ("192.168.1.7:80", false),
        ("[2001:db8::1]", false),
        ("sample.example", false),
    ] {
        client.send(format!("GET /ready HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
        assert_eq!(client.reply().await.body.contains("not yet"), sees, "{host}");
    }
    server.stop().await;
}

#[tokio::test]
async fn metrics_can_have_a_port_of_their_own() {
    let metrics = listener().await;
    let address = metrics.local_addr().unwrap();
    let server =
        start_on(Listeners { metrics: Some(metrics), ..listener().await.into() }, Limits::default()).await;
    assert_eq!(get(server.address, "/hello").await.status, 200);
    let here = get(server.address, "/metrics").await;
    assert_eq!((here.status, here.body.contains("METRICS_PORT")), (404, true));
    assert!(get(address, "/metrics").await.body.contains("http_requests_total{service=\"sample\""));
    for path in ["/hello", "/health", "/ready"] {
        let other = get(address, path).await;
        assert_eq!((other.status, other.body.contains("only /metrics")), (404, true), "{path}");
    }
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is still open");
}

#[tokio::test]
async fn a_listener_can_refuse_names_of_other_machines() {
    let hosts = Some(LocalHosts { more: vec!["dev.example".into()] });
    let server = start_on(Listeners { hosts, ..listener().await.into() }, Limits::default()).await;
    let mut client = Client::connect(server.address).await;
    for (host, status) in [("localhost:1", 200), ("dev.example", 200), ("evil.example", 403)] {
        for path in ["/hello", "/health"] {
            client.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
            assert_eq!(client.reply().await.status, status, "{host}");
        }
    }
    server.stop().await;
}
