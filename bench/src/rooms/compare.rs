//! Compares a gateway with NestJS, ioredis and Redis. Each viewer has a room of its own. The lines are
//! written to the store of each server: to the table, or with PUBLISH.

use anyhow::ensure;

use super::house::{House, LINE, Lines, json, room};
use super::plan::Plan;
use crate::audience::{BATCHES_UNDER_WAY, Writer};
use crate::compare::{Comparison, Figures, PACES};
use crate::crowd::Keep;
use crate::draw::Item;
use crate::peers::pubsub::{Peer, PubSub};
use crate::peers::redis::Commands;
use crate::report::Report;
use crate::stack::Stack;
use crate::tokens;

/// The databases of the rounds. In each round, the rooms have no lines at the start.
const DATABASES: [&str; 3] = ["rooms_compare_1", "rooms_compare_2", "rooms_compare_3"];

/// Publishes each line to the channel of its room.
struct Publisher(Commands);

impl Writer for Publisher {
    async fn write(&mut self, lines: &[Item]) -> anyhow::Result<()> {
        let message = |(number, line): &Item| (format!("room:{}:logs", room(*number)), json(*line));
        let messages: Vec<(String, String)> = lines.iter().map(message).collect();
        let got = self.0.publish(&messages).await?;
        ensure!(got == lines.len(), "{got} subscribers got {} lines", lines.len());
        Ok(())
    }
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let comparison = Comparison {
        peer: Peer::Nest,
        client: "viewer",
        items: "lines",
        clients: plan.compared,
        topics: plan.compared,
        mark: LINE,
        settle: plan.settle,
        turn: plan.turn,
        delivered: 3.0,
        memory: Some(0.25),
    };
    let (mut ours, mut theirs) = (Figures::default(), Ok(Figures::default()));
    for (name, round) in DATABASES.into_iter().zip(1..=plan.rounds) {
        let database = stack.database(name).await?;
        let client = database.connect().await?;
        let house = House::open(&client, plan.compared).await?;
        let viewers = || house.viewers(plan.compared, Keep::Count);
        let gateway = stack.private_gateway(&database).await?;
        let lines = Lines::prepare(&client).await?;
        comparison.gateway(stack, &gateway, viewers(), lines, &mut ours).await?;
        report.notes(gateway.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: the gateway is measured", plan.rounds));

        let nest = match PubSub::start(stack, Peer::Nest, tokens::SECRET).await? {
            Ok(nest) => nest,
            Err(why) => {
                theirs = Err(why);
                continue;
            }
        };
        let mut redis = nest.redis.connect().await?;
        let owner = |number| (format!("room:{}:owner", room(number)), tokens::user(number));
        redis.set(&(0..plan.compared).map(owner).collect::<Vec<_>>()).await?;
        if let Ok(theirs) = &mut theirs {
            comparison.peer(&nest, viewers(), Publisher(redis), theirs).await?;
        }
        report.notes(nest.stop().await?);
        report.progress(format_args!("compare: round {round} of {}: NestJS is measured", plan.rounds));
    }
    comparison.rows(report, &ours, &theirs);
    let [paced, unpaced] = PACES.map(|pace| pace.batch());
    report.note(format!(
        "compared with NestJS: {} rooms with one viewer each, {} alternating rounds, {} s for each pace; \
         every line reached its viewer once",
        plan.compared,
        plan.rounds,
        plan.turn.as_secs()
    ));
    report.note(format!(
        "compared with NestJS: a statement or a packet of PUBLISH commands has {paced} lines; as fast as \
         possible, it has {unpaced} lines, and at most {} lines are under way",
        BATCHES_UNDER_WAY * unpaced
    ));
    report.note(format!(
        "{}: one process with NODE_ENV=production, and one Redis connection per viewer; Redis stores nothing \
         on disk, and no line is stored anywhere",
        Peer::Nest.name()
    ));
    Ok(())
}
