//! All three nodes die at once under load, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Consistency;

use crate::load::{Known, Load, create_table};
use crate::process::{Cluster, Node, whole_machine};

/// How soon a killed node serves again.
const RESTART: Duration = Duration::from_secs(5);

/// Rounds without `HELENUS_KILL_ROUNDS`.
const ROUNDS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_the_death_of_all_nodes() {
    let _machine = whole_machine().await;
    let rounds = match std::env::var("HELENUS_KILL_ROUNDS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => ROUNDS,
    };
    let mut cluster = Cluster::start().await;
    create_table(&cluster.session().await).await;
    let known = Arc::default();
    for round in 1..=rounds {
        let session = cluster.session().await;
        let load = Load::start(&session, &known).await;
        // Each time somewhere else in the life of the log.
        load.goes_on(100 + 37 * (round % 17), 20).await;
        let command = ["flush", "compact", "status"][round % 3];
        let _under_way = cluster.nodes.each_ref().map(|it| it.begin(command));
        load.goes_on(5 * (round % 7), 0).await;
        cluster.nodes.iter_mut().for_each(Node::kill);
        cluster.nodes.iter_mut().for_each(Node::gone);
        let failed = load.stop().await.len();

        let begin = Instant::now();
        let serving = cluster.start_all().await;
        assert!(serving < RESTART, "serving after {serving:?}");
        let session = cluster.session().await;
        Known::check(&known, &session, Consistency::Quorum).await;
        let acknowledged = known.lock().unwrap().acknowledged();
        eprintln!(
            "round {round} of {rounds}: {acknowledged} rows acknowledged so far, all there; \
             {failed} requests failed; serving after {} ms, all read after {} ms",
            serving.as_millis(),
            begin.elapsed().as_millis()
        );
    }
}
