//! Measures a restart of the gateway while thousands of viewers follow their rooms, and while lines are
//! written. The viewers connect again with the id of their last line, and wait as real clients do. No line
//! may be lost or doubled.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use tokio::time::sleep;
use tokio_postgres::Client;

use super::house::{House, Lines};
use super::plan::Plan;
use super::returning::Viewers;
use crate::draw::{Draw, Item, pace};
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::service::Service;
use crate::stack::{Database, GATEWAY, Stack};
use crate::tokens;

/// The number of lines per second. Each line is a statement of its own.
const RATE: u32 = 100;
const POLL: Duration = Duration::from_millis(5);
/// The time between two looks at the statements that are under way. A look costs about 0.2 ms.
const LOOK: Duration = Duration::from_millis(10);
const WITHIN: Duration = Duration::from_secs(120);

/// The figures of the restarts, with one value per round.
#[derive(Default)]
struct Figures {
    stopped: Vec<f64>,
    back: Vec<f64>,
    caught_up: Vec<f64>,
    postgres: Vec<f64>,
    gateway: Vec<f64>,
    /// The highest number of all rounds.
    statements: i64,
    cpu: String,
    attempts: usize,
}

pub(super) async fn run(stack: &Stack, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let database = stack.database("rooms_restart").await?;
    let client = database.connect().await?;
    let house = House::open(&client, plan.viewers).await?;
    let mut written =
        Written { lines: Lines::prepare(&client).await?, rooms: vec![Vec::new(); plan.viewers] };
    // Each viewer gets one line at its first connect. So it has an id to resume after.
    let first: Vec<Item> = (0..plan.viewers).map(|room| (room, 0)).collect();
    for some in first.chunks(1_000) {
        written.write(some).await?;
    }
    let mut figures = Figures::default();
    for round in 1..=plan.rounds {
        restart(stack, &database, &house, plan, &mut written, &mut figures, report).await?;
        report.progress(format_args!("restart: round {round} of {}", plan.rounds));
    }
    let Figures { stopped, back, caught_up, postgres, gateway, statements, cpu, attempts } = figures;
    let what = |what: &str| format!("restart with {} viewers, {RATE} lines/s: {what}", plan.viewers);
    let row = |text: &str, unit, values| Row::of(what(text), unit, &Samples::new(values));
    report.row(
        row("time from ready until all are back and have all lines", "s", caught_up)
            .bar(Bar::AtMost(10.0))
            .cpu(cpu),
    );
    report.row(row("time from ready until all are connected again", "s", back));
    report.row(row("processor time of PostgreSQL until then", "s", postgres).bar(Bar::AtMost(2.0)));
    report.row(row("processor time of the gateway from ready until then", "s", gateway));
    let most = row("most statements of the gateway under way", "", vec![statements as f64]);
    report.row(most.bar(Bar::AtMost(4.0)));
    report.row(row("time from SIGTERM to the end of the gateway", "s", stopped));
    report.note(format!(
        "restart: every viewer got each line of its room once, in order; the viewers needed {attempts} \
         attempts in the last round; they wait for the time in `retry:` and up to half of it more, and twice \
         as long after each failure"
    ));
    report.note(format!(
        "restart: the processor time of PostgreSQL counts from just before the start of the new gateway, and \
         contains the statements that write the lines, but not the looks at pg_stat_activity every {} ms",
        LOOK.as_millis()
    ));
    Ok(())
}

/// The lines in the table.
struct Written<'a> {
    lines: Lines<'a>,
    /// The ids of the lines of each room.
    rooms: Vec<Vec<i64>>,
}

impl Written<'_> {
    async fn write(&mut self, lines: &[Item]) -> anyhow::Result<()> {
        for ((room, _), id) in lines.iter().zip(self.lines.insert(lines).await?) {
            self.rooms[*room].push(id);
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        self.rooms.iter().map(|room| room.len() as u64).sum()
    }
}

async fn restart(
    stack: &Stack,
    database: &Database,
    house: &House,
    plan: &Plan,
    written: &mut Written<'_>,
    figures: &mut Figures,
    report: &mut Report,
) -> anyhow::Result<()> {
    let gateway = stack.private_gateway(database).await?;
    let paths = (0..plan.viewers).map(|room| house.path(room)).collect();
    let viewers = Viewers::start(gateway.address, paths)?;
    let progress = viewers.progress.clone();
    until("all viewers are connected", || {
        progress.begun.load(SeqCst) == plan.viewers && progress.lines.load(SeqCst) == written.count()
    })
    .await?;
    let (count, is_over) = (Cell::new(written.count()), Cell::new(false));
    let write = async {
        let mut draw = Draw::new(plan.viewers);
        let (began, mut steps) = (Instant::now(), 0);
        while !is_over.get() {
            written.write(&draw.items(1)).await?;
            count.set(count.get() + 1);
            steps += 1;
            pace(began, steps, RATE).await;
        }
        anyhow::Ok(())
    };
    let measure = async {
        sleep(plan.settle.min(Duration::from_secs(2))).await;
        let gateway = measure(stack, database, gateway, &viewers, plan, &count, figures, report).await;
        is_over.set(true);
        gateway
    };
    let ((), gateway) = tokio::try_join!(write, measure)?;
    let all = until("all lines have arrived", || progress.lines.load(SeqCst) >= written.count()).await;
    // A doubled line would arrive within this time.
    sleep(Duration::from_secs(1)).await;
    figures.attempts = progress.attempts.load(SeqCst);
    let got = viewers.finish()?;
    for (room, (got, expected)) in got.iter().zip(&written.rooms).enumerate() {
        if got != expected {
            bail!("the viewer of room {room} got the lines {got:?} instead of {expected:?}");
        }
    }
    all?;
    report.notes(gateway.stop().await?);
    Ok(())
}

/// Ends the gateway, starts another gateway at the same address, and waits until all viewers are back.
#[expect(clippy::too_many_arguments, reason = "the parts of one measurement")]
async fn measure(
    stack: &Stack,
    database: &Database,
    gateway: Service,
    viewers: &Viewers,
    plan: &Plan,
    written: &Cell<u64>,
    figures: &mut Figures,
    report: &mut Report,
) -> anyhow::Result<Service> {
    let looker = database.connect().await?;
    let pid: i32 = looker.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    let (address, began) = (gateway.address, Instant::now());
    report.notes(gateway.stop().await?);
    figures.stopped.push(began.elapsed().as_secs_f64());
    let looks = ("looks", pid.unsigned_abs());
    let meter = Meter::start(&[stack.watched(), looks]);
    let settings = [&[("DATABASE_URL", database.url.as_str())], &tokens::SETTINGS[..]].concat();
    let most = Cell::new(0);
    let back = async {
        let gateway = Service::start_at(address, GATEWAY, &settings, stack.dir(), POLL).await?;
        let ready = Instant::now();
        let own = Meter::start(&[gateway.watched()]);
        let progress = &viewers.progress;
        until("all viewers are back", || progress.back.load(SeqCst) == plan.viewers).await?;
        figures.back.push(ready.elapsed().as_secs_f64());
        let so_far = written.get();
        until("all viewers have the missed lines", || progress.lines.load(SeqCst) >= so_far).await?;
        figures.caught_up.push(ready.elapsed().as_secs_f64());
        figures.gateway.push(own.seconds(gateway.pid()));
        anyhow::Ok(gateway)
    };
    let gateway = tokio::select! {
        gateway = back => gateway?,
        never = look(&looker, &most) => match never? {},
    };
    figures.cpu = meter.text();
    figures.postgres.push(meter.seconds(stack.watched().1) - meter.seconds(looks.1));
    figures.statements = figures.statements.max(most.get());
    Ok(gateway)
}

/// Looks again and again how many statements of the gateway are under way, and keeps the highest number.
async fn look(looker: &Client, most: &Cell<i64>) -> anyhow::Result<std::convert::Infallible> {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE application_name = $1 AND state = 'active' AND datname = current_database()";
    let statement = looker.prepare(sql).await?;
    loop {
        let now: i64 = looker.query_one(&statement, &[&GATEWAY]).await?.get(0);
        most.set(most.get().max(now));
        sleep(LOOK).await;
    }
}

async fn until(what: &str, is_done: impl Fn() -> bool) -> anyhow::Result<()> {
    let began = Instant::now();
    while !is_done() {
        ensure!(began.elapsed() < WITHIN, "it took more than {} s until {what}", WITHIN.as_secs());
        sleep(POLL).await;
    }
    Ok(())
}
