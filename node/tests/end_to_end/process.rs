//! Processes: started, watched, killed, and never left behind.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use client::Session;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// How long anything may take that should take no time: the machine may be busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// Three nodes under load want the machine for themselves.
static MACHINE: Mutex<()> = Mutex::const_new(());

pub(crate) async fn whole_machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

/// Waits until `look` finds something, and says how long that took. Fails at `deadline`.
pub(crate) async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, begin.elapsed());
        }
        assert!(begin.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// The program under test.
fn program() -> PathBuf {
    std::env::var_os("HELENUS_BIN").map_or(env!("CARGO_BIN_EXE_helenus").into(), PathBuf::from)
}

/// The program with its arguments, in a folder where no settings lie about.
pub(crate) fn helenus(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(args).current_dir(folder).stdin(Stdio::null());
    forget_settings(&mut command);
    command
}

/// What is told to this test is no setting of a node.
pub(crate) fn forget_settings(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELENUS_")) {
        command.env_remove(name);
    }
}

/// Runs the program to its end.
pub(crate) async fn run(folder: &Path, args: &[&str]) -> Output {
    finish(helenus(folder, args)).await
}

/// Runs a command to its end. What it prints must fit into a pipe.
pub(crate) async fn finish(mut command: Command) -> Output {
    let what = format!("{command:?} ends");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(Some(command.spawn().unwrap()));
    let ended = || running.0.as_mut().unwrap().try_wait().unwrap();
    eventually(&what, 2 * SOON, ended).await;
    running.0.take().unwrap().wait_with_output().unwrap()
}

/// A process that does not outlive whoever waits for it.
pub(crate) struct Running(Option<Child>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut process) = self.0.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// Ports that nobody listens on. Not those that the system gives to outgoing connections: a node
/// that is down must not find its port taken when it comes back, nor a peer that looks for it
/// connect to itself.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    free_ports_at(&["127.0.0.1"])
}

/// Ports that nobody listens on at any of these addresses.
fn free_ports_at<const N: usize>(addresses: &[&str]) -> [u16; N] {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other test processes on this machine begin elsewhere.
    let base = (std::process::id() % u32::from(COUNT)) as u16;
    std::array::from_fn(|_| {
        let candidates = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
        let mut candidates = candidates.take(COUNT.into()).map(|it| FIRST + (base + it) % COUNT);
        let is_free = |port: &u16| {
            addresses.iter().all(|address| TcpListener::bind((*address, *port)).is_ok())
        };
        candidates.find(is_free).unwrap()
    })
}

/// What a node's HTTP door answers, head and body.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Where nodes listen that are to be reached at one port.
const ADDRESSES: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/// A node with its folder, killed when it goes.
pub(crate) struct Node {
    folder: PathBuf,
    address: &'static str,
    peer: u16,
    client: u16,
    pub(crate) http: u16,
    cql: u16,
    cluster_name: String,
    seeds: String,
    memory: &'static str,
    process: Running,
}

impl Node {
    /// One that would found a cluster of itself alone.
    pub(crate) fn new(folder: PathBuf) -> Node {
        fs::create_dir_all(&folder).unwrap();
        let [peer, client, http, cql] = free_ports();
        let cluster_name = "end-to-end".to_owned();
        Node {
            folder,
            address: ADDRESSES[0],
            peer,
            client,
            http,
            cql,
            cluster_name,
            seeds: String::new(),
            memory: "128MiB",
            process: Running(None),
        }
    }

    pub(crate) fn with_seeds(mut self, seeds: &[String]) -> Node {
        self.seeds = seeds.join(",");
        self
    }

    pub(crate) fn with_memory(mut self, memory: &'static str) -> Node {
        self.memory = memory;
        self
    }

    pub(crate) fn with_cluster_name(mut self, name: &str) -> Node {
        self.cluster_name = name.to_owned();
        self
    }

    pub(crate) fn with_client_port(mut self, port: u16) -> Node {
        self.client = port;
        self
    }

    pub(crate) fn peer_address(&self) -> String {
        format!("{}:{}", self.address, self.peer)
    }

    pub(crate) fn client_address(&self) -> String {
        format!("{}:{}", self.address, self.client)
    }

    pub(crate) fn cql_address(&self) -> String {
        format!("{}:{}", self.address, self.cql)
    }

    pub(crate) fn peer_port(&self) -> u16 {
        self.peer
    }

    pub(crate) fn client_port(&self) -> u16 {
        self.client
    }

    pub(crate) fn cql_port(&self) -> u16 {
        self.cql
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(crate) fn ready_file(&self) -> PathBuf {
        self.folder.join("ready")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The command that runs it, with its data in `data_dir`.
    pub(crate) fn command(&self, data_dir: &Path) -> Command {
        let ports = [self.peer, self.client, self.http, self.cql].map(|it| it.to_string());
        let mut args = vec!["start", "--memory", self.memory, "--cluster-name", &self.cluster_name];
        args.extend(["--listen", self.address]);
        args.extend([
            "--peer-port",
            &ports[0],
            "--client-port",
            &ports[1],
            "--http-port",
            &ports[2],
            "--cql-port",
            &ports[3],
        ]);
        if !self.seeds.is_empty() {
            args.extend(["--seeds", &self.seeds]);
        }
        let mut command = helenus(&self.folder, &args);
        command.arg("--data-dir").arg(data_dir).arg("--ready-file").arg(self.ready_file());
        command
    }

    /// Starts the process, with its log behind what it logged before.
    pub(crate) fn start(&mut self) {
        assert!(self.process.0.is_none(), "it runs already");
        drop(fs::remove_file(self.ready_file()));
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = self.command(&self.data_dir());
        self.process = Running(Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap()));
    }

    /// Waits until it serves, and says how long that took. Fails with its log.
    pub(crate) async fn ready(&mut self) -> Duration {
        let begin = Instant::now();
        while !self.ready_file().exists() {
            let ended = self.process.0.as_mut().unwrap().try_wait().unwrap();
            let patient = ended.is_none() && begin.elapsed() < SOON;
            assert!(patient, "not ready, ended: {ended:?}, log:\n{}", self.log());
            tokio::time::sleep(LOOK).await;
        }
        begin.elapsed()
    }

    /// A session at its client door alone.
    pub(crate) async fn session(&self) -> Session {
        Session::builder().known_node(self.client_address()).build().await.unwrap()
    }

    /// Everything that it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The last line of its log that says `message`.
    pub(crate) fn logged(&self, message: &str) -> Value {
        let log = self.log();
        let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = lines.into_iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("nothing says `{message}`:\n{log}"))
    }

    /// A line of `/proc/PID/status` that counts kB, in bytes: `VmRSS` is memory in use, `VmHWM` the most that ever was.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|it| it.starts_with(name)).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes << 10
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.as_ref().unwrap().id()
    }

    /// Sends its process a signal.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Runs an operator's command at this node to its end.
    pub(crate) async fn operate(&self, command: &str) -> Output {
        run(&self.folder, &[command, "--node", &self.client_address()]).await
    }

    /// `kill -9`, without waiting for the end.
    pub(crate) fn kill(&mut self) {
        self.process.0.as_mut().unwrap().kill().unwrap();
    }

    /// Waits until a killed process is gone, with all its sockets.
    pub(crate) fn gone(&mut self) {
        self.process.0.take().unwrap().wait().unwrap();
    }

    /// The polite request to stop, and what it ended with.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.0.take().unwrap();
        let kill = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let ended = || process.try_wait().unwrap();
        eventually("the node ends when asked to", SOON, ended).await.0
    }

    /// Begins an operator's command at this node, and does not wait for it.
    pub(crate) fn begin(&self, command: &str) -> Running {
        let mut command = helenus(&self.folder, &[command, "--node", &self.client_address()]);
        Running(Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()))
    }

    /// `helenus status` as this node sees it.
    pub(crate) async fn status(&self) -> Value {
        let node = self.client_address();
        let output = run(&self.folder, &["status", "--node", &node, "--format", "json"]).await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What this node says of the member at `peer`.
    pub(crate) async fn status_of(&self, peer: &str) -> Value {
        let status = self.status().await;
        let nodes = status["nodes"].as_array().unwrap();
        nodes.iter().find(|it| it["address"] == peer).unwrap().clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- log of {}:\n{}", self.peer_address(), tail.join("\n"));
        }
    }
}

/// Three founders.
pub(crate) struct Cluster {
    pub(crate) nodes: [Node; 3],
    _folder: TempDir,
}

impl Cluster {
    /// Starts them and waits until all serve.
    pub(crate) async fn start() -> Cluster {
        Cluster::found(|node| node).await
    }

    /// The same, all with one port for drivers, at an address each.
    pub(crate) async fn start_at_one_port() -> Cluster {
        let [cql] = free_ports_at(&ADDRESSES);
        let mut addresses = ADDRESSES.into_iter();
        let mut next = || addresses.next().unwrap();
        let at = |mut node: Node| {
            (node.address, node.cql) = (next(), cql);
            node
        };
        Cluster::found(at).await
    }

    async fn found(with: impl FnMut(Node) -> Node) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let nodes = [1, 2, 3].map(|it| Node::new(folder.path().join(format!("node{it}"))));
        let nodes = nodes.map(with);
        let seeds = nodes.each_ref().map(Node::peer_address);
        let nodes = nodes.map(|it| it.with_seeds(&seeds));
        let mut cluster = Cluster { nodes, _folder: folder };
        cluster.start_all().await;
        cluster
    }

    /// Starts all and waits until they serve; the longest that one took.
    pub(crate) async fn start_all(&mut self) -> Duration {
        let begin = Instant::now();
        self.nodes.iter_mut().for_each(Node::start);
        for node in &mut self.nodes {
            node.ready().await;
        }
        begin.elapsed()
    }

    /// A session that knows all nodes.
    pub(crate) async fn session(&self) -> Session {
        let contacts = self.nodes.iter().map(Node::client_address);
        let builder = contacts.fold(Session::builder(), |it, node| it.known_node(node));
        builder.build().await.unwrap()
    }
}
