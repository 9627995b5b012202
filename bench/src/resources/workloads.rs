//! The workloads of a scenario, their clients, and the events that are written for them. Ten workloads belong
//! to a project, and ten projects to a cluster.

use jiff::Timestamp;
use tokio_postgres::{Client, Statement};

use crate::audience::Writer;
use crate::crowd::{Keep, Subscription};
use crate::draw::Item;
use crate::events::LINK;
use crate::tokens;

/// The bytes that each event has once in the streams of all servers.
pub(super) const EVENT: &[u8] = b"\"event_type\":\"workload_status_update\"";
/// The number of rows per statement of the history.
const AT_ONCE: usize = 1_000;

/// A number of workloads, and the tokens of their clients.
pub(super) struct Workloads {
    pub(super) count: usize,
    tokens: Vec<String>,
}

impl Workloads {
    /// Mints a token for each of `clients` clients.
    pub(super) fn new(count: usize, clients: usize) -> anyhow::Result<Self> {
        Ok(Self { count, tokens: tokens::mint(clients)? })
    }

    /// The path of a stream with the events of a workload, and with the token of a client.
    pub(super) fn path(&self, number: usize, client: usize) -> String {
        format!("/api/v1/events/stream?workload_id={}&token={}", workload(number), self.tokens[client])
    }

    /// All clients. They take turns to choose a workload.
    pub(super) fn clients(&self, keep: Keep) -> Vec<Subscription> {
        let path = |client| self.path(client % self.count, client);
        (0..self.tokens.len()).map(|client| Subscription { path: path(client), keep }).collect()
    }
}

fn workload(number: usize) -> String {
    format!("workload-{number}")
}

fn project(number: usize) -> String {
    format!("project-{}", number / 10)
}

fn cluster(number: usize) -> String {
    format!("cluster-{}", number / 100)
}

/// The text of an event. It contains the number of the event, as the events of the bench do.
fn message(number: u64) -> String {
    format!("2 of 3 replicas are available, see {LINK}{number:010}")
}

/// The members of an event after its ids.
fn rest(number: u64) -> String {
    let message = message(number);
    format!("\"status\":\"Running\",\"message\":\"{message}\",\"replicas\":3,\"available_replicas\":2}}")
}

/// An event as a service writes it: without the time and the cluster, which the gateway adds.
pub(super) fn posted(number: usize, event: u64) -> String {
    let (workload, project, rest) = (workload(number), project(number), rest(event));
    format!(
        "{{\"event_type\":\"workload_status_update\",\"workload_id\":\"{workload}\",\
         \"project_id\":\"{project}\",{rest}"
    )
}

/// An event as the peer publishes it. It has the members of an event of the gateway.
pub(super) fn published((number, event): Item) -> String {
    let now = Timestamp::now().as_millisecond() as f64 / 1_000.0;
    let (workload, project, cluster, rest) =
        (workload(number), project(number), cluster(number), rest(event));
    format!(
        "{{\"event_type\":\"workload_status_update\",\"timestamp\":{now},\"resource_type\":\"workload\",\
         \"workload_id\":\"{workload}\",\"project_id\":\"{project}\",\"cluster_id\":\"{cluster}\",{rest}"
    )
}

/// Writes events into the table in one database session.
pub(super) struct Events<'a> {
    client: &'a Client,
    insert: Statement,
}

impl<'a> Events<'a> {
    pub(super) async fn prepare(client: &'a Client) -> anyhow::Result<Self> {
        let sql = "INSERT INTO public.oasis_events \
                     (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
                   SELECT clock_timestamp(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', \
                     'workload_status_update', 'in_progress', 'UNSET-CORE-WORKLOAD-STATUS-UPDATE', \
                     'vt/UNSET-workload-status-update', 'resources', \
                     jsonb_build_object('resource_type', 'workload', 'workload_id', workload, \
                       'project_id', project, 'cluster_id', cluster, 'status', 'Running', \
                       'message', message, 'replicas', 3, 'available_replicas', 2) \
                   FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) \
                   AS events (workload, project, cluster, message)";
        Ok(Self { client, insert: client.prepare(sql).await? })
    }

    /// Writes `count` earlier events of the first `workloads` workloads in turn.
    pub(super) async fn history(&mut self, workloads: usize, count: usize) -> anyhow::Result<()> {
        let events: Vec<Item> = (0..count).map(|number| (number % workloads, number as u64)).collect();
        for some in events.chunks(AT_ONCE) {
            self.write(some).await?;
        }
        Ok(self.client.batch_execute("VACUUM (ANALYZE)").await?)
    }
}

impl Writer for Events<'_> {
    async fn write(&mut self, events: &[Item]) -> anyhow::Result<()> {
        let column = |of: fn(usize) -> String| -> Vec<String> {
            events.iter().map(|(number, _)| of(*number)).collect()
        };
        let ids = [column(workload), column(project), column(cluster)];
        let messages: Vec<String> = events.iter().map(|(_, event)| message(*event)).collect();
        self.client.execute(&self.insert, &[&ids[0], &ids[1], &ids[2], &messages]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::events::number_of;

    #[test]
    fn events_are_json_with_the_mark_and_the_number() {
        for json in [posted(123, 7), published((123, 7))] {
            assert_eq!(memchr::memmem::find_iter(json.as_bytes(), EVENT).count(), 1);
            assert_eq!(number_of(json.as_bytes()), Some(7));
            let event: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(
                (event["workload_id"].as_str(), event["project_id"].as_str()),
                (Some("workload-123"), Some("project-12"))
            );
        }
    }
}
