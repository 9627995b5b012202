//! The floor: a process that does one `write(2)` per event and client in a bare loop, and nothing else. If a
//! server needs more processor time than the floor, the difference is the cost of the server's other work. A
//! server that needs less processor time than the floor saves time by writing several events at once.
//!
//! The floor is this program, started with a hidden argument. It accepts clients on one port and a publisher
//! on another port. The publisher sends the length of each frame, and then the frame. While a publisher is
//! connected, the floor accepts no more clients. When the publisher disconnects, the floor closes all
//! clients. After that, new clients may connect.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::io::AsyncWriteExt;

use crate::child::Process;
use crate::events::Event;

pub(crate) const NAME: &str = "floor";
/// The hidden argument that starts this program as the floor.
const ARGUMENT: &str = "--floor";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
    Connection: close\r\n\r\n: hi\n\n";
/// The maximum length of a request or a frame, in bytes.
const MAX: usize = 16 << 10;

/// A running floor.
pub(crate) struct Floor {
    pub(crate) process: Process,
    pub(crate) clients: SocketAddr,
    publishers: SocketAddr,
    stdout: BufReader<ChildStdout>,
    // The floor ends when this pipe is closed. The kernel closes the pipe even if the bench is killed.
    _stdin: ChildStdin,
}

/// Sends frames to the floor, which writes each frame to all clients.
pub(crate) struct Publisher {
    stream: tokio::net::TcpStream,
    buffer: Vec<u8>,
}

impl Floor {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding the path of this program")?;
        let mut command = Command::new(program);
        command.arg(ARGUMENT).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::start(NAME, &mut command)?;
        let (stdin, stdout) = process.pipes();
        let stdin = stdin.context("the floor's process has no standard input")?;
        let mut stdout = BufReader::new(stdout.context("the floor's process has no standard output")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let (clients, publishers) = line.trim_end().split_once(' ').context("the floor printed no ports")?;
        let (clients, publishers) = (clients.parse()?, publishers.parse()?);
        Ok(Self { process, clients, publishers, stdout, _stdin: stdin })
    }

    pub(crate) async fn publisher(&self) -> anyhow::Result<Publisher> {
        let stream = tokio::net::TcpStream::connect(self.publishers).await?;
        stream.set_nodelay(true)?;
        Ok(Publisher { stream, buffer: Vec::new() })
    }

    /// The number of writes that had to wait for buffer space while the last publisher was connected.
    pub(crate) fn waited(&mut self) -> anyhow::Result<u64> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        line.trim_end().parse().with_context(|| format!("the floor printed {line:?} instead of a number"))
    }
}

impl Publisher {
    pub(crate) async fn send(&mut self, event: &Event) -> anyhow::Result<()> {
        let frame = format!("id: {}\ndata: {}\n\n", event.number, event.json());
        self.buffer.clear();
        self.buffer.extend_from_slice(&u32::try_from(frame.len())?.to_be_bytes());
        self.buffer.extend_from_slice(frame.as_bytes());
        Ok(self.stream.write_all(&self.buffer).await?)
    }
}

/// Runs the floor until standard input ends.
pub(crate) fn serve() -> anyhow::Result<()> {
    let clients = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let publishers = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{} {}", clients.local_addr()?, publishers.local_addr()?)?;
    let mut crowd = Vec::new();
    let stdin = std::io::stdin();
    loop {
        let mut sources =
            [&clients, &publishers].map(|listener| PollFd::new(listener, PollFlags::IN)).to_vec();
        sources.push(PollFd::new(&stdin, PollFlags::IN));
        poll(&mut sources, None)?;
        let ready: Vec<bool> = sources.iter().map(|source| !source.revents().is_empty()).collect();
        if ready[2] {
            return Ok(());
        }
        if ready[0] {
            crowd.push(greet(clients.accept()?.0)?);
        } else if ready[1] {
            let waited = deliver(publishers.accept()?.0, &crowd)?;
            crowd.clear();
            writeln!(stdout, "{waited}")?;
        }
    }
}

fn greet(mut client: TcpStream) -> anyhow::Result<TcpStream> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 1_024];
        let length = client.read(&mut piece)?;
        ensure!(length > 0 && request.len() < MAX, "a client sent no complete request");
        request.extend_from_slice(&piece[..length]);
    }
    client.write_all(HEAD)?;
    client.set_nodelay(true)?;
    client.set_nonblocking(true)?;
    Ok(client)
}

/// The bare loop: writes each frame to each client. Returns how many writes had to wait for buffer space.
fn deliver(mut publisher: TcpStream, clients: &[TcpStream]) -> anyhow::Result<u64> {
    let mut frame = [0; MAX];
    let mut waited = 0;
    loop {
        let mut length = [0; 4];
        match publisher.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(waited),
            Err(error) => return Err(error.into()),
        }
        let length = u32::from_be_bytes(length) as usize;
        ensure!(length <= MAX, "a frame of {length} bytes is too long");
        publisher.read_exact(&mut frame[..length])?;
        for mut client in clients {
            let mut rest = &frame[..length];
            while !rest.is_empty() {
                match client.write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        waited += 1;
                        poll(&mut [PollFd::new(client, PollFlags::OUT)], None)?;
                    }
                    Err(error) => return Err(error).context("writing to a client"),
                }
            }
        }
    }
}
