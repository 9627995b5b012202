//! Tests an agent that sends its beats through the gateway of `oasis up`.

use heartbeat_agent::{Config, Destination, Ending, Heartbeat};
use oasis_core::Vtid;

use crate::client::Feed;
use crate::process::Home;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_shows_an_agent_that_works_and_ends() {
    let home = Home::new();
    let up = home.up(&[]);
    let (mut feed, _) = Feed::open(home.port).await;
    let url = format!("http://127.0.0.1:{}", home.port).parse().unwrap();
    let config = Config::new("web planner", Destination::Gateway { url, token: None });
    let agent = Heartbeat::start(config).unwrap();
    assert_eq!(feed.event_of("IDLE").await["title"], "UNSET-WEB-PLANNER-PING");
    agent.set_vtid(Some(Vtid::parse("DEV-AGENT-0042").unwrap()));
    let working = feed.event_of("DEV-AGENT-0042").await;
    assert_eq!((&working["status"], &working["source"]), (&"in_progress".into(), &"agent.ping".into()));
    agent.stop_as(Ending::badly()).await;
    assert_eq!(feed.event_of("DEV-AGENT-0042").await["status"], "failure");
    up.interrupt();
}
