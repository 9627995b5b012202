//! The metrics of the process: one Prometheus recorder for all services in the process.
//!
//! Services record with the `metrics` macros. If the name of a histogram ends in `_seconds`, its buckets are
//! times. The buckets of other histograms, such as a histogram of row counts, are powers of two. Handles that
//! are created before [`install`] record nothing, so [`crate::telemetry::init`] calls [`install`] before it
//! sets up logs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use hyper::{Method, StatusCode};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const POWERS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Installs the recorder on the first call. Later calls return the same handle.
pub fn install() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&POWERS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS))
            // This fails only if a list of buckets is empty.
            .unwrap_or_else(|_| PrometheusBuilder::new())
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is already installed, so /metrics stays empty");
        }
        describe();
        handle
    })
}

fn describe() {
    describe_counter!("http_requests_total", "Number of answered requests, by status");
    describe_histogram!("http_request_seconds", Unit::Seconds, "Time until the response head was ready");
    describe_gauge!("http_connections_open", "Number of open connections");
    describe_counter!(
        "http_connections_refused_total",
        "Number of connections closed because too many were open"
    );
}

pub(crate) fn connections_open(service: &'static str) -> Gauge {
    gauge!("http_connections_open", "service" => service)
}

pub(crate) fn connection_refused(service: &'static str) {
    counter!("http_connections_refused_total", "service" => service).increment(1);
}

pub(crate) fn request(
    service: &'static str,
    method: &Method,
    route: &'static str,
    status: StatusCode,
    time: Duration,
) {
    let labels = (service, label(method), route, status);
    KNOWN.with_borrow_mut(|known| {
        let (counter, histogram) = known.entry(labels).or_insert_with(|| handles(labels));
        counter.increment(1);
        histogram.record(time);
    });
}

/// The service, method, route and status. Each has a limited set of values.
type Labels = (&'static str, &'static str, &'static str, StatusCode);

thread_local! {
    /// Caches the handles, because creating labels and looking up a handle costs more than counting.
    static KNOWN: RefCell<HashMap<Labels, (Counter, Histogram)>> = RefCell::default();
}

fn handles((service, method, route, status): Labels) -> (Counter, Histogram) {
    let status = status.as_str().to_owned();
    let counter = counter!(
        "http_requests_total",
        "service" => service, "method" => method, "route" => route, "status" => status
    );
    (counter, histogram!("http_request_seconds", "service" => service, "route" => route))
}

/// The method as a label. Clients may send any method, but a label must have a limited set of values.
fn label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
