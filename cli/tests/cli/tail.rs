//! Tests `oasis tail` against feeds that break, refuse requests, fall silent, or send unusual messages.

use std::sync::{Mutex, mpsc};

use crate::fake::{Answer, Fake, Then, serve};
use crate::process::{NOBODY, oasis};

const CONNECTED: &str =
    "retry: 1\n\ndata: {\"type\":\"connected\",\"ts\":\"t\",\"mode\":\"live\",\"head\":7}\n\n";
const HEARTBEAT: &str = "data: {\"type\":\"heartbeat\",\"ts\":\"t\"}\n\n";

fn event(id: usize) -> String {
    format!(
        "id: {id}\ndata: {{\"ts\":\"2026-01-02T03:04:05.678Z\",\"vtid\":\"DEV-CICDL-0031\",\
         \"status\":\"success\",\"title\":\"é-{id}\",\"module\":\"CORE\",\"link\":\"https://h/{id}\"}}\n\n"
    )
}

fn tail<'a>(feed: &'a Fake, flags: &[&'a str]) -> crate::process::Oasis {
    oasis(&[&["tail", "--url", feed.url.as_str()], flags].concat())
}

/// The numbers in the titles of JSON lines.
fn titles(stdout: &str) -> Vec<usize> {
    stdout
        .lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value["title"].as_str().unwrap().trim_start_matches("é-").parse().unwrap()
        })
        .collect()
}

#[test]
fn a_connection_that_breaks_anywhere_neither_loses_nor_repeats_an_event() {
    const EVENTS: usize = 300;
    let feed = serve(|number, request| {
        let after = request.header("last-event-id").map_or(0, |id| id.parse().unwrap());
        let events: String = (after + 1..=EVENTS).map(event).collect();
        // The numbers are primes, so that the stream is cut everywhere: inside names, values and characters,
        // and between lines.
        let limit = CONNECTED.len() + 150 + number * 37 % 701;
        Answer::chunked(&format!("{CONNECTED}{events}"), 1 + number * 13 % 97, limit)
    });
    let done = tail(&feed, &["--json", "-n", "300"]).finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(titles(&done.stdout), (1..=EVENTS).collect::<Vec<_>>());
    assert!(feed.requests().len() > 30);
}

#[test]
fn an_event_that_the_end_of_a_stream_cuts_off_is_requested_again() {
    let feed = serve(|number, _| match number {
        0 => Answer::feed(&format!("{CONNECTED}{}{}", event(8), event(9).trim_end()), Then::Close),
        _ => Answer::feed(&format!("{CONNECTED}{}", event(9)), Then::Silence),
    });
    let done = tail(&feed, &["--json", "-n", "2"]).finish();
    assert_eq!(titles(&done.stdout), [8, 9]);
    assert_eq!(feed.requests()[1].header("last-event-id"), Some("8"));
    assert!(done.stderr.contains("the server closed the connection; reconnecting in"), "{}", done.stderr);
}

#[test]
fn a_tail_reconnects_after_a_silence() {
    let feed = serve(|number, _| match number {
        0 => Answer::feed(&format!("{CONNECTED}{}", event(8)), Then::Silence),
        _ => Answer::feed(&event(9), Then::Silence),
    });
    let done = tail(&feed, &["--json", "-n", "2", "--silence", "200ms"]).finish();
    assert_eq!(titles(&done.stdout), [8, 9]);
    assert!(done.stderr.contains("no data for 0.2 s"), "{}", done.stderr);
}

#[test]
fn a_tail_resumes_after_a_block_with_only_an_id() {
    let feed = serve(|number, _| match number {
        0 => Answer::feed(&format!("{CONNECTED}id: 41\n\n"), Then::Close),
        _ => Answer::feed(&event(42), Then::Silence),
    });
    let done = tail(&feed, &["--json", "-n", "1", "--vtid", "A-B", "--last-event-id", "5"]).finish();
    assert_eq!(titles(&done.stdout), [42]);
    let requests = feed.requests();
    assert_eq!(requests[0].line, "GET /api/v1/devhub/feed?vtid=A-B");
    assert_eq!(requests[0].header("last-event-id"), Some("5"));
    assert_eq!(requests[1].header("last-event-id"), Some("41"));
}

#[test]
fn a_replay_that_broke_before_its_first_id_is_requested_again() {
    let feed = serve(|number, _| match number {
        0 => Answer::feed(CONNECTED, Then::Close),
        _ => Answer::feed(&event(8), Then::Silence),
    });
    let flags = ["--json", "-n", "1", "--since", "2026-01-02T03:04:05Z"];
    assert_eq!(titles(&tail(&feed, &flags).finish().stdout), [8]);
    let requests = feed.requests();
    assert_eq!(requests[0].line, "GET /api/v1/devhub/feed?since=2026-01-02T03%3A04%3A05.000Z");
    assert_eq!((&requests[0].line, requests[1].header("last-event-id")), (&requests[1].line, None));
}

#[test]
fn a_refusal_ends_the_command_with_its_message_and_hint() {
    let body =
        r#"{"error":{"code":"unauthorized","message":"This feed needs a token.","hint":"Pass --token."}}"#;
    let feed = serve(move |_, _| Answer::json("401 Unauthorized", body));
    let done = tail(&feed, &[]).env("READ_TOKEN", "hush").finish();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert_eq!(done.stderr, "error: This feed needs a token. (401 unauthorized)\n  hint: Pass --token.\n");
    let requests = feed.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("authorization"), Some("Bearer hush"));
    assert_eq!(requests[0].header("user-agent"), Some(concat!("oasis/", env!("CARGO_PKG_VERSION"))));

    let page = serve(|_, _| Answer::json("200 OK", "{}"));
    let done = tail(&page, &[]).finish();
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("check that --url is the address of gateway-feed"), "{}", done.stderr);
}

#[test]
fn a_tail_retries_when_the_server_is_busy() {
    let feed = serve(|number, _| match number {
        0 => Answer::json("503 Service Unavailable", r#"{"error":{"code":"busy","message":"Too many."}}"#),
        _ => Answer::feed(&event(8), Then::Silence),
    });
    let done = tail(&feed, &["--json", "-n", "1"]).finish();
    assert_eq!(titles(&done.stdout), [8]);
    assert!(done.stderr.starts_with("Too many. (503 busy); reconnecting in 1."), "{}", done.stderr);
}

#[test]
fn a_refusal_whose_body_does_not_end_is_read_only_in_part() {
    for filling in ["Too many.".to_owned(), "x ".repeat(1 << 20)] {
        let feed = serve(move |number, _| match number {
            0 => {
                let head = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n";
                Answer { parts: vec![head.into(), filling.clone().into()], then: Then::Silence }
            }
            _ => Answer::feed(&event(8), Then::Silence),
        });
        let done = tail(&feed, &["--json", "-n", "1", "--silence", "500ms"]).finish();
        assert_eq!((done.code, titles(&done.stdout)), (0, vec![8]), "{}", done.stderr);
        assert!(done.stderr.contains("(503 Service Unavailable); reconnecting in"), "{}", done.stderr);
    }
    let refused = serve(|_, _| {
        let head = "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\nno such page";
        Answer { parts: vec![head.into()], then: Then::Silence }
    });
    let done = tail(&refused, &["--silence", "500ms"]).finish();
    assert_eq!(done.code, 1);
    assert_eq!(done.stderr, "error: the server answered: no such page (404 Not Found)\n");
}

#[test]
fn messages_about_the_feed_go_to_standard_error() {
    let feed = serve(|_, _| {
        let body = "data: {\"type\":\"connected\",\"mode\":\"mock\",\"head\":0}\n\n\
                    data: {\"type\":\"mode\",\"mode\":\"live\"}\n\n\
                    data: {\"type\":\"gap\",\"from\":3,\"to\":6,\"reason\":\"pruned\"}\n\n\
                    data: {\"type\":\"gap\",\"from\":3,\"to\":6,\"reason\":\"reset\"}\n\n\
                    data: {\"type\":\"news\"}\n\nevent: other\ndata: {}\n\ndata: no JSON\n\n: comment\n\n";
        Answer::feed(&format!("{body}{}", event(8)), Then::Silence)
    });
    let done = tail(&feed, &["-n", "1"]).finish();
    assert_eq!(done.stdout, "2026-01-02 03:04:05  success      DEV-CICDL-0031  é-8  CORE  https://h/8\n");
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert!(lines[0].ends_with("newest event 0: no events yet, so simulated events are shown"), "{lines:?}");
    assert_eq!(
        lines[1..],
        [
            "live",
            "gap: the events after 3, up to 6, were deleted",
            "gap: the feed started over (its database was restored), so the missed events are unknown",
            "skipped an event that is not JSON"
        ]
    );
}

/// An event of a failed job, as the feed sends it.
fn failed_job(id: usize) -> String {
    format!(
        "id: {id}\ndata: {{\"ts\":\"2026-01-02T03:04:05.678Z\",\"vtid\":\"DEV-CICDL-0031\",\
         \"status\":\"failure\",\"title\":\"CICDL-CORE-CHECK-RUN\",\"module\":\"CORE\",\
         \"source\":\"github.actions\",\"kind\":\"check_run\",\"link\":\"https://h/{id}\"}}\n\n"
    )
}

#[test]
fn names_come_from_one_request_for_each_batch() {
    let feed = serve(|_, request| {
        if request.line.starts_with("GET /api/v1/devhub/feed") {
            let body = format!("{CONNECTED}{}{}{}", failed_job(5), event(6), failed_job(7));
            return Answer::feed(&body, Then::Silence);
        }
        // Event 5 was deleted in the meantime. Event 3 is older than the batch.
        let job = |id: u32| {
            format!(
                r#"{{"id":{id},"kind":"check_run","meta":{{"name":"test {id}","title":"Add limits",
                   "repository":"acme/gateway","branch":"vt/limits"}}}}"#
            )
        };
        Answer::json("200 OK", &format!("[{},{}]", job(7), job(3)))
    });
    let done = tail(&feed, &["--no-follow", "--vtid", "DEV-CICDL-0031"]).finish();
    assert_eq!(
        done.stdout.lines().map(|line| &line[34..]).collect::<Vec<_>>(),
        [
            "DEV-CICDL-0031  CICDL-CORE-CHECK-RUN  CORE  https://h/5",
            "DEV-CICDL-0031  é-6  CORE  https://h/6",
            "DEV-CICDL-0031  test 7  Add limits  acme/gateway  vt/limits  https://h/7",
        ],
        "{}",
        done.stderr
    );
    let lines: Vec<_> = feed.requests().into_iter().map(|request| request.line).collect();
    assert_eq!(
        lines[1..],
        ["GET /api/v1/oasis/events?vtid=DEV-CICDL-0031&source=github.actions&before=8&limit=2"]
    );
    let done = tail(&feed, &["--no-follow", "--json"]).finish();
    assert_eq!((done.code, done.stdout.lines().count()), (0, 3));
    assert_eq!(feed.requests().len(), 1);
}

#[test]
fn without_the_query_api_the_strict_fields_are_shown() {
    let feed = serve(|_, request| {
        if request.line.starts_with("GET /api/v1/devhub/feed") {
            let body = [CONNECTED, &failed_job(5), HEARTBEAT, &failed_job(7)].concat();
            return Answer::feed(&body, Then::Silence);
        }
        Answer::json("503 Service Unavailable", r#"{"error":{"code":"busy","message":"Too many."}}"#)
    });
    let done = tail(&feed, &["--no-follow"]).env("COLUMNS", "80").finish();
    let lines: Vec<&str> = done.stdout.lines().map(|line| &line[line.find("failure").unwrap()..]).collect();
    assert_eq!(lines, ["failure      DEV-CICDL-0031  CICDL-CORE-CHECK-RUN  CORE"; 2]);
    assert_eq!(done.stderr.matches("names and titles are not shown").count(), 1, "{}", done.stderr);
    // After a failure, no request is made for a while.
    assert_eq!(feed.requests().len(), 2);
}

#[test]
fn simulated_events_are_marked_and_not_counted() {
    let mock = "data: {\"type\":\"connected\",\"mode\":\"mock\",\"head\":0}\n\n";
    let simulated = "data: {\"ts\":\"t\",\"title\":\"é-1\",\"status\":\"info\"}\n\n";
    let live = "data: {\"type\":\"mode\",\"mode\":\"live\"}\n\n";
    let again = "data: {\"type\":\"mode\",\"mode\":\"mock\"}\n\n";
    // Event 8 is real in any mode, since it has an id.
    let body = [mock, simulated, simulated, &event(8), live, again, simulated, live, &event(9)].concat();
    let feed = serve(move |_, _| Answer::feed(&body, Then::Silence));
    let done = tail(&feed, &["--json", "-n", "2"]).finish();
    assert_eq!((done.code, titles(&done.stdout)), (0, vec![8, 9]));
    assert!(done.stderr.contains("only simulated events, which --json leaves out"), "{}", done.stderr);

    let done = tail(&feed, &["-n", "2"]).finish();
    let marked: Vec<bool> =
        done.stdout.lines().map(|line| line.starts_with("(simulated)  t  info ")).collect();
    assert_eq!(marked, [true, true, false, true, false], "{}", done.stdout);

    // All events are pruned, so the feed never sends an id.
    let empty = mock.replace(":0", ":7");
    for after in [simulated, HEARTBEAT] {
        let body = format!("{empty}{after}");
        let feed = serve(move |_, _| Answer::feed(&body, Then::Silence));
        let done = tail(&feed, &["--no-follow"]).finish();
        assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{}", done.stderr);
    }
}

#[test]
fn a_tail_that_ends_by_itself_does_not_wait_for_a_first_connection() {
    let url = format!("http://{NOBODY}");
    for flags in [&["--no-follow"][..], &["-n", "1"]] {
        let done = oasis(&[&["tail", "--url", &url], flags].concat()).finish();
        assert_eq!((done.code, done.stdout.as_str()), (1, ""));
        assert!(done.stderr.starts_with("error: cannot connect to"), "{}", done.stderr);
        assert!(!done.stderr.contains("reconnecting"), "{}", done.stderr);
    }
}

#[test]
fn no_follow_ends_at_the_last_stored_event() {
    let all = serve(|_, _| {
        Answer::feed(&format!("{CONNECTED}{}{}{}", event(6), event(7), event(8)), Then::Silence)
    });
    let done = tail(&all, &["--json", "--no-follow"]).finish();
    assert_eq!((done.code, titles(&done.stdout)), (0, vec![6, 7]));

    // A heartbeat alone does not end the tail: events may still follow.
    let none =
        serve(|_, _| Answer::feed(&format!("{CONNECTED}{HEARTBEAT}{}id: 7\n\n", event(5)), Then::Silence));
    let done = tail(&none, &["--json", "--no-follow"]).finish();
    assert_eq!((done.code, titles(&done.stdout)), (0, vec![5]));

    let known = serve(|_, _| Answer::feed(CONNECTED, Then::Silence));
    assert_eq!(tail(&known, &["--no-follow", "--last-event-id", "7"]).finish().code, 0);
}

#[test]
fn no_follow_after_an_event_that_does_not_exist_is_an_error() {
    let feed = serve(|_, _| Answer::feed(CONNECTED, Then::Silence));
    let done = tail(&feed, &["--no-follow", "--last-event-id", "8"]).finish();
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("error: event 8 is above the newest event 7:"), "{}", done.stderr);

    // A database is restored between two connections. The command ends at the new end of the feed.
    let restored = serve(|number, _| match number {
        0 => Answer::feed(&format!("{CONNECTED}{}", event(5)), Then::Close),
        _ => {
            let head = CONNECTED.replace(":7", ":6");
            Answer::feed(&format!("{head}{}", event(6)), Then::Silence)
        }
    });
    let done = tail(&restored, &["--json", "--no-follow"]).finish();
    assert_eq!((done.code, titles(&done.stdout)), (0, vec![5, 6]), "{}", done.stderr);
}

#[test]
fn a_closed_standard_output_ends_the_tail_without_an_error() {
    // The second answer is an event or a heartbeat. The tail can no longer print the event, and prints
    // nothing for a heartbeat.
    for after in [event(8), HEARTBEAT.to_owned()] {
        let (arrive, arrived) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let released = Mutex::new(released);
        let feed = serve(move |number, _| {
            if number == 0 {
                return Answer::feed(&format!("{CONNECTED}{}", event(7)), Then::Close);
            }
            arrive.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
            Answer::feed(&after, Then::Silence)
        });
        let (mut running, mut lines) = tail(&feed, &["--json", "--silence", "10m"]).start();
        assert_eq!(titles(&lines.next().unwrap().unwrap()), [7]);
        // Standard output is closed before the second answer. The tail notices this only when the second
        // answer arrives.
        arrived.recv().unwrap();
        drop(lines);
        release.send(()).unwrap();
        let (code, stderr) = running.finish();
        assert_eq!(code, 0, "{stderr}");
        assert!(!stderr.contains("error"), "{stderr}");
        assert_eq!(feed.requests().len(), 2);
    }
}
