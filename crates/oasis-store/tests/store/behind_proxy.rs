//! Tests the tail behind proxies that deliver notifications, but do not support prepared statements. One
//! proxy can't prepare statements. The other proxy uses a different server session for each statement, so
//! prepared statements are lost. Behind both proxies, the tail continues with statements that are not
//! prepared.

use oasis_store::Update;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::{client, database, follow, next, plain_insert, store, until_up};

/// A function that sees each message of a client, and may alter it. The arguments are the type of the message
/// and the bytes after the length.
pub(crate) trait Alter: Fn(u8, &mut [u8]) + Clone + Send + 'static {}
impl<F: Fn(u8, &mut [u8]) + Clone + Send + 'static> Alter for F {}

/// Makes a `Parse` message fail if it names a statement.
fn cannot_prepare(kind: u8, message: &mut [u8]) {
    if kind == b'P'
        && let Some(end) = message.iter().position(|byte| *byte == 0).filter(|end| *end > 0)
    {
        message[end + 1] = b'?';
    }
}

/// Makes a `Bind` message name a statement that the server does not know.
fn forgets_prepared_statements(kind: u8, message: &mut [u8]) {
    if kind == b'B'
        && let Some(portal) = message.iter().position(|byte| *byte == 0)
        && message[portal + 1] != 0
    {
        message[portal + 1] = b'?';
    }
}

/// Starts a proxy in front of the database at `url`, and returns the URL of the proxy.
pub(crate) async fn proxied(url: &str, alter: impl Alter) -> String {
    let mut url: Url = url.parse().unwrap();
    let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    url.set_query(Some("sslmode=disable"));
    tokio::spawn(async move {
        loop {
            let (ours, mut theirs) = listener.accept().await.unwrap().0.into_split();
            let (mut answers, server) = TcpStream::connect(&server).await.unwrap().into_split();
            tokio::spawn(pass_on(ours, server, alter.clone()));
            tokio::spawn(async move { copy(&mut answers, &mut theirs).await });
        }
    });
    url.into()
}

/// Forwards the messages of a client until the client disconnects. The first message has no type.
async fn pass_on(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    alter: impl Alter,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        let is_first = head.is_empty();
        head = vec![0; if is_first { 4 } else { 5 }];
        client.read_exact(&mut head).await?;
        let length = u32::from_be_bytes(*head.last_chunk().unwrap());
        let mut message = vec![0; usize::try_from(length).unwrap() - 4];
        client.read_exact(&mut message).await?;
        if !is_first {
            alter(head[0], &mut message);
        }
        server.write_all(&[&head[..], &message[..]].concat()).await?;
    }
}

#[tokio::test]
async fn a_tail_continues_behind_a_proxy_without_prepared_statements() {
    type Harm = fn(u8, &mut [u8]);
    for (alter, breaks) in [(cannot_prepare as Harm, 0), (forgets_prepared_statements as Harm, 1)] {
        let db = database().await;
        let mut updates = follow(store(&proxied(&db.url, alter).await).tail());
        until_up(&mut updates).await;
        let sql = client(&db.url).await;
        let (mut seen, mut downs) = (Vec::new(), 0);
        for number in 1..=3 {
            sql.batch_execute(&plain_insert(number)).await.unwrap();
            while seen.len() < number {
                match next(&mut updates).await {
                    Update::Events(events) => seen.extend(events.iter().map(|event| event.id)),
                    Update::Down(_) => downs += 1,
                    _ => {}
                }
                assert!(downs <= breaks, "the tail tried a refused prepared statement again");
            }
        }
        assert_eq!((seen, downs), (vec![1, 2, 3], breaks));
    }
}
