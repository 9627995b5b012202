//! Tests of requests, of the names of sockets, and of the removal of stale sockets.

use std::os::unix::net::UnixListener as Listener;

use super::*;

#[test]
fn parsing_a_written_request_gives_the_same_request() {
    let vtid = Vtid::parse("dev-cicdl-0031").unwrap();
    for request in [Request::SetVtid(Some(vtid)), Request::SetVtid(None), Request::Status] {
        assert_eq!(Request::parse(&request.line()), Ok(request));
    }
    for bad in ["", "set-vtid", "set-vtid DEV", "set-vtid DEV-CICDL-0031 x", "idle now", "stop", "\0"] {
        assert!(Request::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn agent_names_become_file_names() {
    assert_eq!(file_name("../etc/passwd"), "___etc_passwd");
    assert_eq!(file_name(&"ä".repeat(100)).len(), 40);
}

/// Connecting to a regular file is refused as well, but the file must not be removed.
#[tokio::test]
async fn only_sockets_count_as_stale() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("notes");
    std::fs::write(&file, "mine").unwrap();
    let link = home.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    for path in [&file, &link] {
        let refused = Socket::bind(path.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read(path).unwrap(), b"mine");
    }
    // The file of a socket remains after the listener is closed.
    let stale = home.path().join("stale");
    drop(Listener::bind(&stale).unwrap());
    let socket = Socket::bind(stale.clone()).await.unwrap();
    let taken = Socket::bind(stale.clone()).await.unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    drop(socket);
    assert!(!stale.exists());
}

/// The socket of a run that starts at the same moment is kept, even if that run does not listen yet.
#[tokio::test]
async fn sockets_of_killed_agents_are_removed() {
    let home = tempfile::tempdir().unwrap();
    let leave = |name: &str| drop(Listener::bind(home.path().join(name)).unwrap());
    leave("planner.0af.sock");
    leave("planner.0b0.bind");
    leave("another-programs");
    std::fs::write(home.path().join("notes.1.sock"), "mine").unwrap();
    let live = Socket::bind_in(home.path(), "planner").await.unwrap();
    assert_eq!(find(home.path(), None).await.unwrap(), live.path());
    let mut names: Vec<String> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !live.path().ends_with(name))
        .collect();
    names.sort();
    assert_eq!(names, ["another-programs", "notes.1.sock", "planner.0b0.bind"]);
}

/// A suspended agent (SIGSTOP) accepts no connections, so the queue of its socket fills up.
#[tokio::test]
async fn an_agent_that_accepts_no_connections_does_not_block_other_agents() {
    let home = tempfile::tempdir().unwrap();
    let stopped = home.path().join("stopped.1.sock");
    let _listener = Listener::bind(&stopped).unwrap();
    let full = async {
        while UnixStream::connect(&stopped).await.is_ok() {}
        let socket = Socket::bind_in(home.path(), "planner").await.unwrap();
        assert!(stopped.exists());
        assert_eq!(find(home.path(), Some("planner")).await.unwrap(), socket.path());
        assert_eq!(find(home.path(), Some("stopped")).await.unwrap(), stopped);
        assert!(ask(&stopped, &Request::Status).await.unwrap_err().to_string().contains("is it running?"));
    };
    timeout(ASK_TIMEOUT, full).await.unwrap();
}
