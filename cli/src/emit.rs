//! `oasis emit`: sends one event to the ingest API, or one resource event, and prints its id.

mod resource;

use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use oasis_core::{Kind, Layer, Link, Meta, Module, Source, Status, Task, Ts};
use oasis_service::Secret;
use oasis_service::client as http;
use serde_json::{Map, Value};

use crate::address::GatewayUrl;
use crate::credentials::service_token;
use crate::fields::parse_meta;
use crate::output::{self, notice};
use crate::refusal::Refusal;
use crate::time::parse_time;
use resource::{Resource, ResourceFlags, Shared};

const EXAMPLES: &str = "\
Examples:
  oasis emit --kind task.init --status queued --vtid DEV-CICDL-0031
  oasis emit --kind backup --status failure --module DATABASE \\
       --link https://example.com/log/7 --meta host=db1 --meta attempt:=3
  oasis emit --kind deploy --status success --dedup-key deploy-4711 \\
       --meta '{\"region\":\"europe-west1\"}'
  oasis emit --resource workload:api --project shop --cluster eu \\
       --status Running --message '3 of 3 replicas' --set replicas=3
  oasis emit --resource workload:api --type build_failed --build 17 \\
       --error '2 tests failed'

The id of the event is printed to standard output. With --dedup-key, you can
safely send the same event again: the server stores the event only once.";

/// Flags of `oasis emit`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    url: GatewayUrl,
    /// Token for sending: one of the server's INGEST_TOKENS; for a resource event, the service token of the
    /// running `oasis up` by default
    #[arg(long, env = "INGEST_TOKEN")]
    token: Option<Secret>,
    /// Kind of the event, such as task.init
    #[arg(long, value_parser = Kind::parse, required_unless_present = "resource")]
    kind: Option<Kind>,
    #[arg(long, required_unless_present = "resource",
          help = format!("Status of the event, one of {}; or the status of the resource, such as Running",
                         Status::list()))]
    status: Option<String>,
    /// Task that the event belongs to, such as DEV-CICDL-0031
    #[arg(long)]
    vtid: Option<Task>,
    /// Layer of the event, if its VTID does not name a layer
    #[arg(long, value_parser = |text: &str| Layer::parse(&text.to_ascii_uppercase()))]
    layer: Option<Layer>,
    /// Service that the event is about, such as DATABASE
    #[arg(long, value_parser = |text: &str| Module::parse(&text.to_ascii_uppercase()))]
    module: Option<Module>,
    #[arg(long, help = format!("Source of the event, one of {}", Source::list()),
          default_value = "oasis.events")]
    source: Source,
    /// Link to more information
    #[arg(long, value_name = "URL", value_parser = Link::parse)]
    link: Option<Link>,
    /// Time of the event (RFC 3339), or its age (15m, 2h, 1d); now by default
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    ts: Option<Ts>,
    /// Details of the event: a JSON object, key=text or key:=JSON; may be repeated
    #[arg(long, value_parser = parse_meta)]
    meta: Vec<Map<String, Value>>,
    /// Key that identifies the event: if two events have the same key, only the first is stored
    #[arg(long, value_name = "KEY")]
    dedup_key: Option<String>,
    #[command(flatten)]
    resource: ResourceFlags,
}

/// Where an event is sent, and what is sent.
struct Message {
    path: &'static str,
    body: Value,
    /// The dedup key, if it is sent in a header.
    key: Option<String>,
}

impl Args {
    fn message(&self) -> anyhow::Result<Message> {
        match &self.resource.resource {
            None => Ok(Message { path: "/events/ingest", body: self.body()?, key: None }),
            Some(resource) => {
                let (body, key) = (self.resource_event(resource)?, self.dedup_key.clone());
                Ok(Message { path: "/api/v1/events", body, key })
            }
        }
    }

    fn resource_event(&self, resource: &Resource) -> anyhow::Result<Value> {
        let status = self.status.as_deref();
        let shared = Shared { status, vtid: self.vtid.as_ref(), link: self.link.as_ref(), ts: self.ts };
        Ok(self.resource.event(resource, &shared).map_err(output::Usage)?.into())
    }

    fn body(&self) -> anyhow::Result<Value> {
        let status = self.status.as_deref().map(str::parse::<Status>).transpose();
        let status = status.map_err(|invalid| output::Usage(format!("--status: {invalid}")))?;
        let mut meta = Map::new();
        meta.extend(self.meta.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        let meta = Meta::new(meta).map_err(|invalid| output::Usage(invalid.to_string()))?;
        let fields = [
            ("vtid", self.vtid.as_ref().map(|task| task.as_str().to_owned())),
            ("layer", self.layer.as_ref().map(Layer::to_string)),
            ("module", self.module.as_ref().map(Module::to_string)),
            ("source", Some(self.source.to_string())),
            ("kind", self.kind.as_ref().map(Kind::to_string)),
            ("status", status.map(|status| status.to_string())),
            ("link", self.link.as_ref().map(Link::to_string)),
            ("ts", self.ts.map(|ts| ts.to_string())),
            ("dedup_key", self.dedup_key.clone()),
        ];
        let mut body: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
        if !meta.as_map().is_empty() {
            body.insert("meta".to_owned(), meta.as_map().clone().into());
        }
        Ok(body.into())
    }
}

/// Sends the event.
///
/// # Errors
/// The service refuses the event or cannot be reached, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Message { path, body, key } = args.message()?;
    let (address, token) = match (&args.resource.resource, args.token) {
        (Some(_), token) => service_token(&args.url, token).await?,
        (None, token) => (args.url.find().await?, token),
    };
    let request = address.base.request(Method::POST, path).header(CONTENT_TYPE, "application/json");
    let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
    let mut request = request.body(Full::new(Bytes::from(body.to_string())))?;
    http::authorize(request.headers_mut(), token.as_ref())?;
    let mut sender = address.connect().await?;
    let answer = http::exchange(&mut sender, request).await.with_context(|| match args.dedup_key {
        Some(_) => "the event may or may not be stored: with --dedup-key, it is safe to send it again",
        None => "the event may or may not be stored: without --dedup-key, another attempt may store it twice",
    })?;
    if !answer.status.is_success() {
        return Err(Refusal::read(&answer).into());
    }
    let value: Value = serde_json::from_slice(&answer.body)
        .ok()
        .filter(Value::is_object)
        .context("the answer is not from this API: check that --url is the address of gateway-feed")?;
    if value.get("duplicates").and_then(Value::as_u64).is_some_and(|duplicates| duplicates > 0) {
        notice("an event with this dedup key was stored before");
    }
    // If an event that was stored before has been pruned in the meantime, the answer has no id.
    if let Some(id) = id(&value) {
        output::line(id)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The id of the stored event. The answer of ingest has this id in `id`, or as the only entry of `ids`. The
/// answer for a resource event has the id in `lastId`.
fn id(answer: &Value) -> Option<u64> {
    let id = answer.get("id").or_else(|| answer.get("ids")?.get(0)).or_else(|| answer.get("lastId"));
    id.and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &[&str]) -> Result<Args, String> {
        let argv = std::iter::once("emit").chain(flags.iter().copied());
        Cli::try_parse_from(argv).map(|cli| cli.args).map_err(|error| error.to_string())
    }

    #[test]
    fn the_body_leaves_out_flags_that_are_not_given() {
        let minimal = parse(&["--kind", "task.init", "--status", "queued"]).unwrap().body().unwrap();
        assert_eq!(minimal, json!({"kind": "task.init", "status": "queued", "source": "oasis.events"}));
        let flags = "--kind=k --status=info --vtid=dev-cicdl-0031 --layer=infra --module=my-db \
                     --link=https://h/ --ts=2026-01-02T03:04:05Z --dedup-key=d \
                     --meta={\"a\":1} --meta=b=2 --meta=c:=[3] --meta=a=x=y";
        let full = parse(&flags.split_whitespace().collect::<Vec<_>>()).unwrap().body().unwrap();
        assert_eq!(
            full,
            json!({
                "kind": "k", "status": "info", "source": "oasis.events", "vtid": "DEV-CICDL-0031",
                "layer": "INFRA", "module": "MY-DB", "link": "https://h/", "ts": "2026-01-02T03:04:05.000Z",
                "dedup_key": "d", "meta": {"a": "x=y", "b": "2", "c": [3]}
            })
        );
    }

    #[test]
    fn the_error_for_a_bad_flag_says_what_is_expected() {
        let parse = |flags: &[&str]| parse(flags)?.body().map_err(|error| error.to_string());
        for (flags, part) in [
            (&["--kind=Task", "--status=info"][..], "expected a text of at most 64 characters"),
            (&["--kind=k", "--status=done"], "in_progress"),
            (&["--kind=k"], "--status"),
            (&["--status=info"], "--kind"),
            (&["--kind=k", "--status=info", "--meta=x"], "expected key=text"),
            (&["--kind=k", "--status=info", "--meta==x"], "expected key=text"),
            (&["--kind=k", "--status=info", "--meta={"], "not JSON"),
            (&["--kind=k", "--status=info", "--link=/x"], "absolute"),
        ] {
            let message = parse(flags).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn the_id_is_read_from_each_form_of_an_answer() {
        assert_eq!(id(&json!({"ok": true, "ids": [7]})), Some(7));
        assert_eq!(id(&json!({"ok": true, "id": 8})), Some(8));
        assert_eq!(id(&json!({"ok": true, "ids": [null]})), None);
        assert_eq!(id(&json!({"accepted": 1, "lastId": 9})), Some(9));
    }
}
