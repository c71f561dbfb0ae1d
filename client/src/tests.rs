//! Sessions against scripted nodes, in memory and on a clock that stands still.

mod bind;
mod parts;
mod rows;

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cql_lite::code::Code;
use cql_lite::value::Value;
use futures_util::StreamExt as _;
use wire::{Retry, client_request, server_answer};

use crate::fake::{self, Cluster, Reply, wire};
use crate::{Clock, Consistency, Error, Row, Session};

fn done(_: &wire::ClientRequest) -> Reply {
    Reply::Answer(fake::done())
}

fn fails(code: Code, retry: Retry) -> impl Fn(&wire::ClientRequest) -> Reply {
    move |_| Reply::Answer(fake::error(code, retry, "as the script says"))
}

/// Prepares anything as a statement about key `id`, and answers executions by `execute`.
fn prepares(
    idempotent: bool,
    execute: impl Fn(&wire::Execute) -> Reply,
) -> impl Fn(&wire::ClientRequest) -> Reply {
    move |request| match &request.body {
        Some(client_request::Body::Prepare(_)) => {
            Reply::Answer(server_answer::Body::Prepared(wire::Prepared {
                id: "s".into(),
                parameters: vec![fake::column("id", "text")],
                columns: Vec::new(),
                partition_key: vec![0],
                idempotent,
            }))
        }
        Some(client_request::Body::Execute(statement)) => execute(statement),
        other => panic!("not scripted: {other:?}"),
    }
}

/// Three nodes at a third of the ring each, one copy of everything.
fn three(script: impl Fn(&wire::ClientRequest) -> Reply + Send + Sync + 'static) -> Cluster {
    let script = Arc::new(script);
    let cluster = Cluster::new();
    let tokens = [-5_000_000_000_000_000_000, 0, 5_000_000_000_000_000_000];
    for (at, token) in tokens.into_iter().enumerate() {
        let address = format!("n{}:9044", at + 1);
        let script = Arc::clone(&script);
        cluster.start(&address, move |request| script(request));
        cluster
            .change_topology(|topology| topology.nodes[at] = fake::node_info(&address, &[token]));
    }
    cluster.change_topology(|topology| {
        topology.keyspaces.push(wire::KeyspaceInfo {
            name: "ks".to_owned(),
            strategy: "SimpleStrategy".to_owned(),
            factors: [("replication_factor".to_owned(), 1)].into(),
            tables: Vec::new(),
        });
    });
    cluster
}

async fn connected(cluster: &Cluster) -> Session {
    let session = cluster.builder().known_node("n1").build().await.unwrap();
    let nodes = session.topology().nodes.len();
    until(|| session.inner.cluster().links.values().filter(|it| it.is_up()).count() == nodes).await;
    session
}

/// Lets everything else run until `condition` holds; the paused clock jumps to the next timer.
async fn until(condition: impl Fn() -> bool) {
    let patience = Duration::from_secs(60);
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(patience, wait).await.expect("the condition comes to hold");
}

#[tokio::test(start_paused = true)]
async fn the_other_nodes_are_discovered_and_used() {
    let cluster = three(done);
    let session = connected(&cluster).await;
    cluster.seen();
    for _ in 0..3 {
        session.execute("TRUNCATE ks.t", ()).await.unwrap();
    }
    let mut seen = cluster.seen();
    seen.sort();
    let expected =
        ["n1:9044", "n2:9044", "n3:9044"].map(|node| format!("{node} query TRUNCATE ks.t cl=4"));
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_prepared_statement_goes_to_the_replica_of_its_partition() {
    let cluster = three(prepares(true, |_| Reply::Answer(fake::done())));
    let session = connected(&cluster).await;
    let insert = session.prepare("INSERT").await.unwrap();
    cluster.seen();
    for _ in 0..4 {
        // Tokens -6017608668500074083 and 4354931215268080151.
        session.execute(&insert, ("test",)).await.unwrap();
        session.execute(&insert, ("kremówki",)).await.unwrap();
    }
    let expected = ["n1:9044 execute s", "n3:9044 execute s"].repeat(4);
    assert_eq!(cluster.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_says_nothing_happened_is_retried_elsewhere() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", fails(Code::Overloaded, Retry::Safe));
    cluster.start("n2:9044", done);
    let session = connected(&cluster).await;
    for _ in 0..4 {
        session.execute("INSERT …", ()).await.unwrap();
    }
    let seen = cluster.seen();
    assert_eq!(seen.iter().filter(|line| line.starts_with("n2")).count(), 4);
    assert!(seen.iter().any(|line| line.starts_with("n1")), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_is_not_repeated() {
    let cluster = three(fails(Code::WriteTimeout, Retry::UnknownOutcome));
    let session = connected(&cluster).await;
    cluster.seen();
    let error = session.execute("UPDATE …", ()).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    assert!(!error.is_safe_to_retry());
    assert_eq!(error.code(), "HX1002");
    assert_eq!(cluster.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_write_is_repeated_with_the_same_timestamp() {
    let stamps = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&stamps);
    let cluster = three(prepares(true, |_| Reply::Silence));
    cluster.start(
        "n1:9044",
        prepares(true, move |statement| {
            let mut stamps = kept.lock().unwrap();
            stamps.push(statement.options.as_ref().and_then(|options| options.timestamp).unwrap());
            if stamps.len() < 3 {
                let code = Code::WriteTimeout;
                return Reply::Answer(fake::error(code, Retry::UnknownOutcome, "late"));
            }
            Reply::Answer(fake::done())
        }),
    );
    cluster.stop("n2:9044");
    cluster.stop("n3:9044");
    let builder = cluster.builder().known_node("n1").clock(Arc::new(Stuck));
    let session = builder.build().await.unwrap();
    session.query("INSERT", ("k",)).await.unwrap();
    session.query("INSERT", ("k",)).await.unwrap();
    assert_eq!(*stamps.lock().unwrap(), [7, 7, 7, 8]);
}

/// The first attempt may have happened, whatever the later ones were told.
#[tokio::test(start_paused = true)]
async fn a_refused_retry_does_not_settle_an_unknown_outcome() {
    for (code, retry) in [(Code::Unavailable, Retry::Safe), (Code::UnknownTable, Retry::No)] {
        let attempts = Arc::new(Mutex::new(0));
        let cluster = three(prepares(true, move |_| {
            let mut attempts = attempts.lock().unwrap();
            *attempts += 1;
            Reply::Answer(match *attempts {
                1 => fake::error(Code::WriteTimeout, Retry::UnknownOutcome, "late"),
                _ => fake::error(code, retry, "not now"),
            })
        }));
        let session = connected(&cluster).await;
        let error = session.query("INSERT", ("k",)).await.unwrap_err();
        assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    }
}

struct Stuck;

impl Clock for Stuck {
    fn wall_micros(&self) -> i64 {
        7
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_fails_its_requests_at_once_and_comes_back() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", |request| match &request.body {
        Some(client_request::Body::Query(query)) if query.text == "HANG UP" => Reply::Hangup,
        _ => Reply::Silence,
    });
    let session = connected(&cluster).await;
    let began = tokio::time::Instant::now();
    let (read, write, _) = tokio::join!(
        biased;
        session.execute("SELECT …", ()).timeout(Duration::from_millis(5)).into_future(),
        session.execute("INSERT …", ()).into_future(),
        session.execute("HANG UP", ()).into_future(),
    );
    assert!(matches!(read.unwrap_err(), Error::Retry(_)));
    let error = write.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    assert_eq!(error.code(), "HX1005");
    assert!(began.elapsed() < Duration::from_secs(1), "not by the timeout");
    cluster.start("n1:9044", done);
    until(|| session.inner.cluster().is_ready()).await;
    session.execute("INSERT …", ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_a_node_stops_the_others_take_over() {
    let cluster = three(done);
    let session = connected(&cluster).await;
    cluster.stop("n1:9044");
    cluster.stop("n3:9044");
    for _ in 0..6 {
        // What is caught by the break itself may be of unknown outcome: say that it may repeat.
        session.execute("INSERT …", ()).idempotent(true).await.unwrap();
    }
    assert!(cluster.seen().iter().all(|line| line.starts_with("n2")));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline_and_cancels() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", |_| Reply::Silence);
    let session = connected(&cluster).await;
    let timeout = Duration::from_millis(700);
    let began = tokio::time::Instant::now();
    let error = session.execute("INSERT …", ()).timeout(timeout).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome(_)), "{error}");
    let error = session.execute("SELECT …", ()).timeout(timeout).await.unwrap_err();
    assert!(matches!(error, Error::Retry(_)), "{error}");
    let elapsed = began.elapsed();
    assert!(timeout * 2 <= elapsed && elapsed < timeout * 2 + Duration::from_millis(50));
    let seen = Mutex::new(Vec::new());
    until(|| {
        seen.lock().unwrap().extend(cluster.seen());
        seen.lock().unwrap().iter().filter(|line| line.ends_with("cancel")).count() == 2
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_cancels_it() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", |_| Reply::Silence);
    let session = connected(&cluster).await;
    let request = session.execute("SELECT …", ()).into_future();
    drop(tokio::time::timeout(Duration::from_millis(5), request).await);
    let seen = Mutex::new(Vec::new());
    until(|| {
        seen.lock().unwrap().extend(cluster.seen());
        seen.lock().unwrap().iter().any(|line| line == "n1:9044 cancel")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_statement_is_prepared_again() {
    let cluster = Cluster::new();
    let script = || {
        let known = Mutex::new(false);
        move |request: &wire::ClientRequest| {
            if matches!(request.body, Some(client_request::Body::Prepare(_))) {
                *known.lock().unwrap() = true;
            } else if !*known.lock().unwrap() {
                return Reply::Answer(fake::error(Code::Unprepared, Retry::No, "unknown"));
            }
            prepares(true, |_| Reply::Answer(fake::done()))(request)
        }
    };
    cluster.start("n1:9044", script());
    let session = connected(&cluster).await;
    let insert = session.prepare("INSERT").await.unwrap();
    session.execute(&insert, ("a",)).await.unwrap();
    // Restarted, it has forgotten.
    cluster.stop("n1:9044");
    until(|| !session.inner.cluster().is_ready()).await;
    cluster.start("n1:9044", script());
    until(|| session.inner.cluster().is_ready()).await;
    cluster.seen();
    session.execute(&insert, ("a",)).await.unwrap();
    let expected = ["n1:9044 execute s", "n1:9044 prepare INSERT", "n1:9044 execute s"];
    assert_eq!(cluster.seen(), expected);
}

#[tokio::test(start_paused = true)]
async fn query_prepares_a_text_once() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", prepares(true, |_| Reply::Answer(fake::done())));
    let session = connected(&cluster).await;
    for _ in 0..3 {
        session.query("INSERT", ("a",)).await.unwrap();
    }
    let seen = cluster.seen();
    assert_eq!(seen.iter().filter(|line| line.contains("prepare")).count(), 1, "{seen:?}");
    assert_eq!(seen.len(), 4);
}

/// Three pages of two rows, the last of one.
fn pages(request: &wire::ClientRequest) -> Reply {
    let Some(client_request::Body::Query(query)) = &request.body else { panic!("a query") };
    let state = query.options.as_ref().map_or(&b""[..], |options| options.paging_state.as_ref());
    let int = |number| vec![Some(Value::Int(number))];
    let columns = [("n", "int")];
    let page = match state {
        b"" => fake::page(&columns, &[int(1), int(2)], b"b"),
        b"b" => fake::page(&columns, &[int(3), int(4)], b"c"),
        b"c" => fake::page(&columns, &[int(5)], b""),
        other => panic!("{other:?}"),
    };
    Reply::Answer(server_answer::Body::Rows(page))
}

#[tokio::test(start_paused = true)]
async fn a_stream_turns_pages_and_fetches_one_ahead() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", pages);
    let session = connected(&cluster).await;
    let mut rows = session.execute("SELECT n FROM t", ()).stream::<(i32,)>();
    assert_eq!(rows.next().await.unwrap().unwrap(), (1,));
    let seen = Mutex::new(Vec::new());
    until(|| {
        seen.lock().unwrap().extend(cluster.seen());
        seen.lock().unwrap().len() == 2
    })
    .await;
    assert_eq!(rows.next().await.unwrap().unwrap(), (2,));
    let rest: Vec<(i32,)> = rows.map(Result::unwrap).collect().await;
    assert_eq!(rest, [(3,), (4,), (5,)]);
    assert_eq!(cluster.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pages_can_be_taken_by_hand() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", pages);
    let session = connected(&cluster).await;
    let select = || session.execute("SELECT n FROM t", ());
    let first = select().await.unwrap();
    assert_eq!(first.rows().len(), 2);
    let state = first.paging_state().unwrap().clone();
    let second = select().paging_state(state).await.unwrap();
    assert_eq!(second.rows()[0].get::<i32>("n").unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_opt_and_all_refuse_what_they_were_not_asked_for() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", |request| match &request.body {
        Some(client_request::Body::Query(query)) if query.text == "SELECT none" => {
            Reply::Answer(fake::rows(&[("n", "int")], &[]))
        }
        _ => pages(request),
    });
    let session = connected(&cluster).await;
    let code = |error: Error| error.code().to_owned();
    let many = || session.execute("SELECT n FROM t", ());
    let none = || session.execute("SELECT none", ());
    assert_eq!(code(many().one::<i32>().await.unwrap_err()), "HX2011");
    assert_eq!(code(many().opt::<i32>().await.unwrap_err()), "HX2011");
    assert_eq!(code(none().one::<i32>().await.unwrap_err()), "HX2011");
    assert_eq!(none().opt::<i32>().await.unwrap(), None);
    assert_eq!(code(many().rows_max(4).all::<Row>().await.unwrap_err()), "HX2011");
    assert_eq!(many().rows_max(5).all::<i32>().await.unwrap(), [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn use_chooses_the_keyspace_of_what_follows() {
    let cluster = Cluster::new();
    let keyspaces = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&keyspaces);
    cluster.start("n1:9044", move |request| {
        kept.lock().unwrap().push(request.keyspace.clone());
        let keyspace = "shop".to_owned();
        Reply::Answer(server_answer::Body::SetKeyspace(wire::SetKeyspace { keyspace }))
    });
    let session = connected(&cluster).await;
    session.execute("USE shop", ()).await.unwrap();
    session.clone().execute("TRUNCATE t", ()).await.unwrap();
    assert_eq!(*keyspaces.lock().unwrap(), ["", "shop"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_any_node_says_whom_it_asked() {
    let cluster = Cluster::new();
    let builder = cluster.builder().known_node("n1").known_node("n2:1234");
    let error = builder.build().await.err().unwrap();
    assert!(matches!(error, Error::Connect(_)));
    assert_eq!(
        error.to_string(),
        "error[HX1006]: cannot connect to n1:9044 (connection refused), n2:1234 (connection \
         refused)"
    );
}

#[tokio::test(start_paused = true)]
async fn the_level_and_the_error_of_the_node_pass_through() {
    let cluster = Cluster::new();
    cluster.start("n1:9044", |_| {
        Reply::Answer(server_answer::Body::Error(wire::Error {
            code: "HX2001".to_owned(),
            message: "no viable input".to_owned(),
            hint: "did you mean `FROM`?".to_owned(),
            span_start: 9,
            span_end: 13,
            ..wire::Error::default()
        }))
    });
    let session = connected(&cluster).await;
    let request = session.execute("SELECT * FORM t", ()).consistency(Consistency::One);
    let error = request.await.unwrap_err();
    assert_eq!(cluster.seen(), ["n1:9044 query SELECT * FORM t cl=1"]);
    assert_eq!((error.span(), error.hint()), (Some(9..13), Some("did you mean `FROM`?")));
}
