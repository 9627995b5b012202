//! A delivery of GitHub: its signature and its payload.

use memchr::memmem;
use oasis_core::{NewEvent, parse_json};
use ring::hmac;
use webhook_ingest::github::{Reading, Rules, read};
use webhook_ingest::payload;
use webhook_ingest::signature::{BadSignature, Secrets};

use crate::event::{check, escaped, now};

/// The events whose payload has a member with the name of the event.
const NAMED: [&str; 8] = [
    "check_run",
    "check_suite",
    "deployment",
    "deployment_status",
    "pull_request",
    "release",
    "workflow_job",
    "workflow_run",
];
/// The other events that the receiver reads, and one that the feed does not show.
const OTHERS: [&str; 5] = ["create", "delete", "ping", "push", "star"];

const SECRET: &str = "It's a Secret to Everybody";
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

/// The input is the body of a delivery. It is read as a delivery of each event that it may be.
pub fn delivery(data: &[u8]) {
    check_signature(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("payload", text).finish();
        assert_eq!(payload::json(FORM, form.as_bytes()).as_deref(), Ok(data));
    }
    let rules = Rules {
        modules: "octo-org/*=repository".parse().unwrap(),
        resources: "octo-org/octo-repo=workload:api,Codertocat/Hello-World=project:p/workload:w"
            .parse()
            .unwrap(),
        ..Rules::default()
    };
    let has = |name: &&str| memmem::find(data, name.as_bytes()).is_some();
    for name in NAMED.into_iter().filter(has).chain(OTHERS) {
        let Ok(reading) = read(name, data, &rules, now()) else { continue };
        let Reading::Event { new, resources, state_known } = reading else { continue };
        assert!(state_known || new.event.status.as_str() == "info");
        let found = new.meta.as_map().contains_key("vtid_from");
        assert_eq!(found, new.event.task.as_str() != "UNSET");
        check(&new);
        for resource in &resources {
            check(resource);
            assert_eq!((resource.channel.as_str(), resource.event.ts), ("resources", new.event.ts));
            assert_ne!(resource.dedup_key, new.dedup_key);
        }
        // The same payload in another form means the same.
        if let Ok(value) = parse_json(data) {
            let Ok(Reading::Event { new: again, .. }) =
                read(name, escaped(&value.to_string()).as_bytes(), &rules, now())
            else {
                panic!("the escaped payload is not an event of {name}")
            };
            assert_eq!(NewEvent { dedup_key: new.dedup_key.clone(), ..*again }, *new);
        }
    }
}

/// Only the signature of the body is accepted. The input is the body, and also a header.
fn check_signature(data: &[u8]) {
    let secrets = Secrets::new(["another secret", SECRET]);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), data);
    let mut header = b"sha256=".to_vec();
    header.extend(tag.as_ref().iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    assert_eq!(secrets.verify(Some(&header), data), Ok(()));
    assert_eq!(Secrets::new([]).verify(Some(&header), data), Err(BadSignature::Mismatch));
    let place = 7 + data.len() % 64;
    header[place] = if header[place] == b'0' { b'1' } else { b'0' };
    assert_eq!(secrets.verify(Some(&header), data), Err(BadSignature::Mismatch));
    assert!(secrets.verify(Some(data), b"body").is_err());
}
