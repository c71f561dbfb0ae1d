//! `helenus start`: one node in this process.

use std::{path::PathBuf, sync::Arc};

use sys::{Clock, RealClock, RealDisk, Rng, SharedRng, SledFacts, TcpNet, ThreadPool};

use super::{Exit, complain};
use crate::{
    config::{self, Layers, Origin, Settings},
    logging,
    start::{Node, Seams},
};

/// Blocking threads for cold reads, hints and the system log.
const BLOCKING_THREADS: usize = 8;

/// Threads of the engine's own: log syncs, flushes, compactions.
const JOB_THREADS: usize = 3;

/// `helenus start`; each flag lies over the setting of the same name.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Settings file; without it `helenus.toml`, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where this node keeps everything
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Nodes of another name are refused
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
    /// The address all doors listen on
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The host that peers and clients reach this node by
    #[arg(long, value_name = "HOST")]
    advertise: Option<String>,
    /// Where CQL clients reach this node
    #[arg(long, value_name = "HOST:PORT")]
    advertise_cql: Option<String>,
    /// Where the client crate reaches this node
    #[arg(long, value_name = "HOST:PORT")]
    advertise_client: Option<String>,
    /// Door for peers
    #[arg(long, value_name = "PORT")]
    peer_port: Option<String>,
    /// Door for the native protocol
    #[arg(long, value_name = "PORT")]
    cql_port: Option<String>,
    /// Door for the client crate and the shell
    #[arg(long, value_name = "PORT")]
    client_port: Option<String>,
    /// Health and metrics
    #[arg(long, value_name = "PORT")]
    http_port: Option<String>,
    /// The founders' peer doors, this node's included
    #[arg(long, value_name = "HOST:PORT,…")]
    seeds: Option<String>,
    /// Allow an address that is not loopback although there is no authentication yet
    #[arg(long)]
    insecure: bool,
    /// Data center
    #[arg(long, value_name = "NAME")]
    dc: Option<String>,
    /// Rack
    #[arg(long, value_name = "NAME")]
    rack: Option<String>,
    /// Tokens taken at founding
    #[arg(long, value_name = "N")]
    num_tokens: Option<String>,
    /// Memory budget, for example 1GiB
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Replace a dead node (not there yet)
    #[arg(long, value_name = "HOST_ID")]
    replace: Option<String>,
    /// Logs: error, warn, info, debug, trace or a filter
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Written once the node serves, with its addresses
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

impl Args {
    fn lay_flags(&self, layers: &mut Layers) -> Result<(), config::Error> {
        let flags = [
            ("data_dir", &self.data_dir),
            ("cluster_name", &self.cluster_name),
            ("listen", &self.listen),
            ("advertise", &self.advertise),
            ("advertise_cql", &self.advertise_cql),
            ("advertise_client", &self.advertise_client),
            ("peer_port", &self.peer_port),
            ("cql_port", &self.cql_port),
            ("client_port", &self.client_port),
            ("http_port", &self.http_port),
            ("seeds", &self.seeds),
            ("dc", &self.dc),
            ("rack", &self.rack),
            ("num_tokens", &self.num_tokens),
            ("memory", &self.memory),
            ("log.level", &self.log_level),
        ];
        for (key, value) in flags {
            if let Some(text) = value {
                let name = format!("--{}", key.replace(['_', '.'], "-"));
                layers.set(key, text.clone(), Origin::Flag(name))?;
            }
        }
        if self.insecure {
            layers.set("insecure", "true".into(), Origin::Flag("--insecure".into()))?;
        }
        Ok(())
    }

    fn settings(&self) -> Result<Settings, config::Error> {
        let mut layers = Layers::default();
        let path = self.config.clone().unwrap_or_else(|| "helenus.toml".into());
        match read_file(&path) {
            Ok(text) => layers.lay_file(path, &text)?,
            Err(error) if self.config.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            }
            Err(error) => return Err(config::Error::File { path, why: error.to_string() }),
        }
        layers.lay_environment(std::env::vars())?;
        self.lay_flags(&mut layers)?;
        Settings::new(layers, memory_auto())
    }
}

/// Runs one node until it is told to stop.
pub(super) fn run(args: Args) -> Exit {
    if args.replace.is_some() {
        let code = cql_lite::code::Code::NotSupported;
        complain(code, "--replace needs a cluster that nodes can join, which does not exist yet");
        return Exit::Usage;
    }
    let settings = match args.settings() {
        Ok(settings) => settings,
        Err(error) => {
            let code = match &error {
                config::Error::Unknown { .. } => cql_lite::code::Code::UnknownSetting,
                config::Error::Bad { .. } | config::Error::File { .. } => {
                    cql_lite::code::Code::BadSetting
                }
            };
            complain(code, error);
            return Exit::Usage;
        }
    };
    if let Err(why) = logging::init(&settings.log_level) {
        complain(cql_lite::code::Code::BadSetting, why);
        return Exit::Usage;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(cql_lite::code::Code::Internal, error);
            return Exit::Error;
        }
    };
    let exit = runtime.block_on(serve(settings, args.ready_file));
    // Blocking jobs that still run do not hold up the exit: what was acknowledged is on the disk.
    runtime.shutdown_background();
    exit
}

async fn serve(settings: Settings, ready_file: Option<PathBuf>) -> Exit {
    let node = match Node::start(settings, real_seams()).await {
        Ok(node) => node,
        Err(error) => {
            complain(error.code(), error);
            return Exit::Error;
        }
    };
    let stop = async {
        tokio::select! {
            biased;
            () = interrupted() => Exit::Done,
            why = node.failed() => {
                complain(why.code(), why);
                Exit::Error
            }
        }
    };
    let ready = async {
        node.serving().await;
        if let Some(path) = &ready_file
            && let Err(error) = node.write_ready_file(path)
        {
            tracing::error!(%error, "the ready file could not be written");
        }
        std::future::pending::<()>().await;
    };
    let exit = tokio::select! {
        biased;
        exit = stop => exit,
        () = ready => Exit::Done,
    };
    if exit == Exit::Done {
        tokio::select! {
            biased;
            () = interrupted() => tracing::warn!("stopped at once: the log is replayed at the next start"),
            drained = node.drain() => if let Err(why) = drained {
                tracing::error!(%why, "not drained: the log is replayed at the next start");
            },
        }
    }
    exit
}

/// Time, chance, disk, network and threads of this machine.
pub(super) fn real_seams() -> Seams {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
    let rng = SharedRng::new(Rng::from_os());
    sys::set_hash_seed(rng.next_u64());
    Seams {
        clock,
        rng,
        disk: Arc::new(RealDisk),
        net: Arc::new(TcpNet),
        blocking: Arc::new(ThreadPool::new(BLOCKING_THREADS)),
        jobs: Arc::new(ThreadPool::new(JOB_THREADS)),
        facts: Arc::new(|dir| Ok(Arc::new(SledFacts::open(dir)?))),
    }
}

/// Ctrl-C, or a polite request to stop.
async fn interrupted() {
    let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminated {
        Ok(mut terminated) => {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line reads its own settings file")]
fn read_file(path: &std::path::Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// A quarter of what the machine, or the cgroup this process is in, has; 1 GiB when neither says.
fn memory_auto() -> u64 {
    let machine = read_file("/proc/meminfo".as_ref()).ok().and_then(|text| {
        let line = text.lines().find(|it| it.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    });
    let cgroup = read_file("/sys/fs/cgroup/memory.max".as_ref())
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let all = [machine, cgroup].into_iter().flatten().min().unwrap_or(4 << 30);
    (all / 4).max(64 << 20)
}
