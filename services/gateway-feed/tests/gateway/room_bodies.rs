//! Tests requests about rooms whose bodies arrive slowly. The room and the rights of the caller may change
//! in the meantime.

use std::net::SocketAddr;
use std::time::Duration;

use oasis_store::Revocation;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::pause;
use crate::credentials::store;
use crate::database;
use crate::rooms::{SERVICE, call, gateway, line, open_room, token};

/// A request whose body has arrived except for its last byte.
struct Slow {
    stream: TcpStream,
    last: u8,
}

impl Slow {
    /// Begins a request. When this returns, the gateway has accepted the headers.
    async fn begin(address: SocketAddr, (method, path): (&str, &str), token: &str, body: &Value) -> Self {
        // Waits until the gateway has read the table.
        call(address, "GET", "/api/v1/rooms", token, Value::Null).await;
        let body = body.to_string();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gateway asks for the body after it has checked the rights of the caller.
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        let (last, rest) = body.as_bytes().split_last().unwrap();
        stream.write_all(rest).await.unwrap();
        Self { stream, last: *last }
    }

    /// Sends the last byte, and returns the status and the body of the answer.
    async fn end(mut self) -> (u16, Value) {
        self.stream.write_all(&[self.last]).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_loses_the_room_while_the_body_arrives_changes_nothing() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    open_room(&gateway, "r", json!({"owner": "ann", "readers": "owner"})).await;
    let wider = json!({"readers": "signed_in"});
    let put = Slow::begin(gateway.address, ("PUT", "/api/v1/rooms/r"), &ann, &wider).await;
    let post = Slow::begin(gateway.address, ("POST", "/api/v1/rooms/r/logs"), &ann, &line("x")).await;
    let to_bob = json!({"owner": "bob"});
    assert_eq!(call(gateway.address, "PUT", "/api/v1/rooms/r", SERVICE, to_bob).await.status, 200);
    for request in [put, post] {
        let (status, body) = request.end().await;
        assert_eq!((status, &body["error"]["code"]), (403, &json!("not_your_room")), "{body}");
    }
    let room = call(gateway.address, "GET", "/api/v1/rooms/r", &bob, Value::Null).await.json();
    assert_eq!((&room["owner"], &room["readers"]), (&json!("bob"), &json!("owner")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_closed_while_the_body_arrives_gets_no_line() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let post = Slow::begin(gateway.address, ("POST", "/api/v1/rooms/r/logs"), SERVICE, &line("x")).await;
    assert_eq!(call(gateway.address, "DELETE", "/api/v1/rooms/r", SERVICE, Value::Null).await.status, 200);
    let (status, body) = post.end().await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("room_closed")), "{body}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_slow_request_shows_the_room_as_it_is_now() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({"owner": "ann", "readers": "owner"})).await;
    // At the beginning of this request, the room has these readers already.
    let narrow = json!({"readers": "owner"});
    let put = Slow::begin(gateway.address, ("PUT", "/api/v1/rooms/r"), SERVICE, &narrow).await;
    let wider = json!({"readers": "signed_in"});
    assert_eq!(call(gateway.address, "PUT", "/api/v1/rooms/r", SERVICE, wider).await.status, 200);
    let (status, answer) = put.end().await;
    assert_eq!((status, &answer["readers"]), (200, &json!("owner")));
    let room = call(gateway.address, "GET", "/api/v1/rooms/r", &token("ann", 600), Value::Null).await;
    assert_eq!(room.json(), answer);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_revoked_while_the_body_arrives_writes_nothing() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    let ann = token("ann", 600);
    open_room(&gateway, "r", json!({"owner": "ann"})).await;
    let put = Slow::begin(gateway.address, ("PUT", "/api/v1/rooms/r"), &ann, &json!({"title": "t"})).await;
    let post = Slow::begin(gateway.address, ("POST", "/api/v1/rooms/r/logs"), &ann, &line("x")).await;
    let store = store(&db.url);
    let before = oasis_core::Ts::clamped(jiff::Timestamp::now());
    store.revoke(&Revocation::User { sub: "ann".into(), before, until: None }).await.unwrap();
    while call(gateway.address, "GET", "/api/v1/rooms/r", &ann, Value::Null).await.status != 401 {
        pause().await;
    }
    for request in [put, post] {
        let (status, body) = request.end().await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("bad_token")), "{body}");
    }
    gateway.stop().await;
}

/// A body may take 30 s to arrive. An append is given up after 5 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_takes_longer_than_an_append_may_take_is_stored() {
    let db = database().await;
    let gateway = gateway(&db.url).await;
    open_room(&gateway, "r", json!({})).await;
    let put = Slow::begin(gateway.address, ("PUT", "/api/v1/rooms/r"), SERVICE, &json!({"title": "t"})).await;
    let post = Slow::begin(gateway.address, ("POST", "/api/v1/rooms/r/logs"), SERVICE, &line("x")).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    for (request, status) in [(put, 200), (post, 201)] {
        let (answered, body) = request.end().await;
        assert_eq!(answered, status, "{body}");
    }
    gateway.stop().await;
}
