//! The whole program against one node in this process.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::in_process::start_node;

fn args(node: &str, more: &[&str]) -> Args {
    let common = ["load", "--node", node, "--duration", "300ms", "--warmup", "0s", "--partitions"];
    Args::try_parse_from(common.iter().chain(&["7", "--rows", "3"]).chain(more)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_loops_measure_a_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = start_node(dir.path()).await;
    let address = node.addresses().client.clone();

    let report = run(&args(&address, &["--rate", "200", "--workload", "mixed"])).await.unwrap();
    assert_eq!(report.errors, std::collections::BTreeMap::new());
    let count: u64 = report.requests.values().map(|it| it.count).sum();
    assert_eq!(count, 60, "an open loop sends what was planned");
    assert_eq!(report.requests.len(), 2);
    for it in report.requests.values() {
        assert!(0 < it.p50_us && it.p50_us <= it.p99_us && it.p99_us <= it.max_us, "{it:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert!(json["requests"]["write"]["p99_9_us"].is_u64(), "{json}");
    assert_eq!(json["args"]["consistency"], "QUORUM");
    assert_eq!(json["args"]["duration"], 0.3);

    let closed = ["--rate", "max", "--in-flight", "3", "--workload", "read", "--connections", "2"];
    let report = run(&args(&address, &closed)).await.unwrap();
    assert_eq!(report.errors, std::collections::BTreeMap::new());
    assert!(0 < report.requests["read"].count && report.requests.len() == 1);
    assert!(report.to_string().contains("closed-loop"), "{report}");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    // Taken and given back: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = run(&args(&free.to_string(), &[])).await.unwrap_err();
    assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
}

#[test]
fn latencies_are_told_in_microseconds_and_errors_by_kind() {
    let mut recorder = Recorder::default();
    for millis in 1..=1000 {
        recorder.answered(Kind::Read, Duration::from_millis(millis));
    }
    recorder.count("never sent", 0);
    recorder.count("never sent", 2);
    let histogram = &recorder.latencies[&Kind::Read];
    let near = |quantile, micros: f64| {
        let value = histogram.value_at_quantile(quantile) as f64;
        assert!((value - micros).abs() <= micros / 1000.0, "{quantile}: {value}");
    };
    near(0.5, 500_000.0);
    near(0.99, 990_000.0);
    near(0.999, 999_000.0);
    assert_eq!(recorder.errors["never sent"], 2);
}
