//! Schema changes that are agreed at once.

use super::*;

/// A catalog whose schema changes as soon as it is asked to.
#[derive(Default)]
pub(in crate::tests) struct Agreed {
    schema: Mutex<Arc<Schema>>,
    failure: Mutex<Option<catalog::Error>>,
}

impl Agreed {
    /// Fails the next schema change.
    pub(in crate::tests) fn fail(&self, error: catalog::Error) {
        *self.failure.lock().unwrap() = Some(error);
    }

    fn agree(&self, change: SchemaChange) -> Result<u64, catalog::Error> {
        if let Some(error) = self.failure.lock().unwrap().take() {
            return Err(error);
        }
        let mut schema = self.schema.lock().unwrap();
        let mut next = Schema::clone(&schema);
        next.epoch += 1;
        match change {
            SchemaChange::CreateKeyspace(keyspace) => {
                next.keyspaces.insert(keyspace.name.clone(), Arc::new(keyspace));
            }
            SchemaChange::AlterKeyspace { name, replication, durable_writes } => {
                let keyspace = Arc::make_mut(next.keyspaces.get_mut(&name).unwrap());
                keyspace.replication = replication;
                keyspace.durable_writes = durable_writes;
            }
            SchemaChange::AlterTable(mut table) => {
                model::schema::check_table(&table).unwrap();
                let keyspace = Arc::make_mut(next.keyspaces.get_mut(&table.keyspace).unwrap());
                let current = &keyspace.tables[&table.name];
                assert_eq!((current.id, current.epoch), (table.id, table.epoch));
                table.epoch = next.epoch;
                keyspace.tables.insert(table.name.clone(), Arc::new(table));
            }
            SchemaChange::CreateType(user) | SchemaChange::AlterType { after: user, .. } => {
                model::schema::check_type(&user).unwrap();
                let keyspace = Arc::make_mut(next.keyspaces.get_mut(&user.keyspace).unwrap());
                let user = Arc::new(user);
                for table in keyspace.tables.values_mut() {
                    for column in Arc::make_mut(table).columns_mut() {
                        column.cql_type = column.cql_type.with_user_type(&user);
                    }
                }
                keyspace.types.insert(user.name.clone(), user);
            }
            SchemaChange::DropType { keyspace, name } => {
                let keyspace = Arc::make_mut(next.keyspaces.get_mut(&keyspace).unwrap());
                keyspace.types.remove(&name).unwrap();
            }
            SchemaChange::DropKeyspace(name) => {
                next.keyspaces.remove(&name);
            }
            SchemaChange::CreateTable(mut table) => {
                model::schema::check_table(&table).unwrap();
                table.epoch = next.epoch;
                let keyspace = next.keyspaces.get_mut(&table.keyspace).unwrap();
                let mut changed = Keyspace::clone(keyspace);
                changed.tables.insert(table.name.clone(), Arc::new(table));
                *keyspace = Arc::new(changed);
            }
            SchemaChange::DropTable { keyspace, name, id } => {
                let keyspace = next.keyspaces.get_mut(&keyspace).unwrap();
                let mut changed = Keyspace::clone(keyspace);
                let dropped = changed.tables.remove(&name);
                assert_eq!(dropped.map(|it| it.id), Some(id));
                *keyspace = Arc::new(changed);
            }
        }
        let epoch = next.epoch;
        *schema = Arc::new(next);
        Ok(epoch)
    }
}

impl Catalog for Agreed {
    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema.lock().unwrap())
    }

    fn propose(
        &self,
        change: SchemaChange,
        _: Duration,
    ) -> BoxFuture<'_, Result<u64, catalog::Error>> {
        Box::pin(ready(self.agree(change)))
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        let node = |last: u8, dc: &str| NodeInfo {
            host: HostId(uuid::Uuid::from_u128(u128::from(last))),
            peer: SocketAddr::from(([127, 0, 0, last], 7000)),
            address: format!("127.0.0.{last}:7000"),
            cql: SocketAddr::from(([127, 0, 0, last], 9042)),
            dc: dc.to_owned(),
            rack: "r1".to_owned(),
            tokens: vec![Token(i64::from(last))],
            alive: last != 3,
        };
        vec![node(1, "dc1"), node(2, "dc1"), node(3, "dc2")]
    }

    fn cluster_name(&self) -> String {
        "troy".to_owned()
    }

    fn ask_others(&self, _: Command, _: Duration) -> BoxFuture<'_, Vec<Partition>> {
        Box::pin(ready(Vec::new()))
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }
}
