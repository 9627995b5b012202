//! Measures the answer times of the query API over a long history. Each form of query is sent a few hundred
//! times, in random order. The queries are sent first on one connection, and then on several connections at
//! the same time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::history::History;
use crate::http::Connection;
use crate::processes::Meter;
use crate::report::{Bar, Report, Row, Samples};
use crate::stack::Stack;

const PATH: &str = "/api/v1/oasis/events";
/// The maximum 99th percentile of a form's answer times, in milliseconds.
const P99: f64 = 10.0;
/// The maximum ratio of the median answer time of page 1,000 to the median answer time of page 1.
const FAR: f64 = 2.0;
/// The number of events before page 1,000, with 50 events per page.
const BEFORE_FAR: i64 = 999 * 50;
const CONNECTIONS: usize = 8;
/// When the answers to a form have taken longer than this in total, the form has enough samples and is not
/// sent again.
const ENOUGH: Duration = Duration::from_secs(20);

/// A form of query. If `bar` is set, the answer times of this form have to meet a bar.
struct Form {
    name: String,
    query: Query,
    bar: bool,
}

enum Query {
    /// The same query each time.
    Fixed(String),
    /// A query for a random task each time.
    Tasks,
}

impl Form {
    fn new(name: impl Into<String>, query: impl Into<String>) -> Self {
        Self { name: name.into(), query: Query::Fixed(query.into()), bar: true }
    }

    fn info(name: impl Into<String>, query: impl Into<String>) -> Self {
        Self { bar: false, ..Self::new(name, query) }
    }

    fn request(&self, address: SocketAddr, random: &mut Random) -> String {
        let query = match &self.query {
            Query::Fixed(query) => query.clone(),
            Query::Tasks => format!("vtid={}", task(random.below(50_000))),
        };
        format!("GET {PATH}?{query} HTTP/1.1\r\nHost: {address}\r\n\r\n")
    }
}

/// The VTID of the task with this number in the history.
fn task(number: u64) -> String {
    const HUES: [&str; 8] = ["CICDL", "GATEWY", "OASIS", "AGENT", "INFRA", "DATA", "VISUAL", "SECURE"];
    format!("DEV-{}-{number:05}", HUES[number as usize % HUES.len()])
}

pub(crate) async fn run(stack: &Stack, quick: bool) -> anyhow::Result<Report> {
    let (rows, samples) = if quick { (100_000, 20) } else { (5_000_000, 300) };
    let mut report = Report::new("queries");
    let database = stack.database(crate::history::DATABASE).await?;
    let client = database.connect().await?;
    report.progress(format_args!("writing {rows} events"));
    let history = History::fill(&client, rows).await?;
    report.progress(history.describe());
    report.note(history.describe());
    let gateway = stack.gateway(&database).await?;
    let forms = Arc::new(forms(&client, &history, gateway.address).await?);

    let mut random = Random(1);
    let mut connection = Connection::open(gateway.address).await?;
    let mut counts = Vec::new();
    for form in forms.iter() {
        let mut count = 0;
        for _ in 0..3 {
            count = ask(&mut connection, &form.request(gateway.address, &mut random)).await?.0;
        }
        counts.push(format!("{}: {count}", form.name));
    }
    let meter = Meter::start(&[gateway.watched(), stack.watched()]);
    let order = random.shuffled(forms.len(), samples);
    let alone = measure(gateway.address, &forms, &order, 2).await?;
    let cpu = meter.text();
    let began = Instant::now();
    let mut together = JoinSet::new();
    for number in 0..CONNECTIONS {
        let known: Vec<usize> = (0..forms.len()).filter(|form| forms[*form].bar).collect();
        let order: Vec<usize> = random
            .shuffled(known.len(), samples.div_ceil(CONNECTIONS))
            .into_iter()
            .map(|at| known[at])
            .collect();
        let (forms, address) = (forms.clone(), gateway.address);
        together.spawn(async move { measure(address, &forms, &order, 3 + number as u64).await });
    }
    let mut all = Vec::new();
    while let Some(times) = together.join_next().await {
        all.extend(times??.into_values().flatten());
    }
    let took = began.elapsed().as_secs_f64();

    for (at, form) in forms.iter().enumerate() {
        let times = Samples::new(alone.get(&at).cloned().unwrap_or_default());
        let what = format!("answer time, {}", form.name);
        let p99 = Row::single(format!("{what}, p99"), "ms", times.quantile(0.99));
        report.row(Row::of(what, "ms", &times));
        report.row(if form.bar { p99.bar(Bar::AtMost(P99)) } else { p99 });
    }
    let median = |name: &str| {
        let at = forms
            .iter()
            .position(|form| form.name == name)
            .with_context(|| format!("no form is named {name:?}"))?;
        anyhow::Ok(Samples::new(alone.get(&at).cloned().unwrap_or_default()).quantile(0.5))
    };
    for name in PAGED.map(|(name, _)| name) {
        let ratio = median(&far(name))? / median(name)?;
        let row = Row::single(format!("ratio of the answer times, {name}: page 1,000 / page 1"), "×", ratio);
        report.row(row.bar(Bar::AtMost(FAR)));
    }
    let all = Samples::new(all);
    let rate = all.len() as f64 / took;
    let what = format!("answers to all queries that have a limit, {CONNECTIONS} connections");
    report.row(Row::single(what, "/s", rate).cpu(cpu));
    let what = format!("answer time, all queries that have a limit, {CONNECTIONS} connections");
    report.row(Row::of(what.as_str(), "ms", &all));
    report.row(Row::single(format!("{what}, p99"), "ms", all.quantile(0.99)));
    report.note(format!(
        "each form was sent 3 times to warm up, and then up to {samples} times in random order on one \
         connection; the column \"processors used\" shows the use with one connection"
    ));
    report.note(format!("number of events in an answer: {}", counts.join("; ")));
    report.notes(gateway.stop().await?);
    Ok(report)
}

/// The queries that are measured for page 1 and for page 1,000: the name and the query string of each query.
const PAGED: [(&str, &str); 3] =
    [("newest events", ""), ("status info", "status=info"), ("status failure", "status=failure")];

fn far(name: &str) -> String {
    format!("{name}, page 1,000")
}

async fn forms(client: &Client, history: &History, address: SocketAddr) -> anyhow::Result<Vec<Form>> {
    let at = async |share, seconds| history.moment(client, share, seconds).await;
    let (back, early) = (at(0.1, 0.0).await?, at(0.000_02, 0.0).await?);
    let (minute, hour, quarter) = (at(0.1, 60.0).await?, at(0.1, 3_600.0).await?, at(0.35, 0.0).await?);
    let (middle, imported) = (at(0.5, 0.0).await?, at(0.3, 0.0).await?);
    let (now, soon) = (at(1.0, -30.0).await?, at(1.0, 86_400.0).await?);
    let hour = format!("since={back}&until={hour}");
    let mut forms = vec![
        Form { name: "a random task of 50,000".into(), query: Query::Tasks, bar: true },
        Form::new("the busiest task", format!("vtid={}", task(0))),
        Form::new("a task with 5 events", "vtid=DEV-RARE-0001"),
        Form::new("a task without events", "vtid=DEV-NONE-0001"),
        Form::new("status cancelled (rare)", "status=cancelled"),
        Form::new("status failure or cancelled", "status=failure,cancelled"),
        Form::new("source gcp.deploy (rare)", "source=gcp.deploy"),
        Form::new("status info, source github.actions", "status=info&source=github.actions"),
        Form::new("status cancelled, source gcp.deploy (both rare)", "status=cancelled&source=gcp.deploy"),
        Form::new("status queued, source agent.ping (rare together)", "status=queued&source=agent.ping"),
        Form::new("kind workflow_run", "kind=workflow_run"),
        Form::new("kind release_note (rare)", "kind=release_note"),
        Form::new("module SERVICE-0", "module=SERVICE-0"),
        Form::new("module ODDITY (rare)", "module=ODDITY"),
        Form::new("layer CICDL", "layer=CICDL"),
        Form::new("layer RARE (rare)", "layer=RARE"),
        Form::new("until early in the history", format!("until={back}")),
        Form::new("until the middle of the history", format!("until={middle}")),
        Form::new("until a time before an import of old events", format!("until={imported}")),
        Form::new("until shortly after the first event", format!("until={early}")),
        Form::new("until a time before the first event", "until=2020-01-01T00:00:00Z"),
        Form::new("until a day after the last event", format!("until={soon}")),
        Form::new("since half a minute before the last event", format!("since={now}")),
        Form::new("since early in the history", format!("since={back}")),
        Form::new("one minute, near the start of the history", format!("since={back}&until={minute}")),
        Form::new("one hour, near the start of the history", hour.as_str()),
        Form::new("a quarter of the history", format!("since={back}&until={quarter}")),
        Form::new("one hour, near the start of the history, one status", format!("{hour}&status=failure")),
        Form::new(
            "one hour, near the start of the history, a rare status",
            format!("{hour}&status=cancelled"),
        ),
        Form::new("one hour, near the start of the history, one kind", format!("{hour}&kind=push")),
        Form::new(
            "a quarter of the history, the busiest task",
            format!("since={back}&until={quarter}&vtid={}", task(0)),
        ),
        Form::new("until early in the history, status info", format!("until={back}&status=info")),
        Form::new("until early in the history, status failure", format!("until={back}&status=failure")),
        Form::new("until early in the history, status cancelled", format!("until={back}&status=cancelled")),
        Form::new(
            "until early in the history, a task with 5 events",
            format!("until={back}&vtid=DEV-RARE-0001"),
        ),
        Form::new("until early in the history, layer CICDL", format!("until={back}&layer=CICDL")),
        Form::info("newest events, limit 1,000", "limit=1000"),
        Form::info("status failure, limit 1,000", "status=failure&limit=1000"),
        Form::info("until early in the history, limit 1,000", format!("until={back}&limit=1000")),
        Form::info("newest events, offset 49,950", format!("offset={BEFORE_FAR}")),
        Form::info("newest events, offset 100,000", "offset=100000"),
        Form::info("status info, offset 100,000", "status=info&offset=100000"),
        Form::info("status info, kind release_note (rare)", "status=info&kind=release_note"),
        Form::info("kind workflow_run, module ODDITY (rare)", "kind=workflow_run&module=ODDITY"),
        Form::info("the busiest task, status cancelled", format!("vtid={}&status=cancelled", task(0))),
    ];
    let mut connection = Connection::open(address).await?;
    for (name, query) in PAGED {
        let request =
            format!("GET {PATH}?{query}&limit=1&offset={BEFORE_FAR} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let answer = connection.exchange(request.as_bytes()).await?;
        ensure!(answer.status == 200, "the gateway answered {}: {}", answer.status, answer.body);
        let found: serde_json::Value = serde_json::from_str(&answer.body)?;
        // In a smoke test, the table has too few events for page 1,000 of some queries. For such a query, the
        // first page is measured twice.
        let before = found[0]["id"].as_i64().map_or(String::new(), |id| format!("&before={id}"));
        forms.push(Form::new(name, query));
        forms.push(Form::new(far(name), format!("{query}{before}")));
    }
    Ok(forms)
}

/// Sends the forms in the order of `order`, and returns the answer times of each form, in milliseconds.
async fn measure(
    address: SocketAddr,
    forms: &[Form],
    order: &[usize],
    seed: u64,
) -> anyhow::Result<BTreeMap<usize, Vec<f64>>> {
    let mut random = Random(seed);
    let mut connection = Connection::open(address).await?;
    let mut times: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for form in order {
        let of_form = times.entry(*form).or_default();
        if of_form.iter().sum::<f64>() > ENOUGH.as_secs_f64() * 1_000.0 {
            continue;
        }
        let request = forms[*form].request(address, &mut random);
        of_form.push(ask(&mut connection, &request).await?.1.as_secs_f64() * 1_000.0);
    }
    Ok(times)
}

/// Sends a request, and returns the number of events in the answer and the answer time.
async fn ask(connection: &mut Connection, request: &str) -> anyhow::Result<(usize, Duration)> {
    let sent = Instant::now();
    let answer = connection.exchange(request.as_bytes()).await?;
    let took = sent.elapsed();
    ensure!(
        answer.status == 200,
        "the gateway answered {}: {}; the request was {request:?}",
        answer.status,
        answer.body
    );
    Ok((answer.body.matches("\"recorded_at\":").count(), took))
}

/// A generator of pseudo-random numbers (SplitMix64). The numbers are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Returns a list in random order. The list contains every number below `count` exactly `times` times.
    fn shuffled(&mut self, count: usize, times: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count * times).map(|number| number % count).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, self.below(at as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_returns_every_number_equally_often_in_random_order() {
        let order = Random(7).shuffled(5, 40);
        assert!((0..5).all(|form| order.iter().filter(|at| **at == form).count() == 40));
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
    }
}
