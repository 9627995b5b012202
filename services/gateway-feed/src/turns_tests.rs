//! Tests how clients and connections share the turns.

use futures_util::FutureExt;
use tokio::task::JoinHandle;

use super::*;

fn asker(client: usize, connection: u64) -> Asker<'static> {
    Asker { client: Lane::Token(client), connection }
}

/// Takes a turn in a task, and waits until the task waits for it.
async fn wait(turns: &Turns, asker: Asker<'static>) -> JoinHandle<Result<Turn, ApiError>> {
    let number = || turns.0.state().cheap.number;
    let before = number();
    let task = tokio::spawn({
        let turns = turns.clone();
        async move { turns.take(asker, Cost::Cheap, 1).await }
    });
    while number() == before {
        tokio::task::yield_now().await;
    }
    task
}

fn is_unused(turns: &Turns) -> bool {
    let state = turns.0.state();
    let is_empty = |waiting: &Waiting| waiting.requests.is_empty() && waiting.requests.weight() == 0;
    state.running == 0
        && state.running_expensive == 0
        && [&state.cheap, &state.expensive].into_iter().all(is_empty)
        && state.cheap.turns.len() <= FORGOTTEN_TURNS
}

/// Takes one turn after the other, and returns the order of the requests.
async fn order(
    turns: &Turns,
    first: Turn,
    requests: Vec<(&'static str, JoinHandle<Result<Turn, ApiError>>)>,
) -> Vec<&'static str> {
    let (done, mut names) = tokio::sync::mpsc::unbounded_channel();
    for (name, request) in requests {
        let done = done.clone();
        tokio::spawn(async move {
            let turn = request.await.unwrap().unwrap();
            done.send(name).unwrap();
            drop(turn);
        });
    }
    drop((first, done));
    let mut order = Vec::new();
    while let Some(name) = names.recv().await {
        order.push(name);
    }
    assert!(is_unused(turns));
    order
}

#[tokio::test]
async fn clients_take_turns_and_so_do_their_connections() {
    let turns = Turns::new(1, 10);
    let first = turns.take(asker(1, 1), Cost::Cheap, 1).await.unwrap();
    let mut requests = Vec::new();
    for (name, client, connection) in
        [("a1", 1, 1), ("a1", 1, 1), ("a1", 1, 1), ("a2", 1, 2), ("a2", 1, 2), ("b3", 2, 3), ("b3", 2, 3)]
    {
        requests.push((name, wait(&turns, asker(client, connection)).await));
    }
    // Connection 1 of client 1 has just had a turn, so the next turn of client 1 is that of connection 2.
    assert_eq!(order(&turns, first, requests).await, ["a2", "b3", "a1", "b3", "a2", "a1", "a1"]);
}

#[tokio::test(start_paused = true)]
async fn cheap_reads_do_not_wait_for_expensive_ones() {
    let turns = Turns::new(4, 10);
    let first = turns.take(asker(1, 1), Cost::Expensive, 1).await.unwrap();
    let expensive = [first, turns.take(asker(2, 2), Cost::Expensive, 1).await.unwrap()];
    let refused = turns.take(asker(1, 1), Cost::Expensive, 1).await.map(drop).unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"));
    let one = asker(1, 1);
    let cheap = [turns.take(one, Cost::Cheap, 1).await, turns.take(one, Cost::Cheap, 1).await];
    assert!(cheap.iter().all(Result::is_ok) && turns.take(asker(2, 2), Cost::Cheap, 1).await.is_err());
    drop((expensive, cheap));
    // The requests that no longer wait get no turn.
    drop(turns.take(asker(3, 3), Cost::Expensive, 1).await.unwrap());
    assert!(is_unused(&turns));
}

/// One client always has expensive reads that wait.
#[tokio::test]
async fn cheap_and_expensive_reads_alternate_if_there_is_one_turn() {
    let turns = Turns::new(1, 100);
    let mut running = turns.take(asker(1, 1), Cost::Expensive, 1).await.unwrap();
    let mut expensive: Vec<_> =
        (0..5).map(|_| Box::pin(turns.take(asker(1, 1), Cost::Expensive, 1))).collect();
    for waiting in &mut expensive {
        assert!(waiting.as_mut().now_or_never().is_none());
    }
    for waiting in expensive {
        let mut cheap = Box::pin(turns.take(asker(2, 2), Cost::Cheap, 1));
        assert!(cheap.as_mut().now_or_never().is_none());
        drop(running);
        drop(cheap.await.unwrap());
        running = waiting.await.unwrap();
    }
}

#[tokio::test]
async fn the_client_with_the_most_waiting_requests_gives_way() {
    let turns = Turns::new(1, 10);
    let first = turns.take(asker(1, 1), Cost::Cheap, 1).await.unwrap();
    let mut greedy = Vec::new();
    for connection in 0..10 {
        greedy.push(wait(&turns, asker(1, connection)).await);
    }
    let refused = turns.take(asker(1, 11), Cost::Cheap, 1).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), "overloaded", "each connection of this client has one request");
    let other = tokio::spawn({
        let turns = turns.clone();
        async move { turns.take(asker(2, 12), Cost::Cheap, 4).await }
    });
    // The newest requests give way.
    for gone in greedy.split_off(6) {
        assert!(gone.await.unwrap().is_err());
    }
    let mut requests: Vec<_> = greedy.into_iter().map(|task| ("greedy", task)).collect();
    requests.push(("other", other));
    let order = order(&turns, first, requests).await;
    assert_eq!((order.len(), order[1]), (7, "other"));
}

/// Behind a proxy, all clients may have one address.
#[tokio::test]
async fn the_connection_with_the_most_waiting_requests_gives_way_to_the_same_client() {
    let turns = Turns::new(1, 10);
    let first = turns.take(asker(1, 1), Cost::Cheap, 1).await.unwrap();
    let mut requests = Vec::new();
    for _ in 0..9 {
        requests.push(wait(&turns, asker(1, 1)).await);
    }
    let mut others = vec![("other", wait(&turns, asker(1, 2)).await)];
    for _ in 0..4 {
        others.push(("other", wait(&turns, asker(1, 2)).await));
        assert!(requests.pop().unwrap().await.unwrap().is_err());
    }
    // Now both connections have five requests.
    for connection in [1, 2] {
        assert!(turns.take(asker(1, connection), Cost::Cheap, 1).await.is_err());
    }
    others.extend(requests.into_iter().map(|task| ("greedy", task)));
    assert_eq!(order(&turns, first, others).await[..4], ["other", "greedy", "other", "greedy"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_no_longer_wait_do_not_count() {
    let turns = Turns::new(1, 10);
    let first = turns.take(asker(1, 1), Cost::Cheap, 1).await.unwrap();
    for _ in 0..10 {
        let ended = timeout(Duration::from_secs(1), turns.take(asker(2, 2), Cost::Cheap, 1)).await;
        assert!(ended.is_err());
    }
    let last = wait(&turns, asker(2, 2)).await;
    drop(first);
    assert!(last.await.unwrap().is_ok());
    assert!(is_unused(&turns));
}

#[tokio::test(start_paused = true)]
async fn a_read_ends_in_time() {
    let turns = Turns::new(1, 10);
    let never = std::future::pending::<Result<(), _>>();
    let late = turns.read(asker(1, 1), Cost::Cheap, never).await.unwrap_err();
    assert_eq!((late.status().as_u16(), late.code()), (503, "late"));
    assert_eq!(turns.read(asker(1, 1), Cost::Cheap, async { Ok(7) }).await.unwrap(), 7);
    assert!(is_unused(&turns));
}
