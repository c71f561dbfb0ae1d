//! A file system that is really full: writes are refused before it is, reads go on, and so do writes once there is
//! room again, without a restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use client::Session;

use crate::process::{Node, SOON, finish};

/// What the file system holds, and what lies on it that is none of the node's.
const SIZE: &str = "size=96m";
const BALLAST_BYTES: usize = 48 << 20;

/// Bytes of a row: random digits, so that compression does not help.
const ROW_BYTES: usize = 64 << 10;

/// Refused for so long: there is no room that the node could make.
const LASTING: Duration = Duration::from_secs(4);

/// Between two attempts.
const LOOK: Duration = Duration::from_millis(50);

/// A small file system, unmounted when it goes.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path) -> Option<Mounted> {
        fs::create_dir_all(at).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at).output();
        mount.is_ok_and(|it| it.status.success()).then(|| Mounted(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Whatever still has it open does not keep it visible.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_refuses_writes_and_recovers_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("node");
    let Some(_mounted) = Mounted::new(&place) else {
        eprintln!("LEFT OUT: a file system cannot be mounted here, so none was filled");
        return;
    };
    let ballast = place.join("ballast");
    fs::write(&ballast, vec![1; BALLAST_BYTES]).unwrap();
    let settings = "[commitlog]\nsegment = \"1MiB\"\n";
    fs::write(place.join("helenus.toml"), settings).unwrap();
    let mut node = Node::new(place.clone());
    node.start();
    node.ready().await;
    let session = node.session().await;
    let keyspace = "CREATE KEYSPACE packed WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
    session.execute(keyspace, ()).await.unwrap();
    session.execute("CREATE TABLE packed.t (k int PRIMARY KEY, v text)", ()).await.unwrap();

    let insert = session.prepare("INSERT INTO packed.t (k, v) VALUES (?, ?)").await.unwrap();
    let mut acknowledged = 0;
    let mut refused_since = None;
    let refusal = loop {
        let write = session.execute(&insert, (acknowledged, value(acknowledged)));
        match write.await {
            Ok(_) => (acknowledged, refused_since) = (acknowledged + 1, None),
            // The log makes room for a while: what is flushed needs none.
            Err(error) if LASTING < refused_since.get_or_insert_with(Instant::now).elapsed() => {
                break error;
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
        assert!((acknowledged as usize) < (96 << 20) / ROW_BYTES, "never refused");
    };
    let text = format!("{refusal:?}");
    assert!(text.contains("HX6001") && text.contains("is full"), "{text}");
    check(&session, acknowledged).await;
    let health = node.operate("health").await;
    assert_eq!(health.status.code(), Some(10), "{health:?}");
    assert!(String::from_utf8_lossy(&health.stdout).contains("writes are refused"), "{health:?}");

    fs::remove_file(ballast).unwrap();
    let begun = Instant::now();
    while let Err(error) = session.execute(&insert, (acknowledged, value(acknowledged))).await {
        assert!(begun.elapsed() < SOON, "still refused: {error}");
        tokio::time::sleep(LOOK).await;
    }
    eprintln!(
        "{acknowledged} rows until the disk was full; writes go on {:?} after it has room",
        begun.elapsed()
    );
    acknowledged += 1;
    assert!(node.operate("health").await.status.success());
    check(&session, acknowledged).await;
    node.kill();
    node.gone();
    node.start();
    node.ready().await;
    let session = node.session().await;
    check(&session, acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_takes_no_writes_is_refused_at_the_start_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("node");
    let Some(_mounted) = Mounted::new(&place) else {
        eprintln!("LEFT OUT: a file system cannot be mounted here, so none was made read-only");
        return;
    };
    let mut node = Node::new(place.clone());
    for used in [false, true] {
        if used {
            remount(&place, "rw");
            node.start();
            node.ready().await;
            assert_eq!(node.terminate().await.code(), Some(0), "{}", node.log());
        }
        remount(&place, "ro");
        let output = finish(node.command(&node.data_dir())).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("error[HX6006]"), "{told}");
        assert!(told.contains(&node.data_dir().display().to_string()), "{told}");
    }
}

fn remount(at: &Path, how: &str) {
    let options = format!("remount,{how}");
    let done = Command::new("mount").args(["-o", &options]).arg(at).status();
    assert!(done.unwrap().success());
}

/// Digits that look random and are the same again.
fn value(row: i32) -> String {
    let mut state = row as u64 + 1;
    let digit = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + ((state >> 33) % 90) as u8)
    };
    std::iter::repeat_with(digit).take(ROW_BYTES).collect()
}

/// Every row that was acknowledged is there, as it was written.
async fn check(session: &Session, acknowledged: i32) {
    let select = session.prepare("SELECT v FROM packed.t WHERE k = ?").await.unwrap();
    for k in 0..acknowledged {
        let found: (String,) = session.execute(&select, (k,)).one().await.unwrap();
        assert!(found.0 == value(k), "row {k}");
    }
}
