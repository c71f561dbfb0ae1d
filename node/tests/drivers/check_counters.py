"""Counters through a stock driver: added to in text, bound and in batches, read as numbers, and what is told of an
addition that nobody may repeat.

    python check_counters.py PROGRAM [WORD]
"""

import signal

from cassandra import ConsistencyLevel, InvalidRequest, WriteTimeout, WriteType
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement

import cluster as processes
from check import KEYSPACE, connect, main, refused

TABLE = (
    "CREATE TABLE IF NOT EXISTS ks.clicks "
    "(page text, day int, views counter, likes counter, total counter static, PRIMARY KEY (page, day))"
)
COUNT = "UPDATE ks.clicks SET views = views + ?, likes = likes - ? WHERE page = ? AND day = ?"


def at_work(cluster):
    session = cluster.connect()
    session.execute(KEYSPACE)
    session.execute(TABLE)
    return session


def check_additions_in_text_and_bound(nodes):
    for version in (4, 5):
        page = f"of {version}"
        with connect(nodes, protocol_version=version) as cluster:
            session = at_work(cluster)
            column = cluster.metadata.keyspaces["ks"].tables["clicks"].columns["views"]
            assert column.cql_type == "counter", column.cql_type
            count = session.prepare(COUNT)
            for day in range(20):
                session.execute(count, (day, 1, page, day % 4))
            session.execute(count, (UNSET_VALUE, -(2**40), page, 0))
            session.execute(
                "UPDATE ks.clicks SET views += 2, total = total + 7 WHERE page = %s AND day = 1", (page,)
            )
            rows = list(session.execute("SELECT day, views, likes, total FROM ks.clicks WHERE page = %s", (page,)))
            found = [(it.day, it.views, it.likes, it.total) for it in rows]
            assert found == [(0, 40, 2**40 - 5, 7), (1, 47, -5, 7), (2, 50, -5, 7), (3, 55, -5, 7)], found
            filtered = session.prepare("SELECT day FROM ks.clicks WHERE page = ? AND views = ? ALLOW FILTERING")
            assert [it.day for it in session.execute(filtered, (page, 50))] == [2]
            row = session.execute("SELECT sum(views), max(likes) FROM ks.clicks WHERE page = %s", (page,)).one()
            assert tuple(row) == (192, 2**40 - 5), row
            session.execute("DELETE views FROM ks.clicks WHERE page = %s AND day = 0", (page,))
            session.execute(count, (3, UNSET_VALUE, page, 0))
            row = session.execute("SELECT views FROM ks.clicks WHERE page = %s AND day = 0", (page,)).one()
            assert row.views == 3, row


def check_batches_of_counters(nodes):
    with connect(nodes) as cluster:
        session = at_work(cluster)
        count = session.prepare(COUNT)
        batch = BatchStatement(batch_type=BatchType.COUNTER)
        for day in (1, 2, 1):
            batch.add(count, (1, 0, "batched", day))
        batch.add(count, (5, 0, "batched too", 1))
        batch.add(SimpleStatement("UPDATE ks.clicks SET views = views + 10 WHERE page = 'batched' AND day = 1"))
        session.execute(batch)
        session.execute(
            "BEGIN COUNTER BATCH UPDATE ks.clicks SET views = views + 1 WHERE page = 'batched' AND day = 2; APPLY BATCH"
        )
        found = {(it.page, it.day): it.views for it in session.execute("SELECT page, day, views FROM ks.clicks")}
        wanted = {("batched", 1): 12, ("batched", 2): 2, ("batched too", 1): 5}
        assert wanted.items() <= found.items(), found
        logged = BatchStatement()
        logged.add(count, (1, 0, "batched", 1))
        refused(InvalidRequest, lambda: session.execute(logged), "HX2004", "COUNTER")
        mixed = BatchStatement(batch_type=BatchType.COUNTER)
        session.execute("CREATE TABLE IF NOT EXISTS ks.plain (k int PRIMARY KEY)")
        mixed.add(count, (1, 0, "batched", 1))
        mixed.add(SimpleStatement("INSERT INTO ks.plain (k) VALUES (1)"))
        refused(InvalidRequest, lambda: session.execute(mixed), "HX2004", "counters")


def check_what_is_no_addition_is_refused(nodes):
    with connect(nodes) as cluster:
        session = at_work(cluster)
        key = "WHERE page = 'x' AND day = 1"
        for statement in (
            "INSERT INTO ks.clicks (page, day, views) VALUES ('x', 1, 1)",
            f"UPDATE ks.clicks SET views = 1 {key}",
            f"UPDATE ks.clicks USING TTL 5 SET views = views + 1 {key}",
        ):
            refused(InvalidRequest, lambda: session.execute(statement), "HX2004", "counter")
        count = session.prepare(COUNT)
        refused(InvalidRequest, lambda: session.execute(count, (None, 1, "x", 1)), "HX2004", "null")
        count.consistency_level = ConsistencyLevel.ANY
        refused(InvalidRequest, lambda: session.execute(count, (1, 1, "x", 1)), "HX2004", "ANY")


def check_an_unknown_outcome_is_a_timeout_of_kind_counter(nodes):
    first = WhiteListRoundRobinPolicy([processes.ADDRESSES[0]])
    with connect(nodes, policy=first) as cluster:
        session = at_work(cluster)
        count = session.prepare(COUNT)
        session.execute(count, (1, 0, "frozen", 1))
        for node in nodes.processes[1:]:
            node.send_signal(signal.SIGSTOP)
        try:
            session.execute(count, (1, 0, "frozen", 1))
            raise AssertionError("one node is no quorum")
        except WriteTimeout as error:
            assert error.write_type == WriteType.COUNTER, error
            assert (error.required_responses, error.received_responses) == (2, 1), error
        finally:
            for node in nodes.processes[1:]:
                node.send_signal(signal.SIGCONT)

        def views():
            row = session.execute("SELECT views FROM ks.clicks WHERE page = 'frozen' AND day = 1").one()
            return row and row.views

        # The leader has it, and hints it: once, whoever is asked.
        processes.until("the leader tells the others", lambda: try_to(views) == 2)


def try_to(read):
    try:
        return read()
    except Exception:  # Nodes that were frozen are taken back one after the other.
        return None


if __name__ == "__main__":
    main(globals())
