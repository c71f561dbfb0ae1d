//! The program `engines` itself, on few rows: every phase of helenus, each in its process, the kill too.

use std::process::Command;

/// Runs it and answers (what it printed, its JSON lines).
fn engines(workload: &str) -> (String, Vec<serde_json::Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("figures.json");
    let ran = Command::new(env!("CARGO_BIN_EXE_engines"))
        .args(["--workload", workload, "--rows", "3000", "--time", "0.01", "--engines", "helenus"])
        .arg("--dir")
        .arg(folder.path())
        .arg("--json")
        .arg(&json)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    let lines = std::fs::read_to_string(json).expect("the figures");
    let lines = lines.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    (String::from_utf8(ran.stdout).expect("text"), lines)
}

/// The figure of `measure`.
fn figure(lines: &[serde_json::Value], measure: &str) -> f64 {
    let mut values = lines.iter().filter(|it| it["measure"] == measure);
    let value = values.next().and_then(|it| it["value"].as_f64());
    value.unwrap_or_else(|| panic!("no {measure} among {lines:?}"))
}

#[test]
fn messages_go_through_every_phase() {
    let (text, lines) = engines("messages");
    assert_eq!(lines.len(), 1 + 43, "the setting, and every measure but the aggregate");
    for measure in ["ingest_one", "ingest_hundred", "point_hit", "last", "partition_scan"] {
        assert!(0.0 < figure(&lines, measure), "{measure}");
    }
    // 20 to 100 bytes each, less than half of it squeezed out.
    let stored = figure(&lines, "stored");
    assert!((30.0..200.0).contains(&stored), "{stored}");
    assert!(1.0 < figure(&lines, "written"));
    assert!(text.contains("| last 50 rows, reversed"), "{text}");
}

#[test]
fn metrics_are_added_up_too() {
    let (_, lines) = engines("metrics");
    assert!(0.0 < figure(&lines, "aggregate"));
}

#[test]
fn tiny_partitions_have_no_slices() {
    let (text, lines) = engines("tiny");
    assert!(0.0 < figure(&lines, "point_hit"));
    assert!(!text.contains("last 50"), "{text}");
}
