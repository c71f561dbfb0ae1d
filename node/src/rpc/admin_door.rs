//! The door for operators: rare calls, so unary.

use std::sync::Arc;

use proto::admin;
use tonic::{Request, Response, Status};

/// What operators may ask of the node behind.
#[tonic::async_trait]
pub(crate) trait Behind: Send + Sync + 'static {
    /// The cluster as this node sees it.
    fn status(&self) -> admin::StatusAnswer;

    /// Why this node, or the cluster as it sees it, is unhealthy; empty when it is not.
    fn unhealthy(&self) -> Vec<String>;

    /// Writes memtables to sstables; an empty name means all.
    async fn flush(&self, keyspace: &str, table: &str) -> Result<String, String>;

    /// Merges sstables; an empty name means all.
    async fn compact(&self, keyspace: &str, table: &str) -> Result<String, String>;

    /// Stops taking requests, flushes, and marks the directory clean.
    async fn drain(&self) -> Result<String, String>;

    /// Every setting with its origin.
    fn settings(&self) -> Vec<admin::Setting>;

    /// Where a partition lives; the key is written as in CQL.
    fn locate(&self, keyspace: &str, table: &str, key: &str) -> Result<admin::WhereAnswer, String>;

    /// Makes a snapshot; no names mean every table.
    async fn snapshot_create(
        &self,
        request: admin::SnapshotRequest,
    ) -> Result<admin::SnapshotsAnswer, String>;

    /// Every snapshot.
    async fn snapshot_list(&self) -> Result<admin::SnapshotsAnswer, String>;

    /// Makes a table what a snapshot holds of it.
    async fn snapshot_restore(
        &self,
        request: admin::SnapshotRestoreRequest,
    ) -> Result<admin::SnapshotRestoreAnswer, String>;

    /// Removes a snapshot, or what it holds of one table.
    async fn snapshot_delete(
        &self,
        request: admin::SnapshotRequest,
    ) -> Result<admin::SnapshotDeleteAnswer, String>;

    /// Adds sstables of elsewhere to a table.
    async fn import(&self, request: admin::ImportRequest) -> Result<admin::ImportAnswer, String>;
}

/// The service.
pub(crate) struct AdminDoor {
    /// The node behind.
    pub(crate) behind: Arc<dyn Behind>,
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl admin::admin_server::Admin for AdminDoor {
    async fn status(&self, _: Request<admin::StatusRequest>) -> Answered<admin::StatusAnswer> {
        Ok(Response::new(self.behind.status()))
    }

    async fn health(&self, _: Request<admin::HealthRequest>) -> Answered<admin::HealthAnswer> {
        let reasons = self.behind.unhealthy();
        Ok(Response::new(admin::HealthAnswer { healthy: reasons.is_empty(), reasons }))
    }

    async fn flush(&self, request: Request<admin::TableRequest>) -> Answered<admin::DoneAnswer> {
        let it = request.into_inner();
        done(self.behind.flush(&it.keyspace, &it.table).await)
    }

    async fn compact(&self, request: Request<admin::TableRequest>) -> Answered<admin::DoneAnswer> {
        let it = request.into_inner();
        done(self.behind.compact(&it.keyspace, &it.table).await)
    }

    async fn drain(&self, _: Request<admin::DrainRequest>) -> Answered<admin::DoneAnswer> {
        done(self.behind.drain().await)
    }

    async fn version(&self, _: Request<admin::VersionRequest>) -> Answered<admin::VersionAnswer> {
        Ok(Response::new(crate::version::answer()))
    }

    async fn config(&self, _: Request<admin::ConfigRequest>) -> Answered<admin::ConfigAnswer> {
        Ok(Response::new(admin::ConfigAnswer { settings: self.behind.settings() }))
    }

    async fn r#where(&self, request: Request<admin::WhereRequest>) -> Answered<admin::WhereAnswer> {
        let it = request.into_inner();
        answer(self.behind.locate(&it.keyspace, &it.table, &it.key))
    }

    async fn snapshot_create(
        &self,
        request: Request<admin::SnapshotRequest>,
    ) -> Answered<admin::SnapshotsAnswer> {
        answer(self.behind.snapshot_create(request.into_inner()).await)
    }

    async fn snapshot_list(
        &self,
        _: Request<admin::SnapshotListRequest>,
    ) -> Answered<admin::SnapshotsAnswer> {
        answer(self.behind.snapshot_list().await)
    }

    async fn snapshot_restore(
        &self,
        request: Request<admin::SnapshotRestoreRequest>,
    ) -> Answered<admin::SnapshotRestoreAnswer> {
        answer(self.behind.snapshot_restore(request.into_inner()).await)
    }

    async fn snapshot_delete(
        &self,
        request: Request<admin::SnapshotRequest>,
    ) -> Answered<admin::SnapshotDeleteAnswer> {
        answer(self.behind.snapshot_delete(request.into_inner()).await)
    }

    async fn import(
        &self,
        request: Request<admin::ImportRequest>,
    ) -> Answered<admin::ImportAnswer> {
        answer(self.behind.import(request.into_inner()).await)
    }
}

fn answer<T>(outcome: Result<T, String>) -> Answered<T> {
    outcome.map(Response::new).map_err(Status::failed_precondition)
}

fn done(outcome: Result<String, String>) -> Answered<admin::DoneAnswer> {
    answer(outcome.map(|message| admin::DoneAnswer { message }))
}
