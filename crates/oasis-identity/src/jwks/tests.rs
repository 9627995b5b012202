//! Tests the times at which the set is read, with a paused clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;

/// A made-up issuer. It answers after `delay`.
struct Issuer {
    /// The `kid` of the only key. If `None`, each request fails.
    kid: Mutex<Option<&'static str>>,
    delay: Duration,
    requests: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

const SECOND: Duration = Duration::from_secs(1);

impl Issuer {
    fn new(kid: Option<&'static str>, delay: Duration) -> Arc<Self> {
        Arc::new(Self {
            kid: Mutex::new(kid),
            delay,
            requests: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        })
    }

    fn follow(self: &Arc<Self>) -> Jwks {
        let issuer = Arc::clone(self);
        Jwks::start_with(move || Arc::clone(&issuer).answer(), PACE)
    }

    async fn answer(self: Arc<Self>) -> Result<Bytes, FetchError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let kid = *self.kid.lock().unwrap();
        sleep(self.delay).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        let kid = kid.ok_or(FetchError::Status(hyper::StatusCode::SERVICE_UNAVAILABLE))?;
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        Ok(format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#).into())
    }

    fn rotate(&self, kid: Option<&'static str>) {
        *self.kid.lock().unwrap() = kid;
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn kids(jwks: &Jwks) -> Vec<String> {
    jwks.keys().iter().map(|key| format!("{:?}", key.name)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_set_is_read_at_the_start_and_every_10_minutes() {
    let issuer = Issuer::new(Some("a"), Duration::ZERO);
    let jwks = issuer.follow();
    assert!(jwks.keys().is_empty());
    sleep(SECOND).await;
    assert_eq!((kids(&jwks), issuer.requests()), (vec![r#"Set(Some("a"))"#.to_owned()], 1));
    issuer.rotate(Some("b"));
    sleep(SECOND * 598).await;
    assert_eq!((kids(&jwks), issuer.requests()), (vec![r#"Set(Some("a"))"#.to_owned()], 1));
    sleep(SECOND * 2).await;
    // The key that the issuer has removed is no longer used.
    assert_eq!((kids(&jwks), issuer.requests()), (vec![r#"Set(Some("b"))"#.to_owned()], 2));
    sleep(SECOND * 6_000).await;
    assert_eq!(issuer.requests(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_first_token_waits_for_the_first_request() {
    let issuer = Issuer::new(Some("a"), SECOND * 3);
    let jwks = issuer.follow();
    let begin = Instant::now();
    jwks.refresh().await;
    assert_eq!((kids(&jwks).len(), begin.elapsed(), issuer.requests()), (1, SECOND * 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_kids_causes_a_request_every_30_s_and_no_one_waits_longer_than_a_request() {
    let issuer = Issuer::new(Some("a"), SECOND * 2);
    let jwks = Arc::new(issuer.follow());
    let mut clients = JoinSet::new();
    for client in 0..50_u32 {
        let jwks = Arc::clone(&jwks);
        clients.spawn(async move {
            for _ in 0..1_000 {
                let begin = Instant::now();
                jwks.refresh().await;
                assert!(begin.elapsed() <= SECOND * 2, "{:?}", begin.elapsed());
                sleep(Duration::from_millis(300 + u64::from(client))).await;
            }
        });
    }
    let begin = Instant::now();
    clients.join_all().await;
    let windows = begin.elapsed().as_secs() / 30 + 1;
    let requests = issuer.requests() as u64;
    assert!(requests > 8 && (windows - 1..=windows).contains(&requests), "{requests} of {windows}");
    assert_eq!(issuer.most_at_once.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_at_once_if_the_last_request_is_30_s_ago() {
    let issuer = Issuer::new(Some("a"), Duration::ZERO);
    let jwks = issuer.follow();
    sleep(SECOND).await;
    issuer.rotate(Some("b"));
    sleep(SECOND * 28).await;
    jwks.refresh().await;
    assert_eq!(issuer.requests(), 1);
    sleep(SECOND).await;
    jwks.refresh().await;
    assert_eq!((kids(&jwks), issuer.requests()), (vec![r#"Set(Some("b"))"#.to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_keys_stay_during_an_outage_and_a_request_is_sent_every_30_s() {
    let issuer = Issuer::new(Some("a"), Duration::ZERO);
    let jwks = issuer.follow();
    sleep(SECOND).await;
    issuer.rotate(None);
    sleep(SECOND * 86_400).await;
    assert_eq!(kids(&jwks), [r#"Set(Some("a"))"#]);
    let requests = issuer.requests();
    assert!((2_800..2_900).contains(&requests), "{requests}");
    issuer.rotate(Some("b"));
    sleep(SECOND * 30).await;
    assert_eq!(kids(&jwks), [r#"Set(Some("b"))"#]);
}

#[tokio::test(start_paused = true)]
async fn without_the_network_the_start_succeeds_and_a_client_waits_5_s_at_most() {
    let issuer = Issuer::new(Some("a"), SECOND * 3_600);
    let jwks = issuer.follow();
    let begin = Instant::now();
    jwks.refresh().await;
    assert_eq!((begin.elapsed(), jwks.keys().len()), (SECOND * 5, 0));
    jwks.refresh().await;
    assert_eq!(begin.elapsed(), SECOND * 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disconnects_does_not_end_the_request() {
    let issuer = Issuer::new(Some("a"), SECOND * 2);
    let jwks = issuer.follow();
    sleep(SECOND * 60).await;
    issuer.rotate(Some("b"));
    assert!(timeout(SECOND, jwks.refresh()).await.is_err());
    sleep(SECOND * 2).await;
    assert_eq!((kids(&jwks), issuer.requests()), (vec![r#"Set(Some("b"))"#.to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_owner() {
    let issuer = Issuer::new(Some("a"), SECOND);
    let jwks = issuer.follow();
    sleep(SECOND * 2).await;
    drop(jwks);
    sleep(SECOND).await;
    assert_eq!(Arc::strong_count(&issuer), 1);
}
