//! Tests the page of the Live Console and the files that the page loads.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::client::{get, send};
use crate::{Gateway, database};

#[tokio::test(flavor = "multi_thread")]
async fn browsers_revalidate_the_page_and_cache_its_files_for_a_year() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    for path in
        ["/", "/vtid/DEV-CICDL-0031", "/agents", "/rooms", "/rooms/build-1", "/?status=failure&q=deploy"]
    {
        let page = get(gateway.address, path).await;
        assert_eq!(
            (page.status.as_u16(), &page.headers["cache-control"]),
            (200, &"no-cache".parse().unwrap())
        );
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    let page = get(gateway.address, "/").await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let parts: Vec<&str> = html.split(['"', '=', '>']).filter_map(|part| part.strip_prefix('.')).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| part.starts_with("/-/")).collect();
    assert!(parts.len() > 2, "{html}");
    for part in parts {
        let asset = get(gateway.address, part).await;
        assert_eq!(asset.status, 200, "{part}");
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers["x-content-type-options"], "nosniff");
        let kind =
            if part.ends_with(".css") { "text/css; charset=utf-8" } else { "text/javascript; charset=utf-8" };
        assert_eq!(asset.headers["content-type"], kind);
        let head = send(gateway.address, "HEAD", part, &[], "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        assert_eq!(head.headers["content-length"], asset.body.len().to_string());
    }
    for path in
        ["/-/", "/-/01234567/app/main.js", "/-/x/../app/main.js", "/vtid/nothing", "/vtid/", "/rooms/a%20b"]
    {
        assert_eq!(get(gateway.address, path).await.status, 404, "{path}");
    }
    let browser = [("accept", "text/html")];
    let lost = send(gateway.address, "GET", "/vtid/nothing", &browser, "").await;
    let task = get(gateway.address, "/vtid/DEV-CICDL-0031").await;
    assert_eq!((lost.status.as_u16(), lost.body), (404, task.body));
    assert_eq!(send(gateway.address, "POST", "/", &[], "").await.status, 405);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_accepts_gzip_gets_the_same_content_in_fewer_bytes() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &[]).await;
    let html = get(gateway.address, "/").await.body;
    let html = String::from_utf8(html.to_vec()).unwrap();
    let script = html.split(['"', '=', '>']).find(|part| part.ends_with("/app/main.js")).unwrap();
    let script = script.strip_prefix('.').unwrap();
    for path in ["/", script] {
        let plain = get(gateway.address, path).await;
        let packed = send(gateway.address, "GET", path, &[("accept-encoding", "br, gzip")], "").await;
        assert_eq!(
            (plain.headers.get("content-encoding"), &packed.headers["content-encoding"]),
            (None, &"gzip".parse().unwrap())
        );
        for answer in [&plain, &packed] {
            assert!(answer.headers["vary"].to_str().unwrap().contains("Accept-Encoding"));
        }
        assert!(packed.body.len() * 2 < plain.body.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(packed.body.as_ref()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_without_a_token_gets_the_page_that_asks_for_a_token() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--read-tokens", "s3cret"]).await;
    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let page = send(gateway.address, "GET", "/agents", &browser, "").await;
    assert_eq!(page.status, 401);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(get(gateway.address, "/agents").await.error().0, "token_missing");
    assert_eq!(get(gateway.address, "/?token=s3cret").await.body, page.body);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_does_not_exist_answers_a_browser_with_a_page_and_a_program_with_the_right_path() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--read-tokens", "s3cret"]).await;
    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    for (path, home) in
        [("/nothing", "./"), ("/a/b/c", "./../../"), ("/vtid/DEV-CICDL-0031/", "./../../"), ("/events", "./")]
    {
        let page = send(gateway.address, "GET", path, &browser, "").await;
        assert_eq!(page.status, 404, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(html.contains("Page not found") && html.contains(&format!("href=\"{home}\"")), "{html}");
        let head = send(gateway.address, "HEAD", path, &browser, "").await;
        assert_eq!((head.status.as_u16(), head.body.len()), (404, 0));
    }
    for (method, path, right) in [
        ("GET", "/events", "GET to /api/v1/oasis/events"),
        ("GET", "/api/v1/event", "GET to /api/v1/oasis/events"),
        ("GET", "/api/v1/devhub/events", "GET to /api/v1/oasis/events"),
        ("POST", "/events", "POST to /events/ingest"),
        ("POST", "/api/v1/devhub/events", "POST to /events/ingest"),
        ("GET", "/feed", "/api/v1/devhub/feed"),
    ] {
        let answer = send(gateway.address, method, path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (404, "not_found"), "{path}");
        let hint = answer.json()["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains(right), "{method} {path}: {hint}");
    }
    gateway.stop().await;
}
