"""What a stock Python driver is told of a node's inside: traces, and the tables of `system_views`.

    python check_inside.py PROGRAM
"""

import datetime
import logging
import sys

from cassandra.query import BatchStatement, BatchType, SimpleStatement

import check
import cluster as processes
from check import connect, only


def check_a_trace_is_found_on_whatever_node_is_asked(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(check.KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.traced (k int PRIMARY KEY, v text)")
        insert = session.prepare("INSERT INTO ks.traced (k, v) VALUES (?, ?)")
        text = "SELECT v FROM ks.traced WHERE k = 1"
        for statement, values, request in (
            (SimpleStatement(text), None, "Execute CQL3 query"),
            (insert, (1, "x"), "Execute CQL3 prepared query"),
        ):
            # The driver asks for the rows of a trace wherever it likes.
            for _ in range(6):
                result = session.execute(statement, values, trace=True)
                trace = result.get_query_trace()
                assert trace.request_type == request, trace.request_type
                assert str(trace.coordinator) in processes.ADDRESSES, trace.coordinator
                assert str(trace.client).startswith("127."), trace.client
                assert datetime.timedelta(0) < trace.duration < datetime.timedelta(seconds=60)
                now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
                assert abs(now - trace.started_at) < datetime.timedelta(minutes=5), trace.started_at
                assert trace.parameters["consistency_level"] == "QUORUM", trace.parameters
                assert "ks.traced" in trace.parameters["query"], trace.parameters
                told = [event.description for event in trace.events]
                # A quorum of three: two replicas at least are asked, and answer.
                assert sum(it.startswith("asked") for it in told) >= 2, told
                assert sum(it.startswith("answered") for it in told) >= 2, told
                elapsed = [event.source_elapsed for event in trace.events]
                assert elapsed == sorted(elapsed), elapsed
                assert {str(event.source) for event in trace.events} <= set(processes.ADDRESSES)
        batch = BatchStatement(batch_type=BatchType.UNLOGGED)
        batch.add(insert, (2, "y"))
        trace = session.execute(batch, trace=True).get_query_trace()
        assert trace.request_type == "Execute batch of CQL3 queries", trace.request_type
        # Nobody asked for one.
        assert session.execute(text).get_query_trace() is None


def check_a_node_tells_of_itself(nodes):
    with connect(nodes, policy=only(nodes, 1)) as cluster:
        session = cluster.connect("system_views")
        settings = {row.name: row.value for row in session.execute("SELECT * FROM settings")}
        assert settings["cluster_name"] == "drivers" and settings["memory"] == "128MiB", settings
        clients = list(session.execute("SELECT * FROM clients"))
        # This session has a connection at least.
        mine = [row for row in clients if row.keyspace_name == "system_views"]
        assert mine and all(row.connection_stage == "ready" for row in mine), clients
        for row in mine:
            assert row.protocol_version == 5 and row.port > 0 and row.request_count > 0, row
            assert row.client_options["CQL_VERSION"].startswith("3."), row
            assert row.driver_name == row.client_options.get("DRIVER_NAME"), row
        (cache,) = session.execute("SELECT * FROM caches")
        assert cache.name == "blocks" and cache.capacity_bytes > 0, cache
        pools = {row.name: row for row in session.execute("SELECT * FROM thread_pools")}
        assert pools["Native-Transport-Requests"].completed_tasks > 0, pools
        assert {"CompactionExecutor", "MemtableFlushWriter"} < set(pools), pools
        for table in ("sstable_tasks", "max_partition_size"):
            session.execute(f"SELECT * FROM {table}")


def check_hints_are_seen_until_their_node_is_back(nodes):
    with connect(nodes, policy=only(nodes, 0)) as cluster:
        session = cluster.connect()
        session.execute(check.KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.missed (k int PRIMARY KEY)")
        hints = lambda: list(session.execute("SELECT * FROM system_views.pending_hints"))
        assert hints() == []
        nodes.stop(2)

        def written():
            session.execute("INSERT INTO ks.missed (k) VALUES (1)")
            return hints()

        (row,) = processes.until("a hint is kept", written)
        assert (row.address, row.dc, row.rack, row.files) == (processes.ADDRESSES[2], "dc1", "rack1", 1), row
        assert row.status == "DOWN" and row.total_size > 0 and row.oldest is not None, row
        nodes.start(2)
        processes.until("its hints are replayed", lambda: not hints())


def main():
    logging.basicConfig(level=logging.ERROR)
    with processes.Cluster(sys.argv[1]) as nodes:
        for name, claim in list(globals().items()):
            if name.startswith("check_"):
                begun = datetime.datetime.now()
                claim(nodes)
                seconds = (datetime.datetime.now() - begun).total_seconds()
                print(f"ok {seconds:6.1f} s  {name[6:].replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    main()
