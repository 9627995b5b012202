//! Measures how thousands of agents affect the delay of the feed, and how much memory and processor time one
//! agent needs.

use std::io::Read;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use heartbeat_agent::{Config, Destination, Heartbeat};
use oasis_core::Vtid;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::child::Process;
use crate::delivery::Deliveries;
use crate::latency::{HISTORY, Latencies, measure};
use crate::processes::{Meter, kib};
use crate::report::{Bar, Report, Row, Samples};
use crate::rows;
use crate::service::sibling_binary;
use crate::stack::Stack;

const NAME: &str = "agents";
const AGENT: &str = "heartbeat-agent";
const WARM_UP: usize = 60;
/// The time between the starts of two agents. Because of this pause, only a few agents connect to PostgreSQL
/// at the same time.
const APART: Duration = Duration::from_millis(20);
/// The time limit for all agents to send their first beat, and the time limit for all agents to end.
const ALL_WITHIN: Duration = Duration::from_secs(120);
/// The number of agents for which memory and processor time are measured.
const FEW: usize = 5;
const MAX_RSS_MB: f64 = 10.0;
const MAX_CPU_PERCENT: f64 = 0.1;
/// The maximum ratio of the median delay with agents to the median delay without agents.
const MAX_RATIO: f64 = 1.5;

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (agents, every, samples, watched) = if quick {
        (50, Duration::from_secs(2), 40, Duration::from_secs(3))
    } else {
        (2_000, Duration::from_secs(60), 400, Duration::from_secs(130))
    };
    let mut report = Report::new(NAME);
    let database = stack.database(NAME).await?;
    let client = database.connect().await?;
    rows::append_many(&client, "DEV-HISTORY-0001", HISTORY).await?;
    let gateway = stack.gateway_with(&database, &[("INGEST_ANONYMOUS", "true")]).await?;
    let webhooks = stack.webhooks(&database).await?;
    let address = format!("http://{}", gateway.address);

    let mut deliveries = Deliveries::new()?;
    let alone = measure(&mut deliveries, &gateway, &webhooks, &[stack.watched()], WARM_UP, samples).await?;
    report.row(Row::of("delay from delivery to frame, without agents", "ms", &alone.arrived).cpu(alone.cpu));
    let (median_alone, p99_alone) = (alone.arrived.quantile(0.5), alone.arrived.quantile(0.99));
    report.row(Row::single("delay from delivery to frame, without agents, p99", "ms", p99_alone));
    for (name, url) in [("using a gateway", address.as_str()), ("using PostgreSQL", database.url())] {
        report.progress(format_args!("{agents} agents {name}"));
        let before = pings(&client).await?;
        let fleet = Agents::start(agents, every, url)?;
        fleet.until_all(&client, before.agents + agents as i64).await?;
        // The first interval of each agent has a random length. So after this pause, the agents send their
        // beats at different times.
        sleep(every).await;
        let (began, first) = (Instant::now(), pings(&client).await?);
        let all = [stack.watched(), fleet.process.watched()];
        let Latencies { arrived, cpu, .. } =
            measure(&mut deliveries, &gateway, &webhooks, &all, WARM_UP, samples).await?;
        let rate = (pings(&client).await?.count - first.count) as f64 / began.elapsed().as_secs_f64();
        let (median, p99) = (arrived.quantile(0.5), arrived.quantile(0.99));
        let what = format!("delay from delivery to frame, {agents} agents {name}");
        report.row(Row::of(what.as_str(), "ms", &arrived).cpu(cpu));
        report.row(Row::single(format!("{what}, p99"), "ms", p99));
        let what = format!("ratio of the median delays: {agents} agents {name} / no agents");
        let ratio = Row::single(what, "×", median / median_alone);
        report.row(ratio.bar(Bar::AtMost(MAX_RATIO)));
        report.note(format!("{agents} agents {name}: {rate:.1} pings a second were stored"));
        report.note(format!(
            "{agents} agents {name}: the p99 of the delay is {:.2} times the p99 without agents",
            p99 / p99_alone
        ));
        fleet.stop().await?;
        cost(&mut report, name, url, every, watched).await?;
    }
    report.note(format!(
        "all {agents} agents run in one process, which uses heartbeat-agent as a library; each agent has its \
         own connections and sends a beat every {} s",
        every.as_secs()
    ));
    report.note("the deliveries have the same size and pace as in the scenario latency");
    report.note(format!(
        "cost of one agent: {FEW} processes of heartbeat-agent were measured for {} s; each process worked \
         on a task and sent a beat every {} s",
        watched.as_secs(),
        every.as_secs()
    ));
    report.note("the kernel counts processor time in ticks of 10 ms");
    report.notes(webhooks.stop().await?);
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// Measures the memory and the processor time of `FEW` agents, each of which runs in its own process.
async fn cost(
    report: &mut Report,
    name: &str,
    url: &str,
    every: Duration,
    over: Duration,
) -> anyhow::Result<()> {
    let destination = if url.starts_with("http") { "GATEWAY_URL" } else { "DATABASE_URL" };
    let every = format!("{}s", every.as_secs());
    let mut few = Vec::new();
    for nth in 0..FEW {
        let mut command = Command::new(sibling_binary(AGENT)?);
        command.env_clear().env(destination, url).args(["--vtid", "DEV-BENCH-0002", "--log", "off"]);
        command.args(["--agent", &format!("few-{nth}"), "--interval", &every]);
        few.push(Process::start(AGENT, command.stdin(Stdio::null()))?);
    }
    let pids: Vec<_> = few.iter().map(Process::watched).collect();
    let (meter, began) = (Meter::start(&pids), Instant::now());
    sleep(over).await;
    let seconds = began.elapsed().as_secs_f64();
    let percent = pids.iter().map(|(_, pid)| meter.seconds(*pid) / seconds * 100.0).collect();
    let rss = pids.iter().map(|(_, pid)| Ok(kib(*pid, "VmRSS")? * 1_024.0 / 1e6));
    let rss = rss.collect::<anyhow::Result<Vec<_>>>()?;
    report.row(
        Row::of(format!("{AGENT} {name}: memory (RSS)"), "MB", &Samples::new(rss))
            .bar(Bar::AtMost(MAX_RSS_MB)),
    );
    report.row(
        Row::of(format!("{AGENT} {name}: share of one processor"), "%", &Samples::new(percent))
            .bar(Bar::AtMost(MAX_CPU_PERCENT)),
    );
    for mut agent in few {
        agent.terminate();
        let deadline = Instant::now() + ALL_WITHIN;
        while agent.ended()?.is_none() {
            ensure!(Instant::now() < deadline, "a process of heartbeat-agent did not end in time");
            sleep(APART).await;
        }
    }
    Ok(())
}

/// The number of stored pings, and the number of agents that sent these pings.
struct Pings {
    count: i64,
    agents: i64,
}

async fn pings(client: &Client) -> anyhow::Result<Pings> {
    let sql =
        "SELECT count(*), count(DISTINCT meta->>'instance') FROM oasis_events WHERE source = 'agent.ping'";
    let row = client.query_one(sql, &[]).await?;
    Ok(Pings { count: row.get(0), agents: row.get(1) })
}

/// A process that runs many agents. It is this program, started with the hidden argument `--agents`.
struct Agents {
    process: Process,
    // The agents stop when this pipe is closed.
    stdin: ChildStdin,
}

impl Agents {
    fn start(count: usize, every: Duration, url: &str) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the path of this program")?;
        let mut command = Command::new(program);
        command.args(["--agents", &count.to_string(), "--every", &every.as_secs().to_string()]);
        command.env_clear().env("DESTINATION", url).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = Process::start(NAME, &mut command)?;
        let stdin = process.pipes().0.context("the agents' process has no standard input")?;
        Ok(Self { process, stdin })
    }

    async fn until_all(&self, client: &Client, agents: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + ALL_WITHIN;
        while pings(client).await?.agents < agents {
            ensure!(Instant::now() < deadline, "not all agents sent a beat in time");
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        let Self { mut process, stdin } = self;
        drop(stdin);
        let deadline = Instant::now() + ALL_WITHIN;
        while process.ended()?.is_none() {
            ensure!(Instant::now() < deadline, "the agents did not end in time");
            sleep(APART).await;
        }
        Ok(())
    }
}

/// Runs `count` agents until standard input ends. Each agent sends a beat every `every` seconds.
pub(crate) async fn beat(count: usize, every: u64) -> anyhow::Result<()> {
    let url = std::env::var("DESTINATION").context("the environment variable DESTINATION is not set")?;
    let destination = if url.starts_with("http") {
        Destination::Gateway { url: url.parse().map_err(anyhow::Error::msg)?, token: None }
    } else {
        Destination::Postgres { url: url.parse()?, schema: oasis_store::Schema::default() }
    };
    let mut agents = Vec::with_capacity(count);
    for nth in 0..count {
        let vtid = Some(Vtid::parse("DEV-BENCH-0001")?);
        let interval = Duration::from_secs(every);
        let config = Config { vtid, interval, ..Config::new(format!("agent-{nth}"), destination.clone()) };
        agents.push(Heartbeat::start(config)?);
        sleep(APART).await;
    }
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    if let Err(error) = ended.await? {
        bail!("reading standard input: {error}");
    }
    for agent in agents {
        agent.stop().await;
    }
    Ok(())
}
