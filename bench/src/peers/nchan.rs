//! Starts the peer Nchan: nginx with a publish-subscribe module. The configuration is tuned for this load:
//! one worker, messages in memory, and no access log. Subscribers use EventSource, and the publisher uses a
//! keep-alive connection.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::child::Process;
use crate::events::Event;
use crate::http::Head;
use crate::processes;
use crate::service::free_address;

pub(crate) const NAME: &str = "Nchan";
/// The path that subscribers request.
pub(crate) const PATH: &str = "/feed";
const PROGRAMS: [&str; 3] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const INSTALL: &str = "apt-get install nginx-light libnginx-mod-nchan";
const READY_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The maximum number of requests in flight when events are published as fast as possible.
const AT_ONCE: usize = 50;

/// A running nginx with Nchan.
pub(crate) struct Nchan {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

/// Publishes events over a keep-alive connection.
pub(crate) struct Publisher {
    stream: TcpStream,
    address: SocketAddr,
    received: Vec<u8>,
}

impl Nchan {
    /// Starts nginx in a new folder below `dir`. If the machine cannot run Nchan, the inner error gives the
    /// reason.
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Result<Self, String>> {
        let Some(program) = PROGRAMS.iter().find(|program| Path::new(program).is_file()) else {
            return Ok(Err(format!("nginx is not installed: run {INSTALL}")));
        };
        if !Path::new(MODULE).is_file() {
            return Ok(Err(format!("{MODULE} is not installed: run {INSTALL}")));
        }
        let address = free_address()?;
        let dir = dir.join(format!("nchan-{}", address.port()));
        fs::create_dir(&dir).with_context(|| format!("creating {}", dir.display()))?;
        let config = dir.join("nginx.conf");
        fs::write(&config, configuration(&dir, address))?;
        let log = dir.join("error.log");
        let mut command = Command::new(program);
        command.arg("-p").arg(&dir).arg("-c").arg(&config).arg("-e").arg(&log);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut nchan = Self { process: Process::start(NAME, &mut command)?, address, log };
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            nchan.process.alive().with_context(|| nchan.log_lines().join("; "))?;
            ensure!(Instant::now() < deadline, "Nchan is not ready after {} s", READY_WITHIN.as_secs());
            sleep(POLL).await;
        }
        Ok(Ok(nchan))
    }

    pub(crate) async fn publisher(&self) -> anyhow::Result<Publisher> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Publisher { stream, address: self.address, received: Vec::new() })
    }

    /// The memory of the worker, in KiB.
    pub(crate) fn worker_kib(&self) -> anyhow::Result<f64> {
        let workers = processes::children(self.process.pid());
        let [worker] = workers[..] else { bail!("Nchan should have one worker, but has {}", workers.len()) };
        processes::kib(worker, "VmRSS")
    }

    /// The first five lines of nginx's error log.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(|line| format!("{NAME} logged: {line}")).take(5).collect()
    }
}

impl Publisher {
    pub(crate) async fn send(&mut self, events: &[Event]) -> anyhow::Result<()> {
        for batch in events.chunks(AT_ONCE) {
            let requests: String = batch.iter().map(|event| self.request(event)).collect();
            self.stream.write_all(requests.as_bytes()).await?;
            timeout(ANSWER_WITHIN, self.answers(batch.len()))
                .await
                .context("Nchan did not answer in time")??;
        }
        Ok(())
    }

    fn request(&self, event: &Event) -> String {
        let (address, body) = (self.address, event.json());
        format!(
            "POST /publish HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn answers(&mut self, mut count: usize) -> anyhow::Result<()> {
        while count > 0 {
            if let Some(head) = Head::parse(&self.received)? {
                ensure!(matches!(head.status, 200..=202), "Nchan answered {}", head.status);
                let length = head.length + head.content_length.context("the answer has no Content-Length")?;
                if self.received.len() >= length {
                    self.received.drain(..length);
                    count -= 1;
                    continue;
                }
            }
            ensure!(self.stream.read_buf(&mut self.received).await? > 0, "Nchan closed the connection");
        }
        Ok(())
    }
}

fn configuration(dir: &Path, address: SocketAddr) -> String {
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {}/{name};\n", dir.display()))
        .concat();
    format!(
        "load_module {MODULE};\n\
         daemon off;\n\
         worker_processes 1;\n\
         worker_rlimit_nofile 20000;\n\
         error_log {dir}/error.log warn;\n\
         pid {dir}/pid;\n\
         events {{\n    use epoll;\n    worker_connections 19000;\n}}\n\
         http {{\n{temp}\
         \x20   access_log off;\n\
         \x20   tcp_nodelay on;\n\
         \x20   keepalive_timeout 1h;\n\
         \x20   keepalive_requests 100000000;\n\
         \x20   nchan_shared_memory_size 256m;\n\
         \x20   server {{\n\
         \x20       listen {address} backlog=4096;\n\
         \x20       location = /publish {{\n\
         \x20           nchan_publisher;\n\
         \x20           nchan_channel_id feed;\n\
         \x20           nchan_message_buffer_length 20000;\n\
         \x20           nchan_message_timeout 10m;\n\
         \x20       }}\n\
         \x20       location = {PATH} {{\n\
         \x20           nchan_subscriber eventsource;\n\
         \x20           nchan_channel_id feed;\n\
         \x20           nchan_subscriber_first_message newest;\n\
         \x20       }}\n\
         \x20   }}\n\
         }}\n",
        dir = dir.display()
    )
}
