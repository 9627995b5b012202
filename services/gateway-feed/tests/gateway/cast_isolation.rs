//! A random test of isolation: no byte of a cast reaches anyone but its owner, and each owner learns how each
//! cast has ended. Clients reconnect to one of two gateways, one of which restarts. Credentials expire and
//! are revoked. The seed is printed. `CASTS_SEED=n` repeats one round, and `CASTS_SECONDS=n` sets the time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oasis_core::Ts;
use oasis_store::{Revocation, Store};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::casts::{CASTS, change, open};
use crate::client::{Feed, pause};
use crate::credentials::{api_key, store};
use crate::random::Random;
use crate::room_model::{Credential, LATE};
use crate::rooms::{call, gateway, token};
use crate::{Gateway, database};

const USERS: usize = 3;
const CASTS_OF_A_USER: usize = 3;
/// So many clients of a user can be connected at the same time.
const CLIENTS_OF_A_USER: usize = 8;
const CHANGES: usize = 60;
/// How long the test waits for something that must happen.
const SOON: Duration = Duration::from_secs(20);
/// The pause before a client connects again, and the pause after 429. Refused requests count, too.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_IF_TOO_MANY: Duration = Duration::from_secs(2);

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A cast and its owner. The fields of the cast contain the name of the owner.
#[derive(Debug, Clone)]
struct Cast {
    id: String,
    owner: usize,
    status: &'static str,
}

/// What a client has received, over all its connections.
#[derive(Default)]
struct Seen {
    /// All bytes, as text.
    text: String,
    cursor: String,
    /// The last status of each cast.
    statuses: BTreeMap<String, String>,
    /// The status of each answer.
    answers: Vec<u16>,
    /// The time of the last event, in seconds of Unix time.
    last: f64,
    /// The credential is no longer valid, or the cast is not the user's.
    is_refused: bool,
    is_over: bool,
}

impl Seen {
    fn block(&mut self, block: &str) {
        self.text.push_str(block);
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            self.cursor = id.to_owned();
        }
        let (Some(name), Some(data)) = (field("event: "), field("data: ")) else { return };
        let data: Value = serde_json::from_str(data).unwrap();
        match (data["castId"].as_str(), data["status"].as_str()) {
            (Some(cast), Some(status)) => _ = self.statuses.insert(cast.to_owned(), status.to_owned()),
            (Some(_), None) => {}
            (None, _) => assert!(matches!(name, "close" | "timeout"), "{block}"),
        }
        if data["castId"].is_string() {
            self.last = now();
        }
        self.is_over |= data["reason"] == "terminal_state";
        // If the database answers late, the refusal comes as an event of the stream.
        self.is_refused |= data["reason"] == "refused";
    }
}

/// Follows casts, and connects again after each end, until the cast has ended or the client is refused.
async fn follow(addresses: Arc<Mutex<[SocketAddr; 2]>>, path: String, token: String, seen: Arc<Mutex<Seen>>) {
    let bearer = format!("Bearer {token}");
    for nth in 0.. {
        let address = addresses.lock().unwrap()[nth % 2];
        let cursor = seen.lock().unwrap().cursor.clone();
        let headers = [("authorization", bearer.as_str()), ("last-event-id", cursor.as_str())];
        if let Some(mut feed) = Feed::try_open_path(address, &path, &headers).await {
            seen.lock().unwrap().answers.push(feed.status.as_u16());
            match feed.status.as_u16() {
                200 => {
                    while let Ok(Some(block)) = feed.text().await {
                        seen.lock().unwrap().block(&block);
                    }
                }
                204 => seen.lock().unwrap().is_over = true,
                401 | 403 => seen.lock().unwrap().is_refused = true,
                429 => tokio::time::sleep(PAUSE_IF_TOO_MANY).await,
                503 => {}
                status => panic!("{path}: {status}"),
            }
        }
        if matches!(&*seen.lock().unwrap(), Seen { is_refused: true, .. } | Seen { is_over: true, .. }) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Client {
    credential: usize,
    /// The cast that the client follows; `None` for all casts of the user.
    cast: Option<Cast>,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// A round: its users, their credentials and their casts.
struct Round {
    users: Vec<String>,
    credentials: Vec<Credential>,
    /// When each credential was revoked, in seconds of Unix time.
    revoked: Vec<Option<f64>>,
    casts: Vec<Cast>,
}

impl Round {
    async fn begin(seed: u64, random: &mut Random, store: &Store, gateway: &Gateway) -> Self {
        let users: Vec<String> = (0..USERS).map(|nth| format!("user-{seed:x}-{nth}")).collect();
        let mut credentials = Vec::new();
        for user in &users {
            // The gateway accepts a token for another 30 s after its time.
            let (seconds, expires) = match random.one_in(4) {
                true => (-28, Some(now().floor() + 2.0)),
                false => (600, None),
            };
            let (name, token) = (format!("{user}-{seconds}"), token(user, seconds));
            credentials.push(Credential { user: user.clone(), token, name, expires });
            let name = format!("key-{user}");
            let token = api_key(store, &name, user, None).await;
            credentials.push(Credential { user: user.clone(), token, name, expires: None });
        }
        let mut casts = Vec::new();
        for nth in 0..USERS * CASTS_OF_A_USER {
            let (id, owner) = (format!("cast-{seed:x}-{nth}"), nth % USERS);
            let user = &users[owner];
            open(gateway, json!({"id": id, "owner": user, "spell": format!("spell of {user}")})).await;
            casts.push(Cast { id, owner, status: "queued" });
        }
        Self { users, revoked: vec![None; credentials.len()], credentials, casts }
    }

    /// Starts a client, which may ask for a cast of another user.
    fn connect(
        &self,
        random: &mut Random,
        credential: usize,
        addresses: Arc<Mutex<[SocketAddr; 2]>>,
    ) -> Client {
        let cast = (!random.one_in(3)).then(|| random.pick(&self.casts).clone());
        let path = match &cast {
            Some(cast) => format!("{CASTS}/{}/events", cast.id),
            None => format!("{CASTS}/events"),
        };
        let (token, seen) = (self.credentials[credential].token.clone(), Arc::<Mutex<Seen>>::default());
        let task = tokio::spawn(follow(addresses, path, token, seen.clone()));
        Client { credential, cast, seen, task }
    }

    /// Changes a cast, as the service does.
    async fn change(&mut self, random: &mut Random, gateway: &Gateway) {
        let nth = random.below(self.casts.len());
        let Cast { id, owner, status } = self.casts[nth].clone();
        let user = &self.users[owner];
        let text = format!("message of {user}");
        let (next, body) = match (status, random.below(4)) {
            ("failed" | "succeeded", _) => return,
            ("queued", 0) => ("running", json!({"status": "running"})),
            (_, 1) if random.one_in(3) => ("failed", json!({"status": "failed", "errorMessage": text})),
            (_, 2) if random.one_in(3) => {
                let link = format!("https://example.com/{user}");
                ("succeeded", json!({"status": "succeeded", "artifactUrl": link}))
            }
            (status, _) => (status, json!({"progress": random.below(101), "message": text})),
        };
        self.casts[nth].status = next;
        change(gateway, &id, body).await;
    }

    async fn revoke(&mut self, random: &mut Random, store: &Store) {
        let nth = random.below(self.credentials.len());
        let Credential { user, name, .. } = &self.credentials[nth];
        let revocation = match (random.below(3), name.starts_with("key-")) {
            (0, _) => Revocation::User {
                sub: user.clone(),
                before: Ts::clamped(jiff::Timestamp::now()),
                until: None,
            },
            (_, true) => Revocation::Key { id: name.clone() },
            (_, false) => Revocation::Token { jti: name.clone(), until: None },
        };
        let of_user = matches!(revocation, Revocation::User { .. });
        let hit: Vec<usize> = (0..self.credentials.len())
            .filter(|one| *one == nth || (of_user && self.credentials[*one].user == *user))
            .collect();
        store.revoke(&revocation).await.unwrap();
        for one in hit {
            self.revoked[one].get_or_insert(now());
        }
    }

    /// When the credential ends, in seconds of Unix time.
    fn end(&self, credential: usize) -> Option<f64> {
        [self.credentials[credential].expires, self.revoked[credential]]
            .into_iter()
            .flatten()
            .reduce(f64::min)
    }

    /// Checks what a client has received, and waits for what it must receive.
    async fn check(&self, client: &Client) {
        let Credential { user, .. } = &self.credentials[client.credential];
        let user_nth = self.users.iter().position(|one| one == user).unwrap();
        let is_own = client.cast.as_ref().is_none_or(|cast| cast.owner == user_nth);
        let end = self.end(client.credential);
        let expected: BTreeMap<String, String> = self
            .casts
            .iter()
            .filter(|cast| cast.owner == user_nth)
            .filter(|cast| client.cast.as_ref().is_none_or(|wanted| wanted.id == cast.id))
            .map(|cast| (cast.id.clone(), cast.status.to_owned()))
            .collect();
        let begin = Instant::now();
        loop {
            let is_done = {
                let seen = client.seen.lock().unwrap();
                // After many refusals, an address gets 429 instead of 401.
                let is_refused = seen.is_refused || end.is_some() && seen.answers.last() == Some(&429);
                match (is_own, end) {
                    (true, None) => seen.statuses == expected,
                    (true, Some(_)) => is_refused || seen.is_over,
                    (false, _) => is_refused,
                }
            };
            if is_done {
                break;
            }
            if begin.elapsed() > SOON {
                let Seen { statuses, answers, text, .. } = &*client.seen.lock().unwrap();
                panic!("{user}, {:?}: {statuses:?}, not {expected:?}; {answers:?}; {text}", client.cast);
            }
            pause().await;
        }
        client.task.abort();
        let seen = client.seen.lock().unwrap();
        for other in self.users.iter().filter(|one| *one != user) {
            assert!(!seen.text.contains(other.as_str()), "{user} got a byte of {other}: {}", seen.text);
        }
        for cast in self.casts.iter().filter(|cast| cast.owner != user_nth) {
            assert!(!seen.statuses.contains_key(&cast.id), "{user} got a status of {cast:?}");
        }
        if let Some(cast) = client.cast.as_ref().filter(|_| !is_own) {
            assert!(seen.last == 0.0 && !seen.text.contains(&cast.id), "{user} got {}", seen.text);
        }
        if let Some(end) = end {
            assert!(seen.last <= end + LATE, "{user} got an event {} s too late", seen.last - end);
        }
    }
}

async fn play(seed: u64, gateways: &mut [Gateway; 2], store: &Store, url: &str) {
    let mut random = Random(seed);
    let mut round = Round::begin(seed, &mut random, store, &gateways[0]).await;
    let addresses = Arc::new(Mutex::new([gateways[0].address, gateways[1].address]));
    let mut clients = Vec::new();
    for nth in 0..USERS * CLIENTS_OF_A_USER {
        let credential = (nth % USERS) * 2 + random.below(2);
        clients.push(round.connect(&mut random, credential, addresses.clone()));
    }
    // The stream of all casts of a user begins with the casts that have not ended. So a client that connects
    // later may never see a cast.
    for client in &clients {
        let begin = Instant::now();
        let has_begun = || {
            let seen = client.seen.lock().unwrap();
            seen.is_refused || !seen.statuses.is_empty()
        };
        while !has_begun() {
            assert!(begin.elapsed() < SOON, "no connection");
            pause().await;
        }
    }
    let restart = random.one_in(3).then(|| random.below(CHANGES));
    for nth in 0..CHANGES {
        round.change(&mut random, &gateways[0]).await;
        if random.one_in(CHANGES) {
            round.revoke(&mut random, store).await;
        }
        if restart == Some(nth) {
            let new = gateway(url).await;
            addresses.lock().unwrap()[1] = new.address;
            std::mem::replace(&mut gateways[1], new).stop().await;
        }
        // Another user reads what is not the user's.
        let cast = random.pick(&round.casts).clone();
        let credential = random.pick(&round.credentials).clone();
        if credential.user != round.users[cast.owner] {
            let path = format!("{CASTS}/{}", cast.id);
            let answer = call(gateways[0].address, "GET", &path, &credential.token, Value::Null).await;
            assert!(matches!(answer.status.as_u16(), 401 | 403), "{path}: {}", answer.status);
        }
    }
    // A user with credentials that expire during the round gets nothing afterwards.
    if let Some(end) = round.credentials.iter().filter_map(|one| one.expires).reduce(f64::max) {
        tokio::time::sleep(Duration::from_secs_f64((end + LATE - now()).max(0.0))).await;
    }
    for nth in 0..round.casts.len() {
        let Cast { id, status, owner } = round.casts[nth].clone();
        if matches!(status, "queued" | "running") {
            let text = format!("end of {}", round.users[owner]);
            change(&gateways[1], &id, json!({"status": "failed", "errorMessage": text})).await;
            round.casts[nth].status = "failed";
        }
    }
    for client in &clients {
        round.check(client).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_cast_reaches_anyone_but_its_owner() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let time = Duration::from_secs(variable("CASTS_SECONDS").unwrap_or(8));
    let fixed = variable("CASTS_SEED");
    let db = database().await;
    let store = store(&db.url);
    let mut gateways = [gateway(&db.url).await, gateway(&db.url).await];
    let (begin, mut seed, mut rounds) = (Instant::now(), fixed.unwrap_or((now() * 1_000.0) as u64), 0);
    while rounds == 0 || fixed.is_none() && begin.elapsed() < time {
        println!("CASTS_SEED={seed}");
        play(seed, &mut gateways, &store, &db.url).await;
        (seed, rounds) = (seed + 1, rounds + 1);
    }
    println!("{rounds} rounds");
    for gateway in gateways {
        gateway.stop().await;
    }
}
