//! The processes that are measured.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Args, Failure};

/// How long a process may take to serve.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(20);

/// Processor time is counted in these, a second (`getconf CLK_TCK` on Linux).
const TICKS: f64 = 100.0;

/// A process that does not outlive this one.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// One node with an fdatasync for every acknowledgement, as by default.
pub(super) struct Node {
    process: Running,
    program: PathBuf,
    client: u16,
    /// Its door for CQL drivers.
    pub(super) cql: u16,
}

impl Node {
    /// Starts one with its data in `folder`, and waits until it serves.
    pub(super) async fn start(args: &Args, folder: &Path) -> Result<Node, Failure> {
        let program = match &args.helenus {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.with_file_name("helenus"),
        };
        let [peer, client, http, cql] = free_ports()?;
        let ready = folder.join("ready");
        let mut command = Command::new(&program);
        command.arg("start").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        command.arg("--data-dir").arg(folder.join("data")).arg("--ready-file").arg(&ready);
        command.args(["--memory", &args.memory]);
        if args.hostile.is_some() {
            // Room for all of them, and for those that behave.
            command.args(["--cql-connections-max", "11000"]);
        }
        let ports = [("peer", peer), ("client", client), ("http", http), ("cql", cql)];
        for (door, port) in ports {
            command.arg(format!("--{door}-port")).arg(port.to_string());
        }
        let log = fs::File::create(folder.join("log"))?;
        let started = command.stderr(log).spawn();
        let mut process = Running(started.map_err(|why| format!("{}: {why}", program.display()))?);
        let begin = Instant::now();
        while !ready.exists() {
            if process.0.try_wait()?.is_some() || START_TIMEOUT < begin.elapsed() {
                let log = fs::read_to_string(folder.join("log"))?;
                return Err(format!("the node does not serve:\n{log}").into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(Node { process, program, client, cql })
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Writes its memtables to sstables.
    pub(super) fn flush(&self) -> Result<(), Failure> {
        let node = format!("127.0.0.1:{}", self.client);
        let flushed = Command::new(&self.program).args(["flush", "--node", &node]).output()?;
        let told = String::from_utf8_lossy(&flushed.stderr);
        flushed.status.success().then_some(()).ok_or_else(|| format!("flush: {told}").into())
    }
}

/// This program, answering with a fixed size.
pub(super) struct Echo {
    process: Running,
    /// Where.
    pub(super) port: u16,
}

impl Echo {
    /// Starts one whose answers have bodies of so many bytes.
    pub(super) fn start(bytes: usize) -> Result<Echo, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--echo", &bytes.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Running(command.spawn()?);
        let stdout = process.0.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Echo { process, port: line.trim().parse()? })
    }

    /// The number of its process.
    pub(super) fn id(&self) -> u32 {
        self.process.0.id()
    }
}

/// Says to whoever started this process where it listens.
#[expect(clippy::print_stdout, reason = "that one reads it there")]
pub(super) fn tell_port(listener: &tokio::net::TcpListener) -> Result<(), Failure> {
    println!("{}", listener.local_addr()?.port());
    Ok(())
}

/// Processor time that a process has used, its own and the kernel's for it, seconds.
pub(super) fn cpu_seconds(process: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may have blanks in it; `utime` and `stime` are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || -> Result<f64, Failure> { Ok(fields.next().ok_or("no time")?.parse()?) };
    Ok((next()? + next()?) / TICKS)
}

/// Memory that a process has, bytes.
pub(super) fn resident_bytes(process: u32) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().ok_or("no number")?.parse()?;
    Ok(kib << 10)
}

/// Ports that nobody listens on.
fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    // Held until all are known, so that they differ.
    let listeners: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<u16> =
        listeners.iter().map(|it| it.local_addr().map(|it| it.port())).collect::<Result<_, _>>()?;
    ports.try_into().map_err(|_| "ports".into())
}
