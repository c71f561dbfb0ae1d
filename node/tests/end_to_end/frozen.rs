//! A node that is frozen: its connections stand and nobody answers on them. It is noticed as if it were dead, and
//! taken back when it goes on.

use std::time::{Duration, Instant};

use client::Consistency;

use crate::process::{Cluster, SOON, whole_machine};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_noticed_by_all_and_taken_back() {
    let _machine = whole_machine().await;
    let cluster = Cluster::start().await;
    let session = cluster.session().await;
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 3}";
    let keyspace = format!("CREATE KEYSPACE cold WITH replication = {replication}");
    session.execute(keyspace.as_str(), ()).await.unwrap();
    session.execute("CREATE TABLE cold.t (k int PRIMARY KEY)", ()).await.unwrap();
    let [first, _, frozen] = &cluster.nodes;
    let address = frozen.peer_address();
    frozen.signal("STOP");
    let begun = Instant::now();
    let state_becomes = async |state: &str| {
        while first.status_of(&address).await["state"] != state {
            assert!(begun.elapsed() < 2 * SOON, "never {state}");
            tokio::time::sleep(LOOK).await;
        }
    };
    state_becomes("DN").await;
    // Whoever talked to it has gone on to others.
    let mut k = 0;
    while let Err(error) = session.query("INSERT INTO cold.t (k) VALUES (?)", (k,)).await {
        assert!(begun.elapsed() < SOON, "{error}");
    }
    for _ in 0..50 {
        k += 1;
        session.query("INSERT INTO cold.t (k) VALUES (?)", (k,)).await.unwrap();
    }
    frozen.signal("CONT");
    state_becomes("UN").await;
    // Hints bring it what it missed, and it answers for itself.
    let count = async || {
        let all = session.query("SELECT count(*) FROM cold.t", ()).consistency(Consistency::All);
        all.one::<(i64,)>().await.map(|it| it.0)
    };
    while !matches!(count().await, Ok(51)) {
        assert!(begun.elapsed() < 3 * SOON, "{:?}", count().await);
        tokio::time::sleep(LOOK).await;
    }
}
