//! Scripts about what is noted of a request, over scripted replicas on a stopped clock; and the
//! limits.

use std::{error::Error, fmt::Write as _, path::Path};

use model::{Consistency, read::Target};
use sys::ManualClock;
use test_each_file::test_each_path;
use tokio::runtime::Runtime;

use super::*;
use crate::fakes::{Deed, World, command, host, insert, key};

test_each_path! { in "node/coordinator/goldens/trace" as golden => run }

fn run(path: &Path) {
    goldenscript::run(&mut Runner::new(), path).expect("golden");
}

/// A cluster of three nodes that all have everything.
struct Runner {
    runtime: Runtime,
    world: World,
}

#[derive(goldenscript::Command)]
enum Command {
    /// A replica has a row, written at this timestamp: `put 1 5`.
    Put(u32, i64),
    /// A replica is known to be down: `kill 3`.
    Kill(u32),
    /// A replica never answers its next call: `hang 2`.
    Hang(u32),
    /// A replica refuses its next call: `refuse 2`.
    Refuse(u32),
    /// Reads the row: `read QUORUM`.
    Read(String),
    /// Writes the row: `write QUORUM`.
    Write(String),
}

impl Runner {
    fn new() -> Runner {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
        let world = {
            let _inside = runtime.enter();
            World::new(3, 3)
        };
        Runner { runtime, world }
    }

    /// The steps of a request, then what each replica did.
    fn traced(&self, request: impl Future<Output = String>) -> Result<String, Box<dyn Error>> {
        let tracing = self.world.coordinator.traces().begin(7).ok_or("it is traced already")?;
        let outcome = self.runtime.block_on(request);
        let trace = tracing.finish();
        let mut out = String::new();
        let name = |it: HostId| format!("n{}", it.0.as_u128());
        for Noted { host, step, .. } in &trace.steps {
            let host = host.map(name).unwrap_or_default();
            let line = format!("{host:<2} {:<15} {}", step.name(), step.detail());
            writeln!(out, "{}", line.trim_end())?;
        }
        writeln!(out, "{outcome}")?;
        for Share { host, role, requests, failures, .. } in &trace.shares {
            let (host, role) = (name(*host), role.name());
            writeln!(out, "{host} {role}: {requests} asked, {failures} failed")?;
        }
        Ok(out)
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(
        &mut self,
        command_: &Command,
        _: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let level = |name: &str| Consistency::from_name(name).ok_or("no such level");
        match command_ {
            Command::Put(replica, timestamp) => {
                self.world.put(*replica, insert(0, 1, *timestamp));
            }
            Command::Kill(replica) => self.world.kill(*replica),
            Command::Hang(replica) => self.world.next(*replica, Deed::Hang),
            Command::Refuse(replica) => {
                let full = crate::replica::Error::Overloaded("too much to do".to_owned());
                self.world.next(*replica, Deed::Refuse(full));
            }
            Command::Read(name) => {
                let read = self.world.read(command(Target::One(key(0)), 10), level(name)?);
                return self.traced(async {
                    match read.await {
                        Ok(page) => format!("→ {} rows", page.rows),
                        Err(error) => format!("→ {error}"),
                    }
                });
            }
            Command::Write(name) => {
                let write = self.world.write(insert(0, 1, 9), level(name)?);
                return self.traced(async {
                    match write.await {
                        Ok(()) => "→ written".to_owned(),
                        Err(error) => format!("→ {error}"),
                    }
                });
            }
        }
        Ok(String::new())
    }
}

#[test]
fn what_nobody_asked_for_is_not_kept() {
    let traces = Traces::new(Arc::new(ManualClock::new(0)));
    let unasked = || panic!("nobody asked");
    traces.note(7, None, unasked);
    let seven = traces.begin(7).expect("there is room");
    traces.note(8, None, unasked);
    assert!(traces.report(8).is_none());
    assert!(traces.begin(7).is_none(), "it has one already");
    drop(seven);
    traces.note(7, None, unasked);
    let again = traces.begin(7).expect("it was forgotten");
    assert_eq!(again.finish(), Trace::default());
}

#[test]
fn steps_have_times_and_requests_their_own_steps() {
    let clock = Arc::new(ManualClock::new(0));
    let traces = Traces::new(clock.clone());
    clock.advance(Duration::from_secs(1));
    let (seven, eight) = (traces.begin(7).expect("room"), traces.begin(8).expect("room"));
    clock.advance(Duration::from_micros(5));
    traces.note(7, None, || Step::Parsed);
    clock.advance(Duration::from_micros(6));
    traces.note(8, Some(host(1)), || Step::Hinted);
    let (seven, eight) = (seven.finish(), eight.finish());
    let after = Duration::from_micros;
    assert_eq!(seven.steps, [Noted { after: after(5), host: None, step: Step::Parsed }]);
    assert_eq!(eight.steps, [Noted { after: after(11), host: Some(host(1)), step: Step::Hinted }]);
    assert_eq!((seven.took, eight.took), (after(11), after(11)));
}

#[test]
fn requests_and_steps_have_a_limit() {
    let traces = Traces::new(Arc::new(ManualClock::new(0)));
    let mut open: Vec<Tracing> =
        (1..=TRACES_MAX as u64).filter_map(|it| traces.begin(it)).collect();
    assert_eq!(open.len(), TRACES_MAX);
    assert!(traces.begin(1_000).is_none(), "no room");
    let work = Work { rows: 2, ..Work::default() };
    for _ in 0..STEPS_MAX {
        traces.note(1, Some(host(1)), || Step::Asked(Role::Data));
        traces.note(1, Some(host(1)), || Step::Answered(Role::Data, Ok(Some(work))));
    }
    let trace = open.remove(0).finish();
    assert_eq!((trace.steps.len(), trace.left_out), (STEPS_MAX, STEPS_MAX as u64));
    let all = STEPS_MAX as u64;
    let counted = trace.shares.iter().map(|it| (it.requests, it.work.rows)).collect::<Vec<_>>();
    assert_eq!(counted, [(all, 2 * all)], "what replicas did is counted all the same");
    assert!(traces.begin(1_000).is_some(), "there is room again");
}
