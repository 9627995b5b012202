//! Tests ids of rooms at their limits, and the methods and protocols of the routes of rooms.

use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::send;
use crate::rooms::{Log, SECRET, SERVICE, call, gateway, line, open_room, refused, token, write};
use crate::{Gateway, database};

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_compared_byte_by_byte_and_never_decoded() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    let longest = "x".repeat(128);
    // These ids differ only a little.
    let rooms = ["a", "A", "a.", ".a", "...", "-", "_", "a-b", "a_b", "a.b", "logs", longest.as_str()];
    for room in rooms {
        open_room(&gateway, room, json!({"title": room})).await;
        assert_eq!(write(&gateway, room, line(room)).await.status, 201, "{room}");
    }
    for room in rooms {
        let page =
            call(gateway.address, "GET", &format!("/api/v1/rooms/{room}/logs"), &ann, Value::Null).await;
        let (page, shown) = (page.json(), json!([room]));
        let messages: Vec<&Value> =
            page["lines"].as_array().unwrap().iter().map(|line| &line["message"]).collect();
        assert_eq!((json!(messages), &page["roomId"]), (shown, &json!(room)));
    }
    let too_long = "x".repeat(129);
    for id in [
        "", ".", "..", "%61", "%2e%2e", "%2E", "a%2fb", "a%00", "a%20", "a:b", "room:a", "a,b", "a*", "a~",
        "a;b", "a+b", "a@b", "%", "%zz", "%C3%A9", &too_long,
    ] {
        for (method, path, token) in [
            ("GET", format!("/api/v1/rooms/{id}"), &*ann),
            ("GET", format!("/api/v1/rooms/{id}/logs"), &ann),
            ("PUT", format!("/api/v1/rooms/{id}"), SERVICE),
            ("DELETE", format!("/api/v1/rooms/{id}"), SERVICE),
            ("POST", format!("/api/v1/rooms/{id}/logs"), SERVICE),
        ] {
            let body = if method == "PUT" { json!({}) } else { line("x") };
            let answer = call(gateway.address, method, &path, token, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {:?}", answer.body);
        }
        // The credential is checked first.
        let answer =
            call(gateway.address, "GET", &format!("/api/v1/rooms/{id}/logs"), "x", Value::Null).await;
        assert_eq!(refused(&answer), (401, "bad_token".to_owned()), "{id}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_of_rooms_answers_only_its_methods() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    write(&gateway, "r", line("x")).await;
    let ann = token("ann", 600);
    // This call waits until the gateway has read the table.
    call(gateway.address, "GET", "/api/v1/rooms", &ann, Value::Null).await;
    let bearer = format!("Bearer {ann}");
    let authorization = ("authorization", bearer.as_str());
    let json = ("accept", "application/json");
    for path in ["/api/v1/rooms", "/api/v1/rooms/r", "/api/v1/rooms/r/logs"] {
        for headers in [&[authorization, json][..], &[authorization][..]] {
            // The answer to HEAD ends, even for a stream.
            let head = send(gateway.address, "HEAD", path, headers, "").await;
            assert_eq!((head.status.as_u16(), head.body.len()), (200, 0), "{path}");
        }
        let head = send(gateway.address, "HEAD", path, &[], "").await;
        assert_eq!(head.status, 401, "{path}");
    }
    let stream = send(gateway.address, "HEAD", "/api/v1/rooms/r/logs", &[authorization], "").await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");

    let read = "GET, HEAD, OPTIONS";
    let (room, logs) = ("GET, HEAD, PUT, DELETE, OPTIONS", "GET, HEAD, POST, OPTIONS");
    for (path, allowed) in [
        ("/api/v1/rooms", read),
        ("/api/v1/rooms/r", room),
        ("/api/v1/rooms/r/logs", logs),
        // A preflight has no credentials. So the answer does not show whether a room exists.
        ("/api/v1/rooms/none", room),
        ("/api/v1/rooms/%2e", room),
    ] {
        for wanted in ["PUT", "DELETE", "POST", "GET"] {
            let headers = [
                ("origin", "https://app.example"),
                ("access-control-request-method", wanted),
                ("access-control-request-headers", "x-api-key, idempotency-key, content-type, last-event-id"),
            ];
            let answer = send(gateway.address, "OPTIONS", path, &headers, "").await;
            assert_eq!(answer.status, 204, "{path}");
            assert_eq!(answer.headers["access-control-allow-methods"], allowed, "{path}");
            assert_eq!(answer.headers["access-control-allow-origin"], "*");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
            let listed = answer.headers["access-control-allow-headers"].to_str().unwrap().to_lowercase();
            for name in ["x-api-key", "idempotency-key", "content-type", "authorization", "last-event-id"] {
                assert!(listed.split(", ").any(|one| one == name), "{name}: {listed}");
            }
        }
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"] {
            if !allowed.split(", ").any(|one| one == method) {
                let answer = send(gateway.address, method, path, &[authorization], "").await;
                assert_eq!(answer.status, 405, "{method} {path}");
                assert_eq!(answer.headers["allow"], allowed);
            }
        }
    }
    // A page of another origin may also read the errors.
    for (method, path) in
        [("PUT", "/api/v1/rooms/r"), ("DELETE", "/api/v1/rooms/r"), ("POST", "/api/v1/rooms/r/logs")]
    {
        let answer = send(gateway.address, method, path, &[("origin", "https://app.example")], "").await;
        assert_eq!(refused(&answer), (401, "token_missing".to_owned()), "{method}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rooms_are_followed_over_one_connection_of_http_2() {
    let db = database().await;
    let flags = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE, "--max-streams-per-connection", "20"];
    let gateway = Gateway::start(&db.url, &flags).await;
    let bearer = format!("Bearer {}", token("ann", 600));
    let socket = TokioIo::new(TcpStream::connect(gateway.address).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket);
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let mut streams = Vec::new();
    for nth in 0..20 {
        open_room(&gateway, &format!("r{nth}"), json!({})).await;
        let uri = format!("http://{}/api/v1/rooms/r{nth}/logs", gateway.address);
        let request =
            Request::get(uri).header("authorization", &bearer).body(Full::new(Bytes::new())).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        streams.push(answer.into_body());
    }
    for nth in 0..20 {
        write(&gateway, &format!("r{nth}"), line(&format!("line of {nth}."))).await;
        call(gateway.address, "DELETE", &format!("/api/v1/rooms/r{nth}"), SERVICE, Value::Null).await;
    }
    for (nth, stream) in streams.into_iter().enumerate() {
        let text = String::from_utf8(stream.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(text.matches("event: log").count(), 1, "{text}");
        assert!(text.contains(&format!("line of {nth}.")) && text.contains(r#""reason":"closed""#), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_and_the_highest_cursors_work() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    open_room(&gateway, "ended", json!({})).await;
    let lines = json!([line("1"), line("2"), line("3")]);
    for room in ["r", "ended"] {
        assert_eq!(write(&gateway, room, lines.clone()).await.status, 201);
    }
    call(gateway.address, "DELETE", "/api/v1/rooms/ended", SERVICE, Value::Null).await;
    let ann = token("ann", 600);
    for (query, expected) in [
        ("?before=9223372036854775807&limit=2", json!(["2", "3"])),
        ("?after=9223372036854775807", json!([])),
        ("?before=0", json!([])),
        ("?before=1", json!([])),
        ("?after=0&limit=1", json!(["1"])),
        ("?after=0&limit=1000", json!(["1", "2", "3"])),
    ] {
        let path = format!("/api/v1/rooms/r/logs{query}");
        let page = call(gateway.address, "GET", &path, &ann, Value::Null).await.json();
        let messages = page["lines"].as_array().unwrap().iter().map(|line| line["message"].clone());
        assert_eq!(json!(messages.collect::<Vec<_>>()), expected, "{query}: {page}");
    }
    for query in ["?before=9223372036854775808", "?after=-1", "?limit=0", "?limit=1001", "?before=1&after=1"]
    {
        let path = format!("/api/v1/rooms/r/logs{query}");
        let answer = call(gateway.address, "GET", &path, &ann, Value::Null).await;
        assert_eq!(refused(&answer), (400, "bad_parameter".to_owned()), "{query}");
    }
    // A cursor that the table has not reached belongs to another table. So the stream begins again.
    // The gateway first waits for a moment, so all streams are opened at the same time.
    let cases = [
        ("r", "?last_event_id=0", false),
        ("r", "?last_event_id=9223372036854775807", true),
        ("ended", "?last_event_id=0", false),
        ("ended", "?last_event_id=9223372036854775807", true),
        ("ended", "?last_event_id=9223372036854775807&tail=3", true),
    ];
    let opened =
        cases.map(async |(room, query, _)| Log::open(&gateway, room, query, &ann).await.connected().await);
    for (mut log, (room, query, gap)) in join_all(opened).await.into_iter().zip(cases) {
        if gap {
            let (name, _, data) = log.event().await.unwrap();
            assert_eq!((name.as_str(), &data["reason"]), ("gap", &json!("reset")), "{room}{query}");
        }
        assert_eq!(log.messages(3).await, ["1", "2", "3"], "{room}{query}");
        if room == "ended" {
            assert_eq!(log.closed().await, "closed", "{query}");
        }
    }
    gateway.stop().await;
}
