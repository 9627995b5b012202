//! A random test of isolation: over random claims and filters, each client gets exactly the events that it
//! selects and that its claim allows, once and in order. Clients reconnect to one of two gateways, one of
//! which restarts. The seed is printed. `RESOURCES_SEED=n` repeats one round, and `RESOURCES_SECONDS=n`
//! sets the time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::client::{Block, Feed};
use crate::random::Random;
use crate::resources::{EVENTS, STREAM, token, write};
use crate::room_servers::insert_row;
use crate::rooms::{SERVICE, call, gateway};
use crate::{Gateway, database, postgres};

const PLACES: [&str; 3] = ["workload_id", "project_id", "cluster_id"];
const KINDS: [&str; 3] = ["workload_status_update", "build_failed", "error_report"];
const TYPES: [&str; 4] = ["all", "workload", "build", "addon"];
const IDS: usize = 4;
const CLIENTS: usize = 16;
const EVENTS_OF_A_ROUND: usize = 60;
/// How long the test waits for something that must happen.
const SOON: Duration = Duration::from_secs(20);

/// A random list of ids of a round.
fn random_ids(random: &mut Random, seed: u64, place: &str) -> Vec<String> {
    let mut ids: Vec<String> = (0..IDS).map(|nth| format!("{seed:x}-{place}-{nth}")).collect();
    ids.retain(|_| random.one_in(2));
    ids
}

/// A list of ids; `None` accepts every event.
type List = Option<Vec<String>>;

/// What a client asks for, and what its claim allows. The test decides by itself what the client must get.
#[derive(Debug, Clone)]
struct Wish {
    /// The list of the claim and the list of the filter, for each of [`PLACES`].
    places: Vec<(List, List)>,
    resource_type: &'static str,
    kinds: Vec<&'static str>,
}

impl Wish {
    fn random(random: &mut Random, seed: u64) -> Self {
        let places = PLACES.map(|place| {
            let claim = (place != "workload_id" && random.one_in(2)).then(|| random_ids(random, seed, place));
            let filter =
                random.one_in(3).then(|| random_ids(random, seed, place)).filter(|ids| !ids.is_empty());
            (claim, filter)
        });
        let mut kinds = if random.one_in(3) { KINDS.to_vec() } else { Vec::new() };
        kinds.retain(|_| random.one_in(2));
        let resource_type = if random.one_in(3) { TYPES[random.below(TYPES.len())] } else { "all" };
        Self { places: places.into(), resource_type, kinds }
    }

    fn token(&self, user: &str) -> String {
        let lists = PLACES
            .iter()
            .zip(&self.places)
            .filter_map(|(place, (claim, _))| claim.as_ref().map(|ids| ((*place).to_owned(), json!(ids))));
        token(user, Value::Object(lists.collect::<Map<_, _>>()))
    }

    fn query(&self) -> String {
        let mut query = format!("?resource_type={}", self.resource_type);
        for (place, (_, filter)) in PLACES.iter().zip(&self.places) {
            if let Some(ids) = filter {
                query.push_str(&format!("&{place}={}", ids.join(",")));
            }
        }
        if !self.kinds.is_empty() {
            query.push_str(&format!("&event_types={}", self.kinds.join(",")));
        }
        query
    }

    /// Whether the request must be refused, because it names an id outside the claim.
    fn is_outside(&self) -> bool {
        self.places.iter().any(|lists| match lists {
            (Some(claim), Some(filter)) => filter.iter().any(|id| !claim.contains(id)),
            _ => false,
        })
    }

    fn matches(&self, event: &Value) -> bool {
        let of_type = match event["event_type"].as_str().unwrap() {
            "workload_status_update" => "workload",
            "build_failed" => "build",
            _ => event["resource_type"].as_str().unwrap_or("none"),
        };
        let places = PLACES.iter().zip(&self.places).all(|(place, (claim, filter))| {
            let has = |list: &List| match list {
                None => true,
                Some(ids) => event[*place].as_str().is_some_and(|id| ids.iter().any(|one| one == id)),
            };
            has(claim) && has(filter)
        });
        places
            && (self.resource_type == "all" || self.resource_type == of_type)
            && (self.kinds.is_empty() || self.kinds.contains(&event["event_type"].as_str().unwrap()))
    }
}

/// An event with random places. All places are stated or none is known, so that no id is filled.
fn event(random: &mut Random, seed: u64, mark: usize) -> Value {
    let mut event = json!({"event_type": KINDS[random.below(KINDS.len())], "mark": mark});
    for place in PLACES {
        event[place] = format!("{seed:x}-{place}-{}", random.below(IDS)).into();
    }
    match event["event_type"].as_str().unwrap() {
        "workload_status_update" => event["status"] = "Running".into(),
        "build_failed" => (event["build_id"], event["error"]) = ("1".into(), "x".into()),
        _ => {
            (event["error_type"], event["message"]) = ("x".into(), "m".into());
            if random.one_in(2) {
                event["resource_type"] = "addon".into();
            }
            // An event that belongs to no workload, or to no place at all.
            for place in &PLACES[..random.below(4)] {
                event.as_object_mut().unwrap().remove(*place);
            }
        }
    }
    event
}

/// What a client has received.
#[derive(Default)]
struct Seen {
    marks: Vec<i64>,
    cursor: String,
    connected: bool,
}

async fn follow(address: SocketAddr, query: String, token: String, seen: Arc<Mutex<Seen>>) {
    let bearer = format!("Bearer {token}");
    let cursor = seen.lock().unwrap().cursor.clone();
    let headers = [("authorization", bearer.as_str()), ("last-event-id", cursor.as_str())];
    let Some(mut feed) = Feed::try_open_path(address, &format!("{STREAM}{query}"), &headers).await else {
        return;
    };
    assert_eq!(feed.status, 200, "{query}");
    while let Ok(Some(block)) = feed.block().await {
        let mut seen = seen.lock().unwrap();
        match block {
            Block::Event { id: Some(id), data } => {
                seen.marks.push(data["mark"].as_i64().unwrap());
                seen.cursor = id.to_string();
            }
            Block::Cursor(id) => seen.cursor = id.to_string(),
            Block::Event { id: None, data } => {
                assert!(data.get("from").is_none(), "a gap: {data}");
                seen.connected = true;
            }
            Block::Comment | Block::Retry => {}
        }
    }
}

struct Client {
    wish: Wish,
    token: String,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    /// The gateway that the client connected to last.
    address: Option<SocketAddr>,
}

impl Client {
    async fn reconnect(&mut self, address: SocketAddr) {
        self.task.abort();
        if let Err(error) = (&mut self.task).await {
            assert!(error.is_cancelled(), "{error}");
        }
        self.address = Some(address);
        let (query, token) = (self.wish.query(), self.token.clone());
        self.task = tokio::spawn(follow(address, query, token, self.seen.clone()));
    }

    async fn until(&self, what: &str, reached: impl Fn(&Seen) -> bool) {
        let begin = Instant::now();
        while !reached(&self.seen.lock().unwrap()) {
            assert!(
                begin.elapsed() < SOON,
                "{what}: {:?} got {:?}",
                self.wish,
                self.seen.lock().unwrap().marks
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// One round: clients connect, events are written, and meanwhile clients reconnect.
async fn round(seed: u64, gateways: &mut [Gateway; 2], url: &str) {
    let mut random = Random(seed);
    let sql = postgres(url).await;
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < CLIENTS {
        let wish = Wish::random(&mut random, seed);
        let token = wish.token(&format!("u{}", clients.len()));
        if wish.is_outside() {
            let path = format!("{STREAM}{}", wish.query());
            let answer = call(gateways[0].address, "GET", &path, &token, Value::Null).await;
            assert_eq!(answer.status, 403, "{wish:?}");
            continue;
        }
        let (seen, task) = (Arc::default(), tokio::spawn(async {}));
        let mut client = Client { wish, token, seen, task, address: None };
        client.reconnect(gateways[random.below(2)].address).await;
        client.until("no connection", |seen| seen.connected).await;
        clients.push(client);
    }
    // A client that breaks off before its first event has no cursor, and begins live again. So each client
    // first gets the cursor of the head.
    let head: i64 = sql.query_one("SELECT coalesce(max(id), 0) FROM oasis_events", &[]).await.unwrap().get(0);
    for client in &mut clients {
        client.seen.lock().unwrap().cursor = head.to_string();
    }
    let mut events = Vec::new();
    for mark in 0..EVENTS_OF_A_ROUND {
        let event = event(&mut random, seed, mark);
        if random.one_in(2) && event.get("workload_id").is_some() {
            write(&gateways[random.below(2)], event.clone()).await;
        } else {
            insert_row(&sql, "resources", event["event_type"].as_str().unwrap(), &event.to_string()).await;
        }
        events.push(event);
        if random.one_in(3) {
            let client = random.below(CLIENTS);
            clients[client].reconnect(gateways[random.below(2)].address).await;
        }
        if random.one_in(EVENTS_OF_A_ROUND) {
            let address = gateways[1].address;
            let one = gateway(url).await;
            std::mem::replace(&mut gateways[1], one).stop().await;
            for client in clients.iter_mut().filter(|client| client.address == Some(address)) {
                client.reconnect(gateways[0].address).await;
            }
            assert_ne!(address, gateways[1].address);
        }
    }
    // An event for all, which only the clients without any filter get, and one more event for each client.
    // So a wrong event would come before the last event that a client must get.
    for (nth, client) in clients.iter().enumerate() {
        let mark = EVENTS_OF_A_ROUND + nth;
        let last =
            (0..2_000).map(|_| event(&mut random, seed, mark)).find(|event| client.wish.matches(event));
        let Some(last) = last else { continue };
        insert_row(&sql, "resources", last["event_type"].as_str().unwrap(), &last.to_string()).await;
        events.push(last);
    }
    for client in &clients {
        let matching = events.iter().filter(|event| client.wish.matches(event));
        let expected: Vec<i64> = matching.map(|event| event["mark"].as_i64().unwrap()).collect();
        client.until("events are missing", |seen| seen.marks.len() >= expected.len()).await;
        assert_eq!(client.seen.lock().unwrap().marks, expected, "seed {seed}: {:?}", client.wish);
        client.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_gets_an_event_outside_its_claim_or_its_filter() {
    let variable = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seconds = variable("RESOURCES_SECONDS").unwrap_or(4);
    let fixed = variable("RESOURCES_SEED");
    let db = database().await;
    let mut gateways = [gateway(&db.url).await, gateway(&db.url).await];
    let (begin, mut seed) = (Instant::now(), fixed.unwrap_or_else(rand_seed));
    loop {
        println!("RESOURCES_SEED={seed}");
        round(seed, &mut gateways, &db.url).await;
        if fixed.is_some() || begin.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    // A page of the events of a task is not open to services.
    let path = format!("{EVENTS}?vtid=DEV-CICDL-0031");
    assert_eq!(call(gateways[0].address, "GET", &path, SERVICE, Value::Null).await.status, 403);
    for gateway in gateways {
        gateway.stop().await;
    }
}

fn rand_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos() % u128::from(u64::MAX)).unwrap()
}
