//! Measures clients that resume far behind the newest event: the time to their first event, the memory of the
//! gateway while they read, and their effect on live clients.

mod client;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_postgres::Client;

use crate::history::History;
use crate::processes::{Meter, kib, reset_peak};
use crate::report::{Bar, Report, Row, Samples};
use crate::sse::Feed;
use crate::stack::Stack;

use client::{Resumed, Resumers};

/// The time between two events. At this pace, 50 events a second are sent.
const EVERY: Duration = Duration::from_millis(20);
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// The number of events that a new client gets first.
const RECENT: usize = 20;
/// The number of clients that resume at the same time.
const MANY: usize = 20;

struct Plan {
    rows: i64,
    /// The number of events that a resuming client has missed.
    behind: i64,
    /// The number of live clients, which stay connected.
    live: usize,
    samples: usize,
    rounds: usize,
    phase: Duration,
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let plan = if quick {
        Plan { rows: 100_000, behind: 80_000, live: 20, samples: 5, rounds: 1, phase: Duration::from_secs(2) }
    } else {
        Plan {
            rows: 5_000_000,
            behind: 1_000_000,
            live: 100,
            samples: 100,
            rounds: 3,
            phase: Duration::from_secs(8),
        }
    };
    let mut report = Report::new("resume");
    let database = stack.database(crate::history::DATABASE).await?;
    let client = database.connect().await?;
    report.progress(format_args!("filling the table with {} events", plan.rows));
    let history = History::fill(&client, plan.rows).await?;
    report.note(history.describe());
    let gateway = stack.gateway(&database).await?;
    let head: i64 = client.query_one("SELECT max(id) FROM public.oasis_events", &[]).await?.get(0);
    let after = head - plan.behind;

    first_events(&client, gateway.address, after, &plan, &mut report).await?;

    report.progress("one client reads all events that it missed");
    sleep(Duration::from_secs(1)).await;
    let before = kib(gateway.pid(), "VmRSS")?;
    reset_peak(gateway.pid())?;
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    let began = Instant::now();
    let (address, behind) = (gateway.address, plan.behind as u64);
    let never = AtomicBool::new(false);
    let read =
        spawn_blocking(move || Resumed::ask(address, "", after)?.read(behind, &never, &AtomicU64::new(0)))
            .await??;
    let took = began.elapsed().as_secs_f64();
    ensure!(read == behind, "{read} events arrived instead of {behind}");
    let rate = Row::single("events that one resuming client receives", "/s", read as f64 / took);
    report.row(rate.cpu(meter.text()));
    let growth = (kib(gateway.pid(), "VmHWM")? - before) / 1_024.0;
    let what = "peak memory growth of the gateway, one resuming client, no live clients";
    report.row(Row::single(what, "MiB", growth));
    report.note(format!("one client read {read} events, each once and in order, in {took:.1} s"));

    live(stack, &client, &gateway, after, &plan, &mut report).await?;
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// Measures how long a resuming client waits for its first event.
async fn first_events(
    client: &Client,
    address: SocketAddr,
    after: i64,
    plan: &Plan,
    report: &mut Report,
) -> anyhow::Result<()> {
    let sql = "SELECT vtid FROM public.oasis_events WHERE id > $1 AND channel = 'devhub' \
               GROUP BY vtid ORDER BY count(*), vtid LIMIT 1";
    let rare: String = client.query_one(sql, &[&after]).await?.get(0);
    for (name, query) in [
        ("time to the first event", String::new()),
        ("time to the first event, one status", "?status=failure".to_owned()),
        ("time to the first event, the rarest task", format!("?vtid={rare}")),
    ] {
        let samples = plan.samples;
        let times = spawn_blocking(move || {
            let one = |_| {
                let began = Instant::now();
                Resumed::ask(address, &query, after)?.read(1, &AtomicBool::new(false), &AtomicU64::new(0))?;
                anyhow::Ok(began.elapsed().as_secs_f64() * 1_000.0)
            };
            (0..samples).map(one).collect::<anyhow::Result<Vec<_>>>()
        });
        let times = Samples::new(times.await??);
        report.row(Row::of(format!("{name}, {} events behind", plan.behind), "ms", &times));
        let p99 = Row::single(format!("{name}, p99"), "ms", times.quantile(0.99));
        report.row(p99.bar(Bar::AtMost(50.0)));
    }
    Ok(())
}

/// Measures the delay of live clients in alternating phases, in which no client, one client or many clients
/// resume.
async fn live(
    stack: &Stack,
    client: &Client,
    gateway: &crate::service::Service,
    after: i64,
    plan: &Plan,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut feeds = Vec::new();
    for _ in 0..plan.live {
        let mut feed = Feed::open(gateway.address).await?;
        for _ in 0..RECENT {
            feed.next(ARRIVES_WITHIN).await?;
        }
        feeds.push(feed);
    }
    let mut p99s = [const { Vec::new() }; 3];
    let mut all = [const { Vec::new() }; 3];
    let (mut growths, mut rates, mut cpu) =
        ([const { Vec::new() }; 3], [const { Vec::new() }; 3], [const { String::new() }; 3]);
    for round in 0..plan.rounds {
        for (at, resumers) in [0, 1, MANY].into_iter().enumerate() {
            report.progress(format_args!(
                "round {}: {} live clients, {resumers} resuming clients",
                round + 1,
                plan.live
            ));
            let before = kib(gateway.pid(), "VmRSS")?;
            reset_peak(gateway.pid())?;
            let meter = Meter::start(&[gateway.watched(), stack.watched()]);
            let reading = Resumers::start(gateway.address, resumers, after, plan.behind as u64);
            if resumers > 0 {
                let began = Instant::now();
                while reading.received() == 0 {
                    ensure!(began.elapsed() < ARRIVES_WITHIN, "no resuming client got an event in time");
                    sleep(Duration::from_millis(5)).await;
                }
            }
            let times = phase(client, &mut feeds, plan.phase).await?;
            cpu[at] = meter.text();
            rates[at].push(reading.end()?);
            growths[at].push((kib(gateway.pid(), "VmHWM")? - before) / 1_024.0);
            p99s[at].push(Samples::new(times.clone()).quantile(0.99));
            all[at].extend(times);
        }
    }
    let p99s = p99s.map(Samples::new);
    let names = ["no client resumes", "one client resumes", "20 clients resume"];
    for (at, name) in names.iter().enumerate() {
        let median = Samples::new(std::mem::take(&mut all[at])).quantile(0.5);
        report.row(Row::single(format!("delay from commit to frame, median, {name}"), "ms", median));
        let p99 = Row::of(format!("delay from commit to frame, p99, {name}"), "ms", &p99s[at]);
        report.row(p99.cpu(std::mem::take(&mut cpu[at])));
        if at > 0 {
            let ratio = p99s[at].quantile(0.5) / p99s[0].quantile(0.5);
            let row = Row::single(format!("ratio of the p99 delays: {name} / no client resumes"), "×", ratio);
            report.row(row.bar(Bar::AtMost(2.0)));
            let rates = Samples::new(std::mem::take(&mut rates[at]));
            report.row(Row::of(format!("events that the resuming clients receive, {name}"), "/s", &rates));
            let growths = Samples::new(std::mem::take(&mut growths[at]));
            report.row(Row::of(format!("peak memory growth of the gateway, {name}"), "MiB", &growths));
        }
    }
    report.note(format!(
        "{} live clients get 50 events a second, in {} rounds of three phases; each phase takes {} s",
        plan.live,
        plan.rounds,
        plan.phase.as_secs()
    ));
    report.note("if a frame came before the commit was confirmed, its delay counts as 0 ms");
    report.note("the resuming clients run on threads of the generator and share the gateway's processors");
    Ok(())
}

/// Appends events at a steady pace. Returns the delay from the commit to the frame, in milliseconds, for each
/// client and each event.
async fn phase(client: &Client, feeds: &mut [Feed], time: Duration) -> anyhow::Result<Vec<f64>> {
    let insert = client
        .prepare(
            "INSERT INTO public.oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) \
             VALUES (clock_timestamp(), 'DEV-LIVE-0001', 'LIVE', 'CORE', 'oasis.events', 'event', 'info', \
                     'LIVE-CORE-EVENT', 'vt/DEV-LIVE-0001-event') RETURNING id",
        )
        .await?;
    let mut committed = Vec::new();
    let mut pace = interval(EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = Instant::now();
    while began.elapsed() < time {
        pace.tick().await;
        let id: i64 = client.query_one(&insert, &[]).await?.get(0);
        committed.push((id, Instant::now()));
    }
    let mut times = Vec::with_capacity(committed.len() * feeds.len());
    for feed in feeds {
        for (id, at) in &committed {
            let (got, arrived) = feed.next(ARRIVES_WITHIN).await?;
            ensure!(got == *id, "a live client got event {got} instead of event {id}");
            times.push(arrived.saturating_duration_since(*at).as_secs_f64() * 1_000.0);
        }
    }
    Ok(times)
}
