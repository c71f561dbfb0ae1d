//! `helenus start`: one node in this process.

use std::{path::PathBuf, sync::Arc};

use sys::{Clock, RealClock, RealDisk, Rng, SharedRng, SledFacts, TcpNet, ThreadPool};

use super::{Exit, complain, flags::Flags, machine};
use crate::{
    config::{self, Layers, Origin, Settings},
    logging,
    start::{Node, Seams},
};

/// Blocking threads for cold reads, hints and the system log.
const BLOCKING_THREADS: usize = 8;

/// Threads of the engine's own beside those for compactions: log syncs, flushes.
const JOB_THREADS: usize = 2;

/// `helenus start`; each flag lies over the setting of the same name.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Settings file; without it `helenus.toml`, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace a dead node (not there yet)
    #[arg(long, value_name = "HOST_ID")]
    replace: Option<String>,
    /// Written once the node serves, with its addresses
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
}

impl Args {
    fn settings(&self) -> Result<Settings, config::Error> {
        let mut layers = Layers::default();
        let path = self.config.clone().unwrap_or_else(|| "helenus.toml".into());
        match machine::read_file(&path) {
            Ok(text) => layers.lay_file(path, &text)?,
            Err(error) if self.config.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            }
            Err(error) => return Err(config::Error::File { path, why: error.to_string() }),
        }
        layers.lay_environment(std::env::vars())?;
        for (key, text, flag) in &self.flags.given {
            layers.set(key, text.clone(), Origin::Flag(flag.clone()))?;
        }
        Settings::new(layers, machine::memory().budget())
    }
}

/// Runs one node until it is told to stop.
pub(super) fn run(args: Args) -> Exit {
    if args.replace.is_some() {
        let code = cql_lite::code::Code::NotSupported;
        complain(code, "--replace needs a cluster that nodes can join, which does not exist yet");
        return Exit::Usage;
    }
    let mut settings = match args.settings() {
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
    let files = match machine::raise_files(settings.files_max) {
        Ok(files) => files,
        Err(why) => {
            complain(cql_lite::code::Code::BadSetting, why);
            return Exit::Error;
        }
    };
    if let Err(error) = settings.fit_files(files.limit) {
        complain(cql_lite::code::Code::BadSetting, error);
        return Exit::Usage;
    }
    settings.fit_processors(sys::threads::processors().get());
    tell_machine(&settings, &files);
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

/// What the machine gives this node, and what was chosen for it: the first lines of the log.
fn tell_machine(settings: &Settings, files: &machine::Files) {
    let memory = machine::memory();
    let budget = settings.layers.iter().find(|(key, _)| *key == "memory");
    let chosen_by = match budget {
        Some((_, value)) if value.text.trim() != "auto" => value.origin.to_string(),
        Some(_) | None => format!("a quarter of what {} has", memory.source),
    };
    tracing::info!(
        memory = settings.memory,
        memory_from = chosen_by,
        memory_allowed = memory.bytes,
        files = files.limit,
        connections = settings.connections(),
        compactions = settings.compactions(),
        data_dir = %settings.data_dir.display(),
        "resources"
    );
    if memory.bytes < settings.memory {
        let (memory, allowed) = (settings.memory, memory.bytes);
        tracing::warn!(memory, allowed, "`memory` is more than this process may have");
    }
    if let Some(warning) = &files.warning {
        tracing::warn!("{warning}");
    }
    for (key, value) in settings.layers.chosen() {
        tracing::info!(key, value = value.text, origin = %value.origin, "setting");
    }
}

async fn serve(settings: Settings, ready_file: Option<PathBuf>) -> Exit {
    let seams = real_seams(&settings);
    let node = match Node::start(settings, seams).await {
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
pub(super) fn real_seams(settings: &Settings) -> Seams {
    let clock: Arc<dyn Clock> = Arc::new(RealClock::new());
    let rng = SharedRng::new(Rng::from_os());
    sys::set_hash_seed(rng.next_u64());
    Seams {
        clock,
        rng,
        disk: Arc::new(RealDisk),
        net: Arc::new(TcpNet),
        blocking: Arc::new(ThreadPool::new(BLOCKING_THREADS)),
        jobs: Arc::new(ThreadPool::new(JOB_THREADS + settings.compactions().get())),
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
