//! Whole clusters under faults, each scenario over fresh seeds; and bugs planted on purpose, to see
//! whether anyone notices. README.md tells how to read a failure.

use sim_tests::run::{Report, Sabotage, run};
use sim_tests::scenario::{
    CLOCK_FAR_OFF, COUNTERS, CRASH_OF_EACH_NODE, DISK_THAT_REFUSES, LOST_RESPONSES,
    ONE_WAY_PARTITION, PARTITION_AND_HEAL, POWER_LOSS_OF_ALL, SCHEMA_IN_PARTITION, SLOW_DISK,
    Scenario,
};
use sim_tests::seeds;
use sim_tests::wire::Bug;

/// How many seeds of each scenario run twice: 24 in all.
const TWICE: usize = 4;

#[expect(clippy::print_stdout, reason = "the story of a failure, kept back while all is well")]
fn holds(scenario: &Scenario) -> Vec<Report> {
    start_logging();
    let seeds = seeds::of(scenario.name);
    println!("{}: {seeds:?}", scenario.name);
    let mut reports = Vec::new();
    let mut failed = Vec::new();
    // The last ones, which are fresh.
    let once = seeds.len().saturating_sub(TWICE);
    for (index, seed) in seeds.into_iter().enumerate() {
        let mut report = run(scenario, seed, &Sabotage::default());
        if once <= index {
            let again = run(scenario, seed, &Sabotage::default()).hash;
            if again != report.hash {
                let text = format!("it came to {:016x}, and again to {again:016x}", report.hash);
                report.wrong.push(text);
            }
        }
        if !report.wrong.is_empty() {
            println!("{}", report.story(scenario.name));
            failed.push(report.seed);
        }
        reports.push(report);
    }
    let commands: Vec<String> =
        failed.iter().map(|seed| seeds::command(scenario.name, *seed)).collect();
    assert!(
        failed.is_empty(),
        "{} of {} runs failed; repeat them one by one:\n{}",
        failed.len(),
        reports.len(),
        commands.join("\n")
    );
    reports
}

#[test]
fn partition_and_heal() {
    holds(&PARTITION_AND_HEAL);
}

#[test]
fn crash_of_each_node() {
    holds(&CRASH_OF_EACH_NODE);
}

#[test]
fn power_loss_of_all() {
    holds(&POWER_LOSS_OF_ALL);
}

#[test]
fn schema_in_partition() {
    holds(&SCHEMA_IN_PARTITION);
}

#[test]
fn one_way_partition() {
    holds(&ONE_WAY_PARTITION);
}

#[test]
fn lost_responses() {
    for report in holds(&LOST_RESPONSES) {
        assert!(0 < report.counts.lost, "seed {}: no message was lost", report.seed);
    }
}

#[test]
fn disk_that_refuses() {
    holds(&DISK_THAT_REFUSES);
}

#[test]
fn slow_disk() {
    holds(&SLOW_DISK);
}

#[test]
fn clock_far_off() {
    holds(&CLOCK_FAR_OFF);
}

#[test]
fn counters() {
    holds(&COUNTERS);
}

/// Runs a scenario on sabotaged ground until someone notices: what was noticed.
fn noticed(scenario: &Scenario, sabotage: &Sabotage, words: &str) -> Vec<String> {
    const TRIES: u64 = 3;
    for seed in 0..TRIES {
        let report = run(scenario, seed, sabotage);
        if report.wrong.iter().any(|it| it.contains(words)) {
            return report.wrong;
        }
    }
    panic!("nobody noticed {sabotage:?} in {TRIES} runs of {}", scenario.name);
}

/// Acknowledged writes that never reached the disk are lost with the power, and missed.
#[test]
fn disks_that_lie_are_noticed() {
    let sabotage = Sabotage { lying_disks: true, ..Sabotage::default() };
    noticed(&POWER_LOSS_OF_ALL, &sabotage, "was acknowledged and is lost");
}

/// It is noticed, and does no harm: coordinators count replicas, not answers.
#[test]
fn a_replica_that_answers_twice_is_noticed() {
    let bug = Bug::AnswersTwice("n2".to_owned());
    let sabotage = Sabotage { bug, ..Sabotage::default() };
    let words = "more often than asked";
    let wrong = noticed(&PARTITION_AND_HEAL, &sabotage, words);
    let harm: Vec<&String> = wrong.iter().filter(|it| !it.contains(words)).collect();
    assert!(harm.is_empty(), "{harm:#?}");
}

/// One replica counts for two: what a coordinator would do that counts answers. Here it does harm.
#[test]
fn a_replica_that_answers_for_another_is_noticed() {
    let bug = Bug::AnswersFor { silent: "n3".to_owned() };
    let sabotage = Sabotage { bug, ..Sabotage::default() };
    noticed(&PARTITION_AND_HEAL, &sabotage, "was acknowledged and is lost");
}

/// The canary: a judge who overlooks one row must cry.
#[test]
fn a_row_that_is_overlooked_is_noticed() {
    let sabotage = Sabotage { overlooking_judge: true, ..Sabotage::default() };
    noticed(&PARTITION_AND_HEAL, &sabotage, "was acknowledged and is lost");
}

/// `SIM_LOG=debug` shows what nodes and clients log, in virtual order.
fn start_logging() {
    if let Ok(filter) = std::env::var("SIM_LOG") {
        let filter = tracing_subscriber::EnvFilter::new(filter);
        let subscriber =
            tracing_subscriber::fmt().with_env_filter(filter).without_time().with_test_writer();
        // Another test of this process may have been first.
        drop(subscriber.try_init());
    }
}
