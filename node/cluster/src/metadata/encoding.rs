//! The bytes of metadata, in records and messages alike.

use std::{collections::BTreeMap, sync::Arc};

use model::{
    ColumnId, HostId, Keyspace, Schema, Table, TableId,
    codec::{Malformed, Reader, Writer},
    key::Order,
    schema::{Column, ColumnKind, CqlType, NativeType, Replication, TableOptions, UserType},
};
use uuid::Uuid;

use super::{Change, Entry, Found, Metadata, NODES_MAX, Proposal, Secret};
use crate::{
    codec::{Wire, get_all, get_u32, put_all},
    ring::{Node, Ring, TOKENS_MAX},
};

impl Wire for Node {
    fn put(&self, out: &mut Writer) {
        self.host_id.put(out);
        for text in [&self.peer_addr, &self.cql_addr, &self.client_addr, &self.dc, &self.rack] {
            text.put(out);
        }
        put_all(out, self.tokens.iter());
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let node = Node {
            host_id: HostId::get(input)?,
            peer_addr: String::get(input)?,
            cql_addr: String::get(input)?,
            client_addr: String::get(input)?,
            dc: String::get(input)?,
            rack: String::get(input)?,
            tokens: get_all(input, "tokens")?,
        };
        if node.tokens.len() > TOKENS_MAX as usize {
            return Err(input.malformed("tokens"));
        }
        Ok(node)
    }
}

impl Wire for Replication {
    fn put(&self, out: &mut Writer) {
        match self {
            Replication::Simple { factor } => {
                out.u8(0);
                out.uint(u64::from(*factor));
            }
            Replication::NetworkTopology(factors) => {
                out.u8(1);
                out.uint(factors.len() as u64);
                for (dc, factor) in factors {
                    dc.put(out);
                    out.uint(u64::from(*factor));
                }
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        match input.u8("replication")? {
            0 => Ok(Replication::Simple { factor: get_u32(input, "replication factor")? }),
            1 => {
                let mut factors = BTreeMap::new();
                for _ in 0..input.count(2, "data centers")? {
                    let dc = String::get(input)?;
                    factors.insert(dc, get_u32(input, "replication factor")?);
                }
                Ok(Replication::NetworkTopology(factors))
            }
            _ => Err(input.malformed("replication")),
        }
    }
}

impl Wire for Column {
    fn put(&self, out: &mut Writer) {
        out.uint(u64::from(self.id.0));
        self.name.put(out);
        self.cql_type.in_full().put(out);
        out.u8(match (self.kind, self.is_multi_cell) {
            (ColumnKind::Partition, _) => 0,
            (ColumnKind::Clustering(Order::Asc), _) => 1,
            (ColumnKind::Clustering(Order::Desc), _) => 2,
            (ColumnKind::Static, false) => 3,
            (ColumnKind::Regular, false) => 4,
            (ColumnKind::Static, true) => 6,
            (ColumnKind::Regular, true) => 7,
        });
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        match get_column(input)? {
            (column, false) => Ok(column),
            (_, true) => Err(input.malformed("column kind")),
        }
    }
}

/// The kind of a column that was dropped, of which the id alone is known.
const DROPPED: u8 = 5;

fn put_dropped(out: &mut Writer, id: ColumnId) {
    out.uint(u64::from(id.0));
    String::new().put(out);
    NativeType::Blob.name().to_owned().put(out);
    out.u8(DROPPED);
}

/// A column, and whether it was dropped.
fn get_column(input: &mut Reader) -> Result<(Column, bool), Malformed> {
    let id = ColumnId(get_u32(input, "column id")?);
    let name = String::get(input)?;
    let cql_type = CqlType::parse(&String::get(input)?);
    let cql_type = cql_type.map_err(|_| input.malformed("column type"))?;
    let tag = input.u8("column kind")?;
    let (kind, dropped) = match tag {
        0 => (ColumnKind::Partition, false),
        1 => (ColumnKind::Clustering(Order::Asc), false),
        2 => (ColumnKind::Clustering(Order::Desc), false),
        3 => (ColumnKind::Static, false),
        4 => (ColumnKind::Regular, false),
        DROPPED => (ColumnKind::Regular, true),
        6 | 7 => {
            let kind = if tag == 6 { ColumnKind::Static } else { ColumnKind::Regular };
            return Ok((Column { id, name, cql_type, is_multi_cell: true, kind }, false));
        }
        _ => return Err(input.malformed("column kind")),
    };
    Ok((Column { id, name, cql_type, is_multi_cell: false, kind }, dropped))
}

impl Wire for TableOptions {
    fn put(&self, out: &mut Writer) {
        self.comment.put(out);
        out.uint(u64::from(self.gc_grace_seconds));
        out.uint(u64::from(self.default_time_to_live));
        for map in [&self.compaction, &self.compression] {
            out.uint(map.len() as u64);
            for (name, value) in map {
                name.put(out);
                value.put(out);
            }
        }
        out.raw(&self.bloom_filter_fp_chance.to_bits().to_le_bytes());
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let comment = String::get(input)?;
        let gc_grace_seconds = get_u32(input, "gc_grace_seconds")?;
        let default_time_to_live = get_u32(input, "default_time_to_live")?;
        let compaction = get_all::<(String, String), _>(input, "compaction")?;
        let compression = get_all::<(String, String), _>(input, "compression")?;
        let bits = input.raw(8, "bloom_filter_fp_chance")?;
        let bits = <[u8; 8]>::try_from(&bits[..]).map_err(|_| input.malformed("bits"))?;
        Ok(TableOptions {
            comment,
            gc_grace_seconds,
            default_time_to_live,
            compaction,
            compression,
            bloom_filter_fp_chance: f64::from_bits(u64::from_le_bytes(bits)),
        })
    }
}

impl Wire for Table {
    fn put(&self, out: &mut Writer) {
        self.id.0.put(out);
        self.keyspace.put(out);
        self.name.put(out);
        for columns in [&self.partition_key, &self.clustering_key, &self.statics] {
            put_all(out, columns.iter());
        }
        // Dropped columns are written among the regular ones, of a kind of their own.
        out.uint((self.regulars.len() + self.dropped.len()) as u64);
        self.regulars.iter().for_each(|it| it.put(out));
        self.dropped.iter().for_each(|it| put_dropped(out, *it));
        self.options.put(out);
        out.uint(self.epoch);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let mut table = Table {
            id: TableId(Uuid::get(input)?),
            keyspace: String::get(input)?,
            name: String::get(input)?,
            partition_key: get_all(input, "partition key")?,
            clustering_key: get_all(input, "clustering key")?,
            statics: get_all(input, "statics")?,
            regulars: Vec::new(),
            dropped: Vec::new(),
            options: TableOptions::default(),
            epoch: 0,
        };
        for _ in 0..input.count(4, "regulars")? {
            match get_column(input)? {
                (column, true) => table.dropped.push(column.id),
                (column, false) => table.regulars.push(column),
            }
        }
        table.options = TableOptions::get(input)?;
        table.epoch = input.uint("table epoch")?;
        Ok(table)
    }
}

impl Wire for Keyspace {
    fn put(&self, out: &mut Writer) {
        self.name.put(out);
        self.replication.put(out);
        self.durable_writes.put(out);
        put_all(out, self.tables.values().map(Arc::as_ref));
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let name = String::get(input)?;
        let replication = Replication::get(input)?;
        let durable_writes = bool::get(input)?;
        let tables = get_all::<Table, Vec<_>>(input, "tables")?;
        let tables = tables.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
        let types = BTreeMap::new();
        Ok(Keyspace { name, replication, durable_writes, tables, types })
    }
}

/// Its fields alone, each as text in full: what it is made of is known without the keyspace.
impl Wire for UserType {
    fn put(&self, out: &mut Writer) {
        CqlType::User(Arc::new(self.clone())).in_full().put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let text = String::get(input)?;
        match CqlType::parse(&text).map_err(|_| input.malformed("user type"))? {
            CqlType::User(user) => Ok(Arc::unwrap_or_clone(user)),
            CqlType::Native(_)
            | CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..) => Err(input.malformed("user type")),
        }
    }
}

impl Wire for Secret {
    fn put(&self, out: &mut Writer) {
        out.raw(&self.0);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let bytes = input.raw(32, "secret")?;
        <[u8; 32]>::try_from(&bytes[..]).map(Secret).map_err(|_| input.malformed("secret"))
    }
}

impl Wire for Found {
    fn put(&self, out: &mut Writer) {
        self.cluster_id.put(out);
        self.secret.put(out);
        self.cluster_name.put(out);
        put_all(out, self.nodes.iter());
        put_all(out, self.voters.iter());
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Found {
            cluster_id: Uuid::get(input)?,
            secret: Secret::get(input)?,
            cluster_name: String::get(input)?,
            nodes: get_all(input, "nodes")?,
            voters: get_all(input, "voters")?,
        })
    }
}

impl Wire for Change {
    fn put(&self, out: &mut Writer) {
        match self {
            Change::Found(found) => {
                out.u8(0);
                found.put(out);
            }
            Change::CreateKeyspace { keyspace } => {
                out.u8(1);
                keyspace.put(out);
            }
            Change::AlterKeyspace { name, replication, durable_writes } => {
                out.u8(2);
                name.put(out);
                replication.put(out);
                durable_writes.put(out);
            }
            Change::DropKeyspace { name } => {
                out.u8(3);
                name.put(out);
            }
            Change::CreateTable { table } => {
                out.u8(4);
                table.put(out);
            }
            Change::AlterTable { table } => {
                out.u8(5);
                table.put(out);
            }
            Change::DropTable { keyspace, name, id } => {
                out.u8(6);
                keyspace.put(out);
                name.put(out);
                id.0.put(out);
            }
            Change::CreateType { user } => {
                out.u8(8);
                user.put(out);
            }
            Change::AlterType { before, after } => {
                out.u8(9);
                before.put(out);
                after.put(out);
            }
            Change::DropType { keyspace, name } => {
                out.u8(10);
                keyspace.put(out);
                name.put(out);
            }
            Change::UpdateNode { host_id, peer_addr, cql_addr, client_addr } => {
                out.u8(7);
                host_id.put(out);
                peer_addr.put(out);
                cql_addr.put(out);
                client_addr.put(out);
            }
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(match input.u8("change")? {
            0 => Change::Found(Found::get(input)?),
            1 => Change::CreateKeyspace { keyspace: Keyspace::get(input)? },
            2 => Change::AlterKeyspace {
                name: String::get(input)?,
                replication: Replication::get(input)?,
                durable_writes: bool::get(input)?,
            },
            3 => Change::DropKeyspace { name: String::get(input)? },
            4 => Change::CreateTable { table: Arc::new(Table::get(input)?) },
            5 => Change::AlterTable { table: Arc::new(Table::get(input)?) },
            6 => Change::DropTable {
                keyspace: String::get(input)?,
                name: String::get(input)?,
                id: TableId(Uuid::get(input)?),
            },
            7 => Change::UpdateNode {
                host_id: HostId::get(input)?,
                peer_addr: String::get(input)?,
                cql_addr: String::get(input)?,
                client_addr: String::get(input)?,
            },
            8 => Change::CreateType { user: UserType::get(input)? },
            9 => Change::AlterType { before: UserType::get(input)?, after: UserType::get(input)? },
            10 => Change::DropType { keyspace: String::get(input)?, name: String::get(input)? },
            _ => return Err(input.malformed("change")),
        })
    }
}

impl Wire for Proposal {
    fn put(&self, out: &mut Writer) {
        self.id.put(out);
        self.change.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Proposal { id: Uuid::get(input)?, change: Change::get(input)? })
    }
}

impl Wire for Entry {
    fn put(&self, out: &mut Writer) {
        out.uint(self.epoch);
        self.proposal.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Entry { epoch: input.uint("epoch")?, proposal: Proposal::get(input)? })
    }
}

impl Wire for Metadata {
    fn put(&self, out: &mut Writer) {
        out.uint(self.epoch);
        self.cluster_id.put(out);
        self.secret.put(out);
        self.cluster_name.put(out);
        put_all(out, self.nodes.values());
        put_all(out, self.voters.iter());
        out.uint(self.ring.epoch());
        out.uint(self.schema.epoch);
        put_all(out, self.schema.keyspaces.values().map(Arc::as_ref));
        // The last part, and left out where there are none: so it was before there were types.
        let types = || self.schema.keyspaces.values().flat_map(|it| it.types.values());
        if types().next().is_some() {
            out.uint(types().count() as u64);
            types().for_each(|it| it.put(out));
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let mut metadata = Metadata {
            epoch: input.uint("epoch")?,
            cluster_id: Uuid::get(input)?,
            secret: Secret::get(input)?,
            cluster_name: String::get(input)?,
            ..Metadata::unfounded()
        };
        let nodes = get_all::<Node, Vec<_>>(input, "nodes")?;
        if nodes.len() > NODES_MAX {
            return Err(input.malformed("nodes"));
        }
        metadata.nodes = Arc::new(nodes.into_iter().map(|it| (it.host_id, it)).collect());
        metadata.voters = Arc::new(get_all(input, "voters")?);
        metadata.ring = Arc::new(Ring::new(input.uint("ring epoch")?, metadata.nodes.values()));
        let epoch = input.uint("schema epoch")?;
        let keyspaces = get_all::<Keyspace, Vec<_>>(input, "keyspaces")?;
        let keyspaces = keyspaces.into_iter().map(|it| (it.name.clone(), it));
        let mut keyspaces: BTreeMap<String, Keyspace> = keyspaces.collect();
        let mut types = Vec::new();
        if !input.is_done() {
            types = get_all::<UserType, Vec<_>>(input, "types")?;
            if types.is_empty() {
                return Err(input.malformed("types"));
            }
        }
        for user in types {
            let keyspace = keyspaces.get_mut(&user.keyspace);
            let keyspace = keyspace.ok_or_else(|| input.malformed("keyspace of a type"))?;
            keyspace.types.insert(user.name.clone(), Arc::new(user));
        }
        let keyspaces = keyspaces.into_iter().map(|(name, it)| (name, Arc::new(it))).collect();
        metadata.schema = Arc::new(Schema { epoch, keyspaces });
        metadata.place();
        Ok(metadata)
    }
}
