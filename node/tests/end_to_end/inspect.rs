//! What a node wrote, looked at without it; and a damaged file saved.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::ground::{Ground, files};
use crate::process::{helenus, run, whole_machine};

/// What a command prints, object by object, and its exit code. It may be more than fits into a pipe.
fn objects(folder: &Path, args: &[&str]) -> (Vec<Value>, i32) {
    let output = helenus(folder, &[args, &["--format", "json"]].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let objects = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (objects, output.status.code().unwrap())
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

/// How many rows the partitions have that were printed.
fn rows(objects: &[Value]) -> usize {
    let of = |it: &&Value| it["rows"].as_array().unwrap().len();
    of_kind(objects, "partition").iter().map(of).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_sstable_is_named_and_all_but_its_bad_block_is_saved() {
    let _machine = whole_machine().await;
    let table = "CREATE TABLE k.t (id int, at int, v text, PRIMARY KEY (id, at))";
    let Ground { mut node, session, folder } = Ground::new(&[table]).await;
    let value = "all work and no play ".repeat(20);
    for at in 0..200 {
        let insert = "INSERT INTO k.t (id, at, v) VALUES (?, ?, ?)";
        session.query(insert, (at % 2, at, format!("{at} {value}"))).await.unwrap();
    }

    // Beside the running node: its log, with the last write in it.
    let dir = node.data_dir();
    let dir = dir.to_str().unwrap();
    let (log, code) = objects(folder.path(), &["inspect", "commitlog", dir, "--rows"]);
    assert_eq!(code, 0, "{log:?}");
    let last = of_kind(&log, "record").last().unwrap().to_string();
    // The value 199, as text.
    assert!(last.contains("0x31393920"), "{last}");
    assert_eq!(node.terminate().await.code(), Some(0));

    let (found, code) = objects(folder.path(), &["inspect", "sstable", dir, "--rows"]);
    assert_eq!((code, rows(&found)), (0, 200));
    assert!(of_kind(&found, "verdict").iter().all(|it| it["whole"] == true));
    let [sstable] = &files(&node.data_dir(), ".sst")[..] else { panic!("one flush, one table") };
    let table = sstable.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let partition = ["inspect", "partition", "--data-dir", dir, "--table", table, "0x00000001"];
    let (known, code) = objects(folder.path(), &partition);
    let [merged] = of_kind(&known, "merged")[..] else { panic!("{known:?}") };
    assert_eq!((code, merged["rows"].as_array().unwrap().len()), (0, 100));

    let mut bytes = fs::read(sstable).unwrap();
    bytes[100] ^= 1;
    fs::write(sstable, &bytes).unwrap();

    let file = sstable.to_str().unwrap();
    let (damaged, code) = objects(folder.path(), &["inspect", "sstable", file, "--rows"]);
    let [damage] = of_kind(&damaged, "damage")[..] else { panic!("{damaged:?}") };
    assert_eq!((code, &damage["place"], &damage["offset"]), (1, &"block".into(), &28.into()));
    let kept = rows(&damaged);
    assert!(0 < kept && kept < 200, "{kept}");
    let text = run(folder.path(), &["inspect", "sstable", file]).await;
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("damaged: the block at byte 28"), "{text}");

    let (saved, code) = objects(folder.path(), &["scrub", file, "--out", "saved"]);
    let [saved] = of_kind(&saved, "saved")[..] else { panic!("{saved:?}") };
    assert_eq!((code, &saved["lost"], &saved["rows"]), (1, &1.into(), &kept.into()));
    let new = folder.path().join("saved").join(sstable.file_name().unwrap());
    let new = new.to_str().unwrap();
    let (whole, code) = objects(folder.path(), &["inspect", "sstable", new, "--rows"]);
    assert_eq!((code, rows(&whole)), (0, kept));
    assert!(fs::read(sstable).unwrap() == bytes, "the old file is as it was");

    // A node takes the new one.
    fs::copy(new, sstable).unwrap();
    node.start();
    node.ready().await;
    let session = node.session().await;
    let found = session.query("SELECT at FROM k.t", ()).all::<(i32,)>().await.unwrap();
    assert_eq!(found.len(), kept);
    assert_eq!(node.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "not an sstable").unwrap();
    for (args, code, says) in [
        (&["inspect", "sstable"][..], 2, "FILE|DIR"),
        (&["inspect", "sstable", "nowhere"], 1, "nowhere"),
        (&["inspect", "sstable", "letter.txt"], 1, "give it the name that it had"),
        (&["inspect", "commitlog", "letter.txt"], 1, "give it the name that it had"),
        (&["inspect", "partition", "--data-dir", ".", "--table", "t", "00"], 2, "--table"),
        (&["inspect", "sstable", "."], 0, "no sstable in ."),
        (&["scrub", "letter.txt"], 2, "--out"),
        (&["scrub", "letter.txt", "--out", "."], 1, "give it the name that it had"),
    ] {
        let output = run(folder.path(), args).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
    }
}
