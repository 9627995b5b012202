//! A random test of isolation: no viewer gets a line that the viewer may not read, and each viewer gets all
//! other lines once. The seed is printed. `ROOMS_SEED=n` repeats one round, and `ROOMS_SECONDS=n` sets the
//! time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::{BoxFuture, FutureExt, join_all};
use oasis_core::Ts;
use oasis_store::{Revocation, Store};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::client::{Block, Feed};
use crate::credentials::{api_key, store};
use crate::random::Random;
use crate::room_model::{Credential, LATE, Model};
use crate::room_servers::insert_row;
use crate::rooms::{SECRET, SERVICE, call, gateway, token};
use crate::{Gateway, database, postgres};

const ROOMS: usize = 3;
const USERS: usize = 3;
/// How long the test waits for something that must happen.
const SOON: Duration = Duration::from_secs(20);

/// The ids and the messages of lines.
type Lines = Vec<(i64, String)>;

/// What a viewer has received so far.
#[derive(Default)]
struct Seen {
    lines: Lines,
    cursor: String,
    /// The reasons of `close`, and the head of the table before the connection was opened.
    closed: Vec<(String, i64)>,
}

/// A client that follows a room.
struct Viewer {
    credential: usize,
    room: usize,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// Follows a room until the stream ends.
async fn follow(address: SocketAddr, room: String, token: String, head: i64, seen: Arc<Mutex<Seen>>) {
    let bearer = format!("Bearer {token}");
    let cursor = seen.lock().unwrap().cursor.clone();
    let headers = [("authorization", bearer.as_str()), ("last-event-id", cursor.as_str())];
    let path = format!("/api/v1/rooms/{room}/logs?tail=1000");
    let Some(mut feed) = Feed::try_open_path(address, &path, &headers).await else { return };
    if feed.status != 200 {
        assert!(matches!(feed.status.as_u16(), 401 | 403), "{path}: {}", feed.status);
        return;
    }
    while let Ok(Some(block)) = feed.block().await {
        let mut seen = seen.lock().unwrap();
        match block {
            Block::Event { id: Some(id), data } => {
                seen.lines.push((id, data["message"].as_str().unwrap().to_owned()));
                seen.cursor = id.to_string();
            }
            Block::Cursor(id) => seen.cursor = id.to_string(),
            Block::Event { id: None, data } => {
                assert!(data.get("from").is_none(), "a gap: {data}");
                seen.closed.extend(data["reason"].as_str().map(|reason| (reason.to_owned(), head)));
            }
            Block::Comment | Block::Retry => {}
        }
    }
}

/// The servers and the state that all rounds share.
struct World {
    store: Store,
    sql: tokio_postgres::Client,
    gateways: Vec<Gateway>,
    random: Random,
}

/// The users, rooms and viewers of a round.
struct Round {
    rooms: Vec<String>,
    credentials: Vec<Credential>,
    viewers: Vec<Viewer>,
    /// The lines on pages, with the credential and the room of the page.
    pages: Arc<Mutex<Vec<(usize, usize, Lines)>>>,
    lines: usize,
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

impl World {
    fn address(&mut self) -> SocketAddr {
        self.random.pick(&self.gateways).address
    }

    async fn head(&self) -> i64 {
        let sql = "SELECT coalesce(max(id), 0) FROM oasis_events";
        self.sql.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Opens the rooms of a round.
    async fn begin(&mut self, seed: u64) -> Round {
        let mut credentials = Vec::new();
        let users: Vec<String> = (0..USERS).map(|nth| format!("{seed:x}-u{nth}")).collect();
        for (nth, user) in users.iter().enumerate() {
            // Some credentials end within a second. A token is valid for another 30 s after its time.
            let mut soon = || self.random.one_in(12).then(|| (now().floor() + 1.0, 1));
            let (expires, seconds) = soon().map_or((None, 600), |(end, _)| (Some(end), -29));
            let (name, token) = (format!("{user}-{seconds}"), token(user, seconds));
            credentials.push(Credential { user: user.clone(), token, name, expires });
            let (name, soon) = (format!("{seed:x}k{nth}"), soon());
            let token = api_key(&self.store, &name, user, soon.map(|(_, seconds)| seconds)).await;
            let expires = soon.map(|(end, _)| end);
            credentials.push(Credential { user: user.clone(), token, name, expires });
        }
        let rooms: Vec<String> = (0..ROOMS).map(|nth| format!("{seed:x}-r{nth}")).collect();
        for room in &rooms {
            let owner = self.random.pick(&users).clone();
            let readers = *self.random.pick(&["owner", "signed_in"]);
            let meta = json!({"owner": owner, "readers": readers}).to_string();
            insert_row(&self.sql, &format!("room:{room}"), "room.opened", &meta).await;
        }
        Round { rooms, credentials, viewers: Vec::new(), pages: Arc::default(), lines: 0 }
    }

    /// Connects a viewer again, or a new viewer.
    async fn connect(&mut self, round: &mut Round, again: Option<usize>) {
        let (head, address) = (self.head().await, self.address());
        let (credential, room, seen) = match again {
            Some(nth) => {
                let viewer = round.viewers.swap_remove(nth);
                viewer.task.abort();
                if let Err(error) = viewer.task.await {
                    assert!(error.is_cancelled(), "{error}");
                }
                (viewer.credential, viewer.room, viewer.seen)
            }
            None => (self.random.below(round.credentials.len()), self.random.below(ROOMS), Arc::default()),
        };
        let token = round.credentials[credential].token.clone();
        let task = tokio::spawn(follow(address, round.rooms[room].clone(), token, head, seen.clone()));
        round.viewers.push(Viewer { credential, room, seen, task });
    }

    /// Chooses the next action in a room. Several actions run at the same time.
    fn act(&mut self, round: &mut Round) -> Act {
        let (address, room) = (self.address(), self.random.below(ROOMS));
        let (name, path) = (round.rooms[room].clone(), format!("/api/v1/rooms/{}", round.rooms[room]));
        let user = self.random.pick(&round.credentials).user.clone();
        match self.random.below(20) {
            0..8 => {
                round.lines += 1;
                let mark = format!("{name} {}", round.lines);
                match self.random.one_in(2) {
                    true => Act::Row(format!("room:{name}"), "log", json!({"message": mark})),
                    false => {
                        let line = json!({"agentType": "code", "message": mark});
                        Act::Call(address, "POST", format!("{path}/logs"), line)
                    }
                }
            }
            8..13 => {
                let change = match self.random.below(5) {
                    0 => json!({"readers": "signed_in"}),
                    1 => json!({"readers": "owner"}),
                    2 => json!({"owner": user}),
                    3 => json!({"owner": user, "readers": "owner"}),
                    _ => json!({"title": "x"}),
                };
                match self.random.one_in(2) {
                    true => Act::Row(format!("room:{name}"), "room.updated", change),
                    false => Act::Call(address, "PUT", path, change),
                }
            }
            13 if self.random.one_in(3) => {
                let before = Ts::clamped(jiff::Timestamp::now());
                Act::Revoke(Revocation::User { sub: user, before, until: None })
            }
            14 if self.random.one_in(2) => {
                let name = self.random.pick(&round.credentials).name.clone();
                let is_token = name.contains("-u");
                Act::Revoke(match is_token {
                    true => Revocation::Token { jti: name, until: None },
                    false => Revocation::Key { id: name },
                })
            }
            _ => {
                let credential = self.random.below(round.credentials.len());
                Act::Page(address, credential, room)
            }
        }
    }
}

enum Act {
    Row(String, &'static str, Value),
    Call(SocketAddr, &'static str, String, Value),
    Revoke(Revocation),
    Page(SocketAddr, usize, usize),
}

impl Act {
    fn run<'a>(self, world: &'a World, round: &'a Round) -> BoxFuture<'a, ()> {
        async move {
            match self {
                Self::Row(channel, kind, meta) => {
                    insert_row(&world.sql, &channel, kind, &meta.to_string()).await
                }
                Self::Call(address, method, path, body) => {
                    let answer = call(address, method, &path, SERVICE, body).await;
                    assert!(matches!(answer.status.as_u16(), 200 | 201), "{path}: {:?}", answer.body);
                }
                Self::Revoke(revocation) => _ = world.store.revoke(&revocation).await.unwrap(),
                Self::Page(address, credential, room) => _ = page(address, round, credential, room).await,
            }
        }
        .boxed()
    }
}

/// Reads a page, and notes its lines. Returns the status.
async fn page(address: SocketAddr, round: &Round, credential: usize, room: usize) -> u16 {
    let path = format!("/api/v1/rooms/{}/logs?limit=1000", round.rooms[room]);
    let answer = call(address, "GET", &path, &round.credentials[credential].token, Value::Null).await;
    let status = answer.status.as_u16();
    assert!(matches!(status, 200 | 401 | 403), "{path}: {:?}", answer.body);
    if status == 200 {
        let lines = answer.json()["lines"].as_array().unwrap().clone();
        let lines = lines.iter();
        let lines =
            lines.map(|line| (line["id"].as_i64().unwrap(), line["message"].as_str().unwrap().to_owned()));
        round.pages.lock().unwrap().push((credential, room, lines.collect()));
    }
    status
}

/// Runs a round, and checks what every viewer received.
async fn play(world: &mut World, url: &str, seed: u64) {
    world.random = Random(seed);
    let before = world.head().await;
    let mut round = world.begin(seed).await;
    let restart = world.random.one_in(10).then(|| world.random.below(6));
    for burst in 0..6 {
        for _ in 0..world.random.below(6) {
            let again = world.random.one_in(2) && !round.viewers.is_empty();
            let again = again.then(|| world.random.below(round.viewers.len()));
            world.connect(&mut round, again).await;
        }
        if restart == Some(burst) {
            let gateway = world.gateways.swap_remove(world.random.below(2));
            let address = gateway.address;
            gateway.stop().await;
            let flags = ["--jwt-secret", SECRET, "--ingest-tokens", SERVICE];
            world.gateways.push(Gateway::start_at(url, &flags, address).await);
        }
        let acts: Vec<Act> = (0..1 + world.random.below(8)).map(|_| world.act(&mut round)).collect();
        join_all(acts.into_iter().map(|act| act.run(world, &round))).await;
    }
    let expiring = round.credentials.iter().filter_map(|credential| credential.expires);
    if let Some(expires) = expiring.reduce(f64::max) {
        let left = expires + LATE + 0.1 - now();
        tokio::time::sleep(Duration::from_secs_f64(left.max(0.0))).await;
    }
    for room in &round.rooms {
        let last = json!({"message": format!("{room} last")}).to_string();
        insert_row(&world.sql, &format!("room:{room}"), "log", &last).await;
    }
    let channels: Vec<String> = round.rooms.iter().map(|room| format!("room:{room}")).collect();
    let model = Model::read(&world.sql, before, &channels).await;
    settle(world, &mut round, &model).await;
    check(&round, &model);
}

/// Waits until each viewer who may read has received the last line, and until the streams of all other
/// viewers have ended. If the stream of a viewer has ended, the viewer reconnects, as a client does.
async fn settle(world: &mut World, round: &mut Round, model: &Model) {
    let deadline = Instant::now() + SOON;
    let mut nth = 0;
    while nth < round.viewers.len() {
        let Viewer { credential, room, seen, task } = &round.viewers[nth];
        let may_read = model.may_read_at_last(&round.credentials[*credential], *room);
        let is_done = match may_read {
            true => seen.lock().unwrap().lines.last().is_some_and(|(_, mark)| mark.ends_with(" last")),
            false => task.is_finished(),
        };
        assert!(Instant::now() < deadline, "may read: {may_read}, {:?}", seen.lock().unwrap().closed);
        if is_done {
            nth += 1;
        } else if task.is_finished() {
            world.connect(round, Some(nth)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    for (credential, room) in
        (0..round.credentials.len()).flat_map(|one| (0..ROOMS).map(move |room| (one, room)))
    {
        let may_read = model.may_read_at_last(&round.credentials[credential], room);
        let status = page(world.address(), round, credential, room).await;
        assert_eq!(status == 200, may_read, "{:?} {room}", round.credentials[credential]);
    }
}

fn check(round: &Round, model: &Model) {
    for Viewer { credential, room, seen, .. } in &round.viewers {
        let (credential, seen) = (&round.credentials[*credential], seen.lock().unwrap());
        let lines = check_lines(model, credential, *room, &seen.lines);
        if model.may_read_at_last(credential, *room) {
            assert_eq!(
                lines,
                model.rooms[*room].lines.len(),
                "{credential:?} misses lines of the room {room}"
            );
        }
        for (reason, head) in &seen.closed {
            let was_wrong = reason == "revoked" && model.could_always_read(credential, *room, *head);
            assert!(!was_wrong, "{credential:?} lost the room {room} after {head}: {:?}", model.rooms[*room]);
        }
    }
    for (credential, room, lines) in round.pages.lock().unwrap().iter() {
        check_lines(model, &round.credentials[*credential], *room, lines);
    }
}

/// Checks that the lines are the first lines of a room, each once and in order, and that the credential may
/// get each line. Returns the number of lines.
fn check_lines(model: &Model, credential: &Credential, room: usize, lines: &[(i64, String)]) -> usize {
    let stored = &model.rooms[room].lines;
    assert!(lines.len() <= stored.len(), "{credential:?} got too many lines: {lines:?}");
    for ((id, mark), line) in lines.iter().zip(stored) {
        assert_eq!((id, mark), (&line.id, &line.mark), "{credential:?} got a wrong line");
        let may_get = model.may_get(credential, room, line);
        assert!(may_get, "{credential:?} may not read {line:?}: {:?}", model.rooms[room]);
    }
    lines.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_viewer_gets_a_line_that_it_may_not_read_and_each_viewer_gets_all_other_lines() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let time = Duration::from_secs(number("ROOMS_SECONDS").unwrap_or(12));
    let first = number("ROOMS_SEED");
    let db = database().await;
    let mut world = World {
        store: store(&db.url),
        sql: postgres(&db.url).await,
        gateways: vec![gateway(&db.url).await, gateway(&db.url).await],
        random: Random(0),
    };
    let mut seed = first.unwrap_or_else(|| (now() * 1_000.0) as u64);
    let (began, mut rounds) = (Instant::now(), 0);
    while rounds == 0 || first.is_none() && began.elapsed() < time {
        println!("ROOMS_SEED={seed}");
        play(&mut world, &db.url, seed).await;
        (seed, rounds) = (seed + 1, rounds + 1);
    }
    println!("{rounds} rounds");
    for gateway in world.gateways {
        gateway.stop().await;
    }
}
