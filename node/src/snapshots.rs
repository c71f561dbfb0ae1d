//! Operators' calls about snapshots and imports: names become tables, and what the engine answers becomes words.

use std::{path::PathBuf, sync::Arc};

use engine::snapshot::{Admission, Error, Foreign, Listed, Target};
use model::{Table, TableId};
use proto::admin;
use sys::run_fn;

use crate::{
    belongs::Belongs,
    described::{columns, described},
    shared::Shared,
};

/// `helenus snapshot create`
pub(crate) async fn create(
    node: &Shared,
    request: admin::SnapshotRequest,
) -> Result<admin::SnapshotsAnswer, String> {
    let schema = Arc::clone(&node.metadata().schema);
    let tables = match node.table(&request.keyspace, &request.table)? {
        Some(tables) => tables,
        None => {
            schema.keyspaces.values().flat_map(|it| it.tables.values()).map(|it| it.id).collect()
        }
    };
    if tables.is_empty() {
        return Err("there is no table to make a snapshot of".into());
    }
    let made = node.engine.create_snapshot(&request.name, &tables, &*node.blocking).await;
    let made = made.map_err(|it| it.to_string())?;
    tracing::info!(snapshot = request.name, tables = made.len(), "a snapshot was made");
    Ok(answer(made))
}

/// `helenus snapshot list`
pub(crate) async fn list(node: &Shared) -> Result<admin::SnapshotsAnswer, String> {
    all(node).await.map(answer)
}

/// `helenus snapshot restore`
pub(crate) async fn restore(
    node: &Shared,
    request: admin::SnapshotRestoreRequest,
) -> Result<admin::SnapshotRestoreAnswer, String> {
    let (keyspace, name) = (&request.keyspace, &request.table);
    let from = find(node, &request.name, keyspace, name).await?;
    let schema = Arc::clone(&node.metadata().schema);
    let Some(table) = schema.table(keyspace, name) else {
        let again = from.described.as_ref().map_or(String::new(), |it| {
            format!(" Create it again, on any node, with\n{}", it.statement)
        });
        return Err(format!("table {keyspace}.{name} does not exist: rows need one.{again}"));
    };
    let mapped = if from.table == Some(table.id) {
        None
    } else {
        let text = format!("snapshot `{}` cannot become {keyspace}.{name}", from.name);
        let Some(theirs) = &from.described else {
            return Err(format!(
                "{text}: it was made of another table, and does not name its columns"
            ));
        };
        Some(columns(theirs, &described(table)).map_err(|why| format!("{text}: {why}"))?)
    };
    let target = target(node, table, request.all_tokens);
    let restored = node.engine.restore_snapshot(&from, mapped, &target, &*node.blocking).await;
    let it = restored.map_err(|it| it.to_string())?;
    tracing::warn!(
        snapshot = from.name,
        table = format!("{keyspace}.{name}"),
        kept = it.kept,
        "restored"
    );
    Ok(admin::SnapshotRestoreAnswer {
        files: it.files,
        linked: it.linked,
        partitions: it.partitions,
        rows: it.rows,
        kept: it.kept.unwrap_or_default(),
    })
}

/// `helenus snapshot delete`
pub(crate) async fn delete(
    node: &Shared,
    request: admin::SnapshotRequest,
) -> Result<admin::SnapshotDeleteAnswer, String> {
    let table = if request.table.is_empty() {
        None
    } else {
        find(node, &request.name, &request.keyspace, &request.table).await?.table
    };
    let (engine, name) = (node.engine.clone(), request.name.clone());
    let deleted = run_fn(&*node.blocking, move || engine.delete_snapshot(&name, table)).await;
    let it = deleted.map_err(|it| it.to_string())?.map_err(|it| it.to_string())?;
    tracing::info!(snapshot = request.name, tables = it.tables, "a snapshot was removed");
    Ok(admin::SnapshotDeleteAnswer { tables: it.tables, files: it.files })
}

/// `helenus import`
pub(crate) async fn import(
    node: &Shared,
    request: admin::ImportRequest,
) -> Result<admin::ImportAnswer, String> {
    let name = format!("{}.{}", request.keyspace, request.table);
    let schema = Arc::clone(&node.metadata().schema);
    let table = schema.table(&request.keyspace, &request.table);
    let table = table.ok_or_else(|| format!("table {name} does not exist: create it first"))?;
    let paths: Vec<PathBuf> = request.paths.iter().map(PathBuf::from).collect();
    if let Some(path) = paths.iter().find(|it| !it.is_absolute()) {
        return Err(format!("{}: the node needs the whole path", path.display()));
    }
    let disk = Arc::clone(&node.disk);
    let found = run_fn(&*node.blocking, move || Foreign::find(&*disk, &paths)).await;
    let mut files = found.map_err(|it| it.to_string())?.map_err(|it| it.to_string())?;
    one_table(&files)?;
    if table.columns().any(|it| it.is_counter())
        && files.iter().any(|it| it.table != Some(table.id))
    {
        return Err(format!(
            "{name} has counters, which are sums of what each node of their cluster has added: those of \
             another table cannot be taken in; nothing was changed"
        ));
    }
    let ours = described(table);
    for it in files.iter_mut().filter(|it| it.table != Some(table.id)) {
        // Without a manifest beside it columns count by their numbers, and each value is held against its type.
        let Some(theirs) = &it.described else { continue };
        let text = format!("{} cannot become part of {name}", it.path.display());
        it.columns = Some(columns(theirs, &ours).map_err(|why| format!("{text}: {why}"))?);
    }
    let target = target(node, table, request.all_tokens);
    let imported = node.engine.import(&files, &target, &*node.blocking).await;
    let it = imported.map_err(|it| it.to_string())?;
    tracing::info!(table = name, files = it.files, rows = it.rows, "imported");
    let (files, partitions, rows, strange) = (it.files, it.partitions, it.rows, it.strange);
    Ok(admin::ImportAnswer { files, partitions, rows, strange })
}

/// Refuses a folder that is more than one table's: rows of another one would be read as rows of this.
fn one_table(files: &[Foreign]) -> Result<(), String> {
    let mut tables: Vec<TableId> = files.iter().filter_map(|it| it.table).collect();
    tables.sort_unstable();
    tables.dedup();
    match tables[..] {
        [] | [_] => Ok(()),
        [first, second, ..] => Err(format!(
            "these files are of several tables, {} and {} among them: name the folder of one; nothing was changed",
            first.0, second.0
        )),
    }
}

fn target(node: &Shared, table: &Arc<Table>, all_tokens: bool) -> Target {
    let belongs = Belongs {
        host: node.host,
        placement: node.metadata().placement(&table.keyspace).cloned(),
        table: Arc::clone(table),
    };
    let admission: Arc<dyn Admission> = Arc::new(belongs);
    Target { table: table.id, all_tokens, admission }
}

async fn all(node: &Shared) -> Result<Vec<Listed>, String> {
    let engine = node.engine.clone();
    let all = run_fn(&*node.blocking, move || engine.snapshots()).await;
    all.map_err(|it| it.to_string())?.map_err(|it| it.to_string())
}

/// What the snapshot has of the table of this name; of one without a name, by the id of the table that has it now.
async fn find(node: &Shared, name: &str, keyspace: &str, table: &str) -> Result<Listed, String> {
    let id = node.metadata().schema.table(keyspace, table).map(|it| it.id);
    let is_it = |it: &&Listed| {
        let by_id = it.table.is_some() && it.table == id;
        let named = |it: &Listed| {
            it.described.as_ref().map(|it| it.keyspace == keyspace && it.table == table)
        };
        it.name == name && named(it).unwrap_or(by_id)
    };
    let all = all(node).await?;
    all.iter().find(is_it).cloned().ok_or_else(|| {
        let of = format!(" of {keyspace}.{table}");
        Error::Missing { name: name.to_owned(), of }.to_string()
    })
}

fn answer(listed: Vec<Listed>) -> admin::SnapshotsAnswer {
    let part = |it: Listed| {
        let words = |of: fn(&engine::Described) -> &String| {
            it.described.as_ref().map(|it| of(it).clone()).unwrap_or_default()
        };
        admin::SnapshotPart {
            keyspace: words(|it| &it.keyspace),
            table: words(|it| &it.table),
            table_id: it.table.map(|it| it.0.to_string()).unwrap_or_default(),
            created_micros: it.created.unwrap_or(0),
            files: it.files,
            bytes: it.bytes,
            // Whoever imports from there may stand elsewhere.
            folder: std::path::absolute(&it.folder).unwrap_or(it.folder).display().to_string(),
            fault: it.fault.clone().unwrap_or_default(),
            name: it.name,
        }
    };
    admin::SnapshotsAnswer { snapshots: listed.into_iter().map(part).collect() }
}
