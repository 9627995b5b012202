//! Compares a gateway with better-sse, ioredis and Redis. The clients follow workloads, ten clients each. The
//! events are written to the table, or published with Redis.

use anyhow::ensure;

use super::plan::{CLIENTS_PER_WORKLOAD, Plan};
use super::workloads::{EVENT, Events, Workloads, published};
use crate::audience::{BATCHES_UNDER_WAY, Writer};
use crate::compare::{Comparison, Figures, PACES};
use crate::crowd::Keep;
use crate::draw::Item;
use crate::peers::pubsub::{Peer, PubSub};
use crate::peers::redis::Commands;
use crate::report::Report;
use crate::stack::Stack;
use crate::tokens;

/// The channel of all events.
const CHANNEL: &str = "resources";

/// Publishes the events of a batch as one message, a JSON array. This is the cheapest form for the peer.
struct Publisher(Commands);

impl Writer for Publisher {
    async fn write(&mut self, events: &[Item]) -> anyhow::Result<()> {
        let events: Vec<String> = events.iter().map(|event| published(*event)).collect();
        let got = self.0.publish(&[(CHANNEL.to_owned(), format!("[{}]", events.join(",")))]).await?;
        ensure!(got == 1, "{got} subscribers got the events");
        Ok(())
    }
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let clients = plan.few * CLIENTS_PER_WORKLOAD;
    let comparison = Comparison {
        peer: Peer::BetterSse,
        client: "client",
        items: "events",
        clients,
        topics: plan.few,
        mark: EVENT,
        settle: plan.settle,
        turn: plan.turn,
        delivered: 5.0,
        memory: None,
    };
    let workloads = Workloads::new(plan.few, clients)?;
    let database = stack.database("resources_compare").await?;
    let client = database.connect().await?;
    let (mut ours, mut theirs) = (Figures::default(), Ok(Figures::default()));
    for round in 1..=plan.rounds {
        let gateway = stack.private_gateway(&database).await?;
        let events = Events::prepare(&client).await?;
        comparison.gateway(stack, &gateway, workloads.clients(Keep::Count), events, &mut ours).await?;
        report.notes(gateway.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: the gateway is measured", plan.rounds));

        let peer = match PubSub::start(stack, Peer::BetterSse, tokens::SECRET).await? {
            Ok(peer) => peer,
            Err(why) => {
                theirs = Err(why);
                continue;
            }
        };
        let publisher = Publisher(peer.redis.connect().await?);
        if let Ok(theirs) = &mut theirs {
            comparison.peer(&peer, workloads.clients(Keep::Count), publisher, theirs).await?;
        }
        report.notes(peer.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: better-sse is measured", plan.rounds));
    }
    comparison.rows(report, &ours, &theirs);
    let [paced, unpaced] = PACES.map(|pace| pace.batch());
    report.note(format!(
        "compared with better-sse: {clients} clients on {} workloads, {} alternating rounds, {} s for each \
         pace; every event reached the clients of its workload once",
        plan.few,
        plan.rounds,
        plan.turn.as_secs()
    ));
    report.note(format!(
        "compared with better-sse: a statement or a message has {paced} events; as fast as possible, it has \
         {unpaced} events, and at most {} events are under way",
        BATCHES_UNDER_WAY * unpaced
    ));
    report.note(format!(
        "{}: one process with NODE_ENV=production; one channel has all sessions, and each event is offered \
         to all of them with a filter on workload_id; the server has one Redis connection; no event is \
         stored anywhere",
        Peer::BetterSse.name()
    ));
    Ok(())
}
