//! Orders, the names of sockets, and which of them are taken away.

use std::os::unix::net::UnixListener as Listener;

use super::*;

#[test]
fn orders_are_read_as_they_are_written() {
    let vtid = Vtid::parse("dev-cicdl-0031").unwrap();
    for order in [Order::Do(Some(vtid)), Order::Do(None), Order::Status] {
        assert_eq!(Order::parse(&order.line()), Ok(order));
    }
    for bad in ["", "set-vtid", "set-vtid DEV", "set-vtid DEV-CICDL-0031 x", "idle now", "stop", "\0"] {
        assert!(Order::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_become_files() {
    assert_eq!(file_name("../etc/passwd"), "___etc_passwd");
    assert_eq!(file_name(&"ä".repeat(100)).len(), 40);
}

/// Connecting to a file that is no socket is refused as well.
#[tokio::test]
async fn only_sockets_are_taken_for_left_over() {
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
    // The file of a socket outlives its listener.
    let left = home.path().join("left");
    drop(Listener::bind(&left).unwrap());
    let socket = Socket::bind(left.clone()).await.unwrap();
    let taken = Socket::bind(left.clone()).await.unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    drop(socket);
    assert!(!left.exists());
}

/// Runs that start at the same moment leave each other's sockets alone, also before they listen.
#[tokio::test]
async fn the_sockets_of_those_that_were_killed_are_swept_away() {
    let home = tempfile::tempdir().unwrap();
    let left = |name: &str| drop(Listener::bind(home.path().join(name)).unwrap());
    left("planner.0af.sock");
    left("planner.0b0.bind");
    left("another-programs");
    std::fs::write(home.path().join("notes.1.sock"), "mine").unwrap();
    let live = Socket::usual(home.path(), "planner").await.unwrap();
    assert_eq!(find(home.path(), None).await.unwrap(), live.path());
    let mut names: Vec<String> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !live.path().ends_with(name))
        .collect();
    names.sort();
    assert_eq!(names, ["another-programs", "notes.1.sock", "planner.0b0.bind"]);
}

/// An agent that is stopped takes no connections, and one day no more can wait: that holds nobody else.
#[tokio::test]
async fn one_that_takes_no_more_connections_holds_nobody() {
    let home = tempfile::tempdir().unwrap();
    let stopped = home.path().join("stopped.1.sock");
    let _listener = Listener::bind(&stopped).unwrap();
    let full = async {
        while UnixStream::connect(&stopped).await.is_ok() {}
        let socket = Socket::usual(home.path(), "planner").await.unwrap();
        assert!(stopped.exists());
        assert_eq!(find(home.path(), Some("planner")).await.unwrap(), socket.path());
        assert_eq!(find(home.path(), Some("stopped")).await.unwrap(), stopped);
        assert!(ask(&stopped, &Order::Status).await.unwrap_err().to_string().contains("is it running?"));
    };
    timeout(WITHIN, full).await.unwrap();
}
