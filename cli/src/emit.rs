//! `oasis emit`: sends one event to the ingest API and prints its id.

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
use crate::output::{self, notice};
use crate::refusal::Refusal;
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  oasis emit --kind task.init --status queued --vtid DEV-CICDL-0031
  oasis emit --kind backup --status failure --module DATABASE \\
       --link https://example.com/log/7 --meta host=db1 --meta attempt:=3
  oasis emit --kind deploy --status success --dedup-key deploy-4711 \\
       --meta '{\"region\":\"europe-west1\"}'

The id of the event is printed to standard output. With --dedup-key, you can
safely send the same event again: the server stores the event only once.";

/// Flags of `oasis emit`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    url: GatewayUrl,
    /// Token for sending: one of the server's INGEST_TOKENS
    #[arg(long, env = "INGEST_TOKEN")]
    token: Option<Secret>,
    /// Kind of the event, such as task.init
    #[arg(long, value_parser = Kind::parse)]
    kind: Kind,
    #[arg(long, help = format!("Status of the event, one of {}", Status::list()))]
    status: Status,
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
}

impl Args {
    fn body(&self) -> anyhow::Result<Value> {
        let mut meta = Map::new();
        meta.extend(self.meta.iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        let meta = Meta::new(meta).map_err(|invalid| output::Usage(invalid.to_string()))?;
        let fields = [
            ("vtid", self.vtid.as_ref().map(|task| task.as_str().to_owned())),
            ("layer", self.layer.as_ref().map(Layer::to_string)),
            ("module", self.module.as_ref().map(Module::to_string)),
            ("source", Some(self.source.to_string())),
            ("kind", Some(self.kind.to_string())),
            ("status", Some(self.status.to_string())),
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
    let body = args.body()?.to_string();
    let address = args.url.find().await?;
    let mut request = address
        .base
        .request(Method::POST, "/events/ingest")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    http::authorize(request.headers_mut(), args.token.as_ref())?;
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
        .context("the answer is not from the ingest API: check that --url is the address of gateway-feed")?;
    if value.get("duplicates").and_then(Value::as_u64).is_some_and(|duplicates| duplicates > 0) {
        notice("an event with this dedup key was stored before");
    }
    // If an event that was stored before has been pruned in the meantime, the answer has no id.
    if let Some(id) = id(&value) {
        output::line(id)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The id of the stored event. The answer has this id in `id`, or as the only entry of `ids`.
fn id(answer: &Value) -> Option<u64> {
    answer.get("id").or_else(|| answer.get("ids")?.get(0)).and_then(Value::as_u64)
}

/// Parses `{…}`, `key:=JSON` or `key=text`.
pub(crate) fn parse_meta(text: &str) -> Result<Map<String, Value>, String> {
    let json = |text: &str| {
        serde_json::from_str::<Value>(text).map_err(|error| format!("the value is not JSON: {error}"))
    };
    if text.trim_start().starts_with('{') {
        return match json(text)? {
            Value::Object(map) => Ok(map),
            _ => Err("not a JSON object".to_owned()),
        };
    }
    let expected = "expected key=text, key:=JSON or a JSON object";
    let (key, value) = text.split_once('=').ok_or(expected)?;
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => (key, json(value)?),
        None => (key, Value::from(value)),
    };
    if key.is_empty() { Err(expected.to_owned()) } else { Ok(Map::from_iter([(key.to_owned(), value)])) }
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
        for (flags, part) in [
            (&["--kind=Task", "--status=info"][..], "expected a text of at most 64 characters"),
            (&["--kind=k", "--status=done"], "in_progress"),
            (&["--kind=k"], "--status"),
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
    fn the_id_is_read_from_both_forms_of_an_answer() {
        assert_eq!(id(&json!({"ok": true, "ids": [7]})), Some(7));
        assert_eq!(id(&json!({"ok": true, "id": 8})), Some(8));
        assert_eq!(id(&json!({"ok": true, "ids": [null]})), None);
    }
}
