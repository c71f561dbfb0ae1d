//! One of three nodes dies under load, and comes back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{Consistency, Error, Session};
use serde_json::Value;

use crate::load::{Known, Load, create_table, insert};
use crate::process::{Cluster, Node, SOON, whole_machine};

/// How soon a dead node is known to be dead.
const CONVICTION: Duration = Duration::from_secs(5);

/// Longer than a write may wait for a replica before it leaves a hint: `timeouts.write` is 2 s.
const WRITES_SETTLE: Duration = Duration::from_millis(2500);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_costs_the_requests_in_flight_and_nothing_else() {
    let _machine = whole_machine().await;
    let mut cluster = Cluster::start().await;
    let session = cluster.session().await;
    create_table(&session).await;
    let known: Arc<Mutex<Known>> = Arc::default();
    let load = Load::start(&session, &known).await;
    load.goes_on(300, 100).await;

    cluster.nodes[1].kill();
    cluster.nodes[1].gone();
    let dead_since = Instant::now();
    let sent_before: BTreeMap<i64, i64> = known.lock().unwrap().sent();
    let [one, dead, other] = &mut cluster.nodes;
    convicted(dead, &[one, other], dead_since).await;
    load.goes_on(1000, 300).await;
    all_names_the_missing(&session, dead).await;
    assert!(0 < pending(&[one, other]).await, "writes that the dead node missed leave hints");

    dead.start();
    dead.ready().await;
    load.goes_on(300, 100).await;
    let failed = load.stop().await;
    for it in &failed {
        assert!(it.begun <= dead_since, "failed although it began after the kill: {it:?}");
        assert!(
            matches!(it.error, Error::UnknownOutcome(_)),
            "the outcome of what was in flight is unknown: {it:?}"
        );
    }
    hints_drain(&[one, dead, other]).await;

    // Nothing is lost, whoever coordinated it. What began after the death is at the dead one, too:
    // others told it. What it coordinated itself when it died nobody could tell it.
    Known::check(&known, &session, Consistency::Quorum).await;
    let alone = Session::builder().known_node(dead.client_address()).build().await.unwrap();
    for survivor in [one, other] {
        survivor.kill();
        survivor.gone();
    }
    Known::check_from(&known, &alone, Consistency::One, &sent_before).await;
    let refused = insert(&alone, 0, -1).await.unwrap_err();
    assert!(matches!(refused, Error::Retry(_) | Error::UnknownOutcome(_)), "{refused}");
    eprintln!(
        "{} rows acknowledged, {} requests failed",
        known.lock().unwrap().acknowledged(),
        failed.len()
    );
}

/// Both survivors say so within five seconds.
async fn convicted(dead: &Node, survivors: &[&mut Node], since: Instant) {
    for survivor in survivors {
        loop {
            let state = survivor.status_of(&dead.peer_address()).await["state"].clone();
            let took = since.elapsed();
            if state == "DN" {
                eprintln!("{} knows after {took:?}", survivor.peer_address());
                break;
            }
            assert!(took < CONVICTION, "still {state} after {took:?}");
        }
    }
}

/// A write that needs every replica says which one it misses.
async fn all_names_the_missing(session: &Session, dead: &Node) {
    let error = insert(session, 1000, 0).consistency(Consistency::All).await.unwrap_err();
    assert_eq!(error.code(), "HX1001", "{error}");
    let told = format!("{error} {:?}", error.details().missing);
    assert!(told.contains(&dead.peer_address()), "names nobody at {}: {told}", dead.peer_address());
    assert_eq!((error.details().required, error.details().received), (3, 2), "{error}");
}

/// Hints that these nodes keep for any other.
async fn pending(nodes: &[&mut Node]) -> u64 {
    let mut all = 0;
    for node in nodes {
        let status = node.status().await;
        let nodes = status["nodes"].as_array().unwrap().clone();
        all += nodes.iter().map(|it: &Value| it["pending_hints"].as_u64().unwrap()).sum::<u64>();
    }
    all
}

/// No node keeps a hint, nor will one: the last write is too long ago.
async fn hints_drain(nodes: &[&mut Node]) {
    let begin = Instant::now();
    let mut drained_since = None;
    loop {
        let left = pending(nodes).await;
        drained_since = if left == 0 { drained_since.or(Some(Instant::now())) } else { None };
        if drained_since.is_some_and(|it| WRITES_SETTLE < it.elapsed()) {
            return;
        }
        assert!(begin.elapsed() < SOON, "{left} hints left");
    }
}
