//! Behind a proxy that passes notifications on and prepares nothing, or forgets what was prepared because
//! it changes servers between statements: the tail plans each read and goes on.

use oasis_store::Update;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::{client, database, follow, next, plain_insert, store, until_up};

/// What the proxy makes of a message: its type, and what follows its length.
type Spoil = fn(u8, &mut [u8]);

/// `Parse` of a named statement fails.
fn cannot_prepare(kind: u8, message: &mut [u8]) {
    if kind == b'P'
        && let Some(end) = message.iter().position(|byte| *byte == 0).filter(|end| *end > 0)
    {
        message[end + 1] = b'?';
    }
}

/// `Bind` names a statement that the server does not know.
fn forgets_what_was_prepared(kind: u8, message: &mut [u8]) {
    if kind == b'B'
        && let Some(portal) = message.iter().position(|byte| *byte == 0)
        && message[portal + 1] != 0
    {
        message[portal + 1] = b'?';
    }
}

/// The database at `url` as it is reached through a proxy.
async fn proxied(url: &str, spoil: Spoil) -> String {
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
            tokio::spawn(pass_on(ours, server, spoil));
            tokio::spawn(async move { copy(&mut answers, &mut theirs).await });
        }
    });
    url.into()
}

/// Passes a client's messages on until it leaves; the first one has no type.
async fn pass_on(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, spoil: Spoil) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        let is_first = head.is_empty();
        head = vec![0; if is_first { 4 } else { 5 }];
        client.read_exact(&mut head).await?;
        let length = u32::from_be_bytes(*head.last_chunk().unwrap());
        let mut message = vec![0; usize::try_from(length).unwrap() - 4];
        client.read_exact(&mut message).await?;
        if !is_first {
            spoil(head[0], &mut message);
        }
        server.write_all(&[&head[..], &message[..]].concat()).await?;
    }
}

#[tokio::test]
async fn a_tail_goes_on_where_nothing_can_be_prepared() {
    for (spoil, breaks) in [(cannot_prepare as Spoil, 0), (forgets_what_was_prepared as Spoil, 1)] {
        let db = database().await;
        let mut updates = follow(store(&proxied(&db.url, spoil).await).tail());
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
                assert!(downs <= breaks, "what was refused is not tried again");
            }
        }
        assert_eq!((seen, downs), (vec![1, 2, 3], breaks));
    }
}
