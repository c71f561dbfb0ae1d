//! Every request against a node in this process, and against an echo; the table tells what is missed.

use std::{sync::Arc, time::Duration};

use clap::Parser;
use tokio::net::TcpListener;

use super::{
    Args,
    drive::{self, Load, Measured},
    echo,
    report::{Figure, Report},
    workload::{Kind, Sizes, Workload},
};
use crate::in_process::start_node;

/// What has 50 rows answers more bytes than what has one.
#[tokio::test(flavor = "multi_thread")]
async fn all_requests_are_answered_by_a_node_and_by_an_echo() {
    let folder = tempfile::tempdir().unwrap();
    let node = start_node(folder.path()).await;
    let port = node.addresses().cql.rsplit(':').next().unwrap().parse().unwrap();
    let args = Args::try_parse_from(["door", "--partitions", "3", "--rows", "60"]).unwrap();
    let workload = Arc::new(Workload::prepare(&args, port).await.unwrap());
    let mut answers = Vec::new();
    for kind in Kind::ALL {
        let sizes = workload.sizes(kind).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let echo = listener.local_addr().unwrap().port();
        tokio::spawn(echo::serve(listener, sizes.answer));
        for port in [port, echo] {
            let load = Load { connections: 2, in_flight: 3, time: Duration::from_millis(50) };
            let measured = drive::measure(&load, port, std::process::id(), &workload, kind).await;
            assert!(0.0 < measured.unwrap().per_second, "{kind}");
        }
        answers.push(sizes.answer);
    }
    let [insert, select, last] = answers[..] else { panic!("{answers:?}") };
    assert!(insert < select && 84 < select && select < last && 50 * 92 < last, "{answers:?}");
}

fn figure(in_flight: usize, cpu_us: f64, per_second: f64) -> Figure {
    let sizes = Sizes { request: 150, answer: 4 };
    let of_node = Measured { per_second, cpu_us };
    let of_echo = Measured { per_second: 1000.0, cpu_us: 1.0 };
    Figure { kind: Kind::Insert, connections: 64, in_flight, sizes, of_node, of_echo }
}

#[test]
fn what_is_missed_is_said() {
    let figures = vec![
        figure(16, 8.0, 1.0),
        figure(16, 8.1, 1.0),
        figure(1, 9.0, 500.0),
        figure(1, 9.0, 499.0),
    ];
    let load = ("1".to_owned(), "2".to_owned());
    let text = Report { figures, load, processors: "1 × it".to_owned() }.to_string();
    let missed: Vec<bool> = text.lines().skip(4).map(|it| it.contains("missed")).collect();
    assert_eq!(missed, [false, true, false, true], "{text}");
}
