//! `helenus demo`: a whole cluster in this process, sample data, a shell.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use client::Session;
use futures_util::{FutureExt, future::BoxFuture};
use shell::{ExtraCommand, Face, Shell, Work};
use tokio::sync::Mutex;

use super::{
    Exit, complain,
    fleet::{self, Fleet},
    load,
    sample::Sample,
};
use crate::logging;

/// Copies that the sample data has at most.
const COPIES_MAX: usize = 3;

/// `helenus demo`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,
    #[command(flatten)]
    work: Work,
    #[command(flatten)]
    face: Face,
    /// Sample data to load first
    #[arg(long, value_enum)]
    data: Option<Sample>,
    /// Keep everything in this folder, and go on with it the next time
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Written once the cluster serves, with the client addresses
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// Logs: error, warn, info, debug, trace or a filter
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    log_level: String,
}

/// Runs the demo; the exit code to end with.
pub(super) fn run(args: Args) -> i32 {
    if let Err(why) = logging::init(&args.log_level) {
        complain(cql_lite::code::Code::BadSetting, why);
        return Exit::Usage as i32;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(cql_lite::code::Code::Internal, error);
            return Exit::Error as i32;
        }
    };
    let code = runtime.block_on(demo(args));
    runtime.shutdown_background();
    code
}

async fn demo(args: Args) -> i32 {
    // Removed when dropped, at the end of the demo.
    let scratch = match tempfile::Builder::new().prefix("helenus-demo-").tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            complain(cql_lite::code::Code::Internal, error);
            return Exit::Error as i32;
        }
    };
    let dir = args.keep.clone().unwrap_or_else(|| scratch.path().to_path_buf());
    let fleet = match Fleet::start(usize::from(args.nodes), &dir, &args.log_level).await {
        Ok(fleet) => Arc::new(Mutex::new(fleet)),
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Error as i32;
        }
    };
    let code = match use_fleet(&args, &fleet).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error[{}]: {error}", error.code());
            Exit::Error as i32
        }
    };
    if let Ok(fleet) = Arc::try_unwrap(fleet) {
        fleet.into_inner().stop(args.keep.is_some()).await;
    }
    code
}

async fn use_fleet(args: &Args, fleet: &Arc<Mutex<Fleet>>) -> Result<i32, client::Error> {
    let contacts = fleet.lock().await.contacts();
    if let Some(path) = &args.ready_file {
        write_ready_file(path, &contacts);
    }
    let mut builder = Session::builder();
    for contact in &contacts {
        builder = builder.known_node(contact);
    }
    let session = builder.build().await?;
    if let Some(data) = args.data {
        load::load(&session, data, contacts.len().min(COPIES_MAX)).await?;
    }
    if args.work.is_empty() {
        eprintln!("{}", fleet.lock().await.list());
        match &args.keep {
            Some(dir) => eprintln!("Data stays in {}.", dir.display()),
            None => eprintln!("Data is destroyed on exit; --keep DIR keeps it."),
        }
        eprintln!("Try \\demo ls, \\demo kill 2, \\demo restart 2, HELP.");
    }
    let command = Demo { fleet: Arc::clone(fleet) };
    let mut shell = Shell::new(session, vec![Box::new(command)]).with_face(&args.face);
    Ok(i32::from(shell.run(&args.work).await))
}

fn write_ready_file(path: &Path, contacts: &[String]) {
    let text = format!("client={}\n", contacts.join(","));
    if let Err(error) = sys::disk::write_atomically(&sys::RealDisk, path, text.as_bytes()) {
        eprintln!("warning: {}: {error}", path.display());
    }
}

/// `\demo ls | kill N | restart N`
struct Demo {
    fleet: Arc<Mutex<Fleet>>,
}

impl ExtraCommand for Demo {
    fn name(&self) -> &str {
        "demo"
    }

    fn help(&self) -> &str {
        "ls | kill N | restart N: the nodes of this demo"
    }

    fn run<'a>(&'a mut self, arguments: &'a [String]) -> BoxFuture<'a, Result<String, String>> {
        async move {
            let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut fleet = self.fleet.lock().await;
            match words.as_slice() {
                [] | ["ls"] => Ok(fleet.list()),
                ["kill", number] => {
                    fleet.kill(parse(number)?).await.map_err(|it| it.to_string())?;
                    Ok(format!("node {number} is dead, as after kill -9"))
                }
                ["restart", number] => {
                    let number = parse(number)?;
                    fleet.restart(number).await.map_err(|it: fleet::Error| it.to_string())?;
                    Ok(format!("node {number} serves again"))
                }
                _ => Err("usage: \\demo ls | kill N | restart N".into()),
            }
        }
        .boxed()
    }
}

fn parse(number: &str) -> Result<usize, String> {
    number.parse().map_err(|_| format!("`{number}` is no number of a node"))
}
