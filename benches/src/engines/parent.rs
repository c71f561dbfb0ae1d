//! Starting each phase of each engine in a process of its own, and gathering what they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::args::{Args, EngineName, Phase};
use super::measure::Measure;
use super::meter;
use super::phases::Event;
use super::store::{Failure, Found};

/// What one run of all phases found.
pub(super) struct Run {
    pub(super) rows: u64,
    pub(super) figures: BTreeMap<(Measure, EngineName), f64>,
    /// Load averages before and after.
    pub(super) load: (String, String),
}

/// Runs everything on `rows` rows.
pub(super) fn run(args: &Args, rows: u64) -> Result<Run, Failure> {
    let folder = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let before = meter::load_average();
    let mut figures = BTreeMap::new();
    let mut checks: BTreeMap<(Phase, Measure), (EngineName, Found)> = BTreeMap::new();
    for phase in phases(args) {
        for engine in engines(args) {
            if phase == Phase::Durable && engine != EngineName::Helenus {
                continue;
            }
            eprintln!("{rows} rows: {} {}", engine.name(), phase.name());
            let dir = folder.path().join(engine.name()).join(phase.needs().unwrap_or(phase).name());
            std::fs::create_dir_all(&dir)?;
            for event in child(args, rows, phase, engine, &dir)? {
                match event {
                    Event::Figure { measure, value } => {
                        figures.insert((measure, engine), value);
                    }
                    Event::Check { measure, rows, sum } => {
                        let found = Found { rows, sum };
                        let (other, expected) =
                            checks.entry((phase, measure)).or_insert((engine, found));
                        if *expected != found {
                            return Err(differ(measure, (*other, *expected), (engine, found)));
                        }
                    }
                    Event::Ready => {}
                }
            }
            if matches!(phase, Phase::Single | Phase::Recover | Phase::Durable) {
                std::fs::remove_dir_all(&dir)?;
            }
        }
    }
    Ok(Run { rows, figures, load: (before, meter::load_average()) })
}

fn differ(measure: Measure, a: (EngineName, Found), b: (EngineName, Found)) -> Failure {
    let tell = |(engine, found): (EngineName, Found)| format!("{}: {found:?}", engine.name());
    format!("{}: the engines answer differently: {}, {}", measure.label(), tell(a), tell(b)).into()
}

/// What is asked for, and what that needs.
fn phases(args: &Args) -> BTreeSet<Phase> {
    if args.only.is_empty() {
        return Phase::ALL.into();
    }
    args.only.iter().flat_map(|it| [Some(*it), it.needs()]).flatten().collect()
}

/// The engines to measure.
pub(super) fn engines(args: &Args) -> Vec<EngineName> {
    if args.engines.is_empty() { EngineName::all() } else { args.engines.clone() }
}

/// Starts this program again for one phase. What it does not tell goes to the same terminal.
fn child(
    args: &Args,
    rows: u64,
    phase: Phase,
    engine: EngineName,
    dir: &Path,
) -> Result<Vec<Event>, Failure> {
    let workload = clap::ValueEnum::to_possible_value(&args.workload);
    let workload = workload.ok_or("a workload without a name")?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--data")
        .arg(dir)
        .args(["--phase", &phase.name(), "--engines", engine.name()])
        .args(["--workload", workload.get_name(), "--rows", &rows.to_string()])
        .args(["--seed", &args.seed.to_string(), "--cache", &args.cache.to_string()])
        .args(["--compression", args.compression.name(), "--ttl", &args.ttl.to_string()])
        .args(["--time", &args.time.as_secs_f64().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let mut events = Vec::new();
    let mut killed = false;
    for line in BufReader::new(stdout).lines() {
        let event = serde_json::from_str(&line?)?;
        if matches!(event, Event::Ready) {
            // SIGKILL: nothing of it gets to say goodbye.
            child.kill()?;
            killed = true;
        }
        events.push(event);
    }
    let status = child.wait()?;
    if status.success() || killed {
        return Ok(events);
    }
    Err(format!("{} {} ended with {status}", engine.name(), phase.name()).into())
}
