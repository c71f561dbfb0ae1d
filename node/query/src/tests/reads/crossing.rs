//! What of a filtered read or of an aggregate crosses the network: what passes or is known, and a page of everything where
//! replicas differ.

use super::{datum::Type, model::Column, *};

const ROWS: usize = 1_000;

/// `t (p0 int, c0 int, v0 int, v1 text)`, on three nodes that hold everything.
fn ground() -> Ground {
    let column = |name: &str, of| Column { name: name.to_owned(), of, descends: false };
    let table = Table {
        partition: vec![column("p0", Type::Int)],
        clustering: vec![column("c0", Type::Int)],
        statics: Vec::new(),
        regulars: vec![column("v0", Type::Int), column("v1", Type::Text)],
        ttl: 0,
        gc_grace: 864_000,
    };
    let ground = Ground::new(&Setting {
        table,
        nodes: 3,
        sizes: Sizes { block_bytes: 4_096, cache_bytes: 1 << 20 },
        page_bytes_max: 1 << 20,
        page_tombstones_max: 10_000,
    });
    for at in 0..ROWS {
        let text = "x".repeat(100);
        let (p, v) = (at % 4, at % 100);
        let text = format!("INSERT INTO t (p0, c0, v0, v1) VALUES ({p}, {at}, {v}, '{text}')");
        ground.execute(request(&text)).unwrap();
    }
    // The coordinator's own replica is down, so that whatever is read comes from another node.
    ground.cluster.silence(Some(0));
    ground.cluster.take_crossed();
    ground
}

/// How many rows a statement answers, and how many bytes crossed for it.
fn answered(ground: &Ground, text: &str, consistency: Consistency) -> (usize, usize) {
    let request = Request { consistency, ..request(text) };
    let Outcome::Rows(page) = ground.execute(request).unwrap() else { panic!("no rows: {text}") };
    assert!(page.paging_state.is_none(), "one page holds it all");
    (page.rows.len(), ground.cluster.take_crossed())
}

#[test]
fn only_rows_that_pass_cross() {
    let ground = ground();
    for consistency in [Consistency::One, Consistency::Quorum] {
        let (all, whole) = answered(&ground, "SELECT * FROM t", consistency);
        assert_eq!(all, ROWS);
        assert!(ROWS * 100 < whole, "{whole}");
        let few = "SELECT * FROM t WHERE v0 = 7 ALLOW FILTERING";
        let (rows, crossed) = answered(&ground, few, consistency);
        assert_eq!(rows, ROWS / 100);
        assert!(crossed < whole / 50, "{crossed} of {whole} bytes at {consistency}");
        let none = "SELECT count(*) FROM t WHERE v0 = 700 ALLOW FILTERING";
        let (_, crossed) = answered(&ground, none, consistency);
        assert!(crossed < 100, "{crossed} bytes about nothing at {consistency}");
    }
}

#[test]
fn tombstones_stay_where_they_are() {
    let ground = ground();
    for at in (0..ROWS).filter(|it| it % 100 != 7) {
        let text = format!("DELETE FROM t WHERE p0 = {} AND c0 = {at}", at % 4);
        ground.execute(request(&text)).unwrap();
    }
    let (_, whole) = answered(&ground, "SELECT * FROM t", Consistency::Quorum);
    let few = "SELECT * FROM t WHERE v0 = 7 ALLOW FILTERING";
    let (rows, crossed) = answered(&ground, few, Consistency::Quorum);
    assert_eq!(rows, ROWS / 100);
    assert!(ROWS * 10 < whole, "{whole} bytes with tombstones");
    assert!(crossed < ROWS / 100 * 150, "{crossed} bytes");
}

/// A row that one replica still has as a match, and the other does not: each has to say all that it knows.
#[test]
fn a_stale_match_costs_a_page_once() {
    let ground = ground();
    ground.cluster.silence(Some(1));
    ground.execute(request("UPDATE t SET v0 = 8 WHERE p0 = 3 AND c0 = 7")).unwrap();
    ground.cluster.silence(Some(0));
    ground.cluster.take_crossed();
    let few = "SELECT * FROM t WHERE v0 = 7 ALLOW FILTERING";
    let (rows, crossed) = answered(&ground, few, Consistency::Quorum);
    assert_eq!(rows, ROWS / 100 - 1);
    assert!(ROWS * 10 < crossed, "{crossed} bytes");
    let (rows, crossed) = answered(&ground, few, Consistency::Quorum);
    assert_eq!(rows, ROWS / 100 - 1);
    assert!(crossed < ROWS * 5, "{crossed} bytes after read repair");
}

#[test]
fn of_an_aggregate_only_partials_cross() {
    let ground = ground();
    let text = "SELECT count(*), count(v0), min(v0), max(v0), sum(v0), avg(v0) FROM t";
    for consistency in [Consistency::One, Consistency::Quorum] {
        for within in ["", " WHERE p0 = 3", " WHERE p0 = 3 AND c0 < 500"] {
            let (_, crossed) = answered(&ground, &format!("{text}{within}"), consistency);
            assert!(crossed < 300, "{crossed} bytes at {consistency} for{within}");
        }
    }
    // Of a replica that knows less rows are asked for, once.
    ground.cluster.silence(Some(1));
    ground.execute(request("UPDATE t SET v0 = 8 WHERE p0 = 3 AND c0 = 7")).unwrap();
    ground.cluster.silence(Some(0));
    ground.cluster.take_crossed();
    let (_, crossed) = answered(&ground, text, Consistency::Quorum);
    assert!(ROWS * 10 < crossed, "{crossed} bytes");
    let (_, crossed) = answered(&ground, text, Consistency::Quorum);
    assert!(crossed < 300, "{crossed} bytes after read repair");
}
