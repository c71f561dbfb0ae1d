"""What a stock Python driver sees of Helenus: the package `cassandra`, of cassandra-driver or of scylla-driver.

    python check.py PROGRAM [WORD]

Every function that begins with `check_` is a claim. With a WORD only those that have it in their name.
"""

import datetime
import decimal
import ipaddress
import logging
import sys
import threading
import uuid

from cassandra import AlreadyExists, ConsistencyLevel, InvalidRequest, Unavailable, WriteType
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.metadata import Murmur3Token
from cassandra.policies import RoundRobinPolicy, TokenAwarePolicy, WhiteListRoundRobinPolicy
from cassandra.protocol import ConfigurationException, SyntaxException
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement
from cassandra.util import Date, Duration, Time

import cluster as processes

ROWS = 100_000


def connect(nodes, policy=None, **options):
    """A session; its cluster is shut down by the caller, through `with`."""
    options.setdefault("protocol_version", 5)
    # What was written is read: the drivers' own default, LOCAL_ONE, does not promise that.
    profile = ExecutionProfile(
        load_balancing_policy=policy or TokenAwarePolicy(RoundRobinPolicy()),
        consistency_level=ConsistencyLevel.QUORUM,
        request_timeout=60,
    )
    return Cluster(
        processes.ADDRESSES,
        port=nodes.cql_port,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=20,
        control_connection_timeout=20,
        reconnection_policy=Soon(),
        **options,
    )


def sessions(nodes):
    """A session in each version of the protocol, one after the other, beside the keyspace `ks`."""
    for version in (4, 5):
        with connect(nodes, protocol_version=version) as cluster:
            session = cluster.connect()
            session.execute(KEYSPACE)
            yield session


class Soon:
    """Tries again soon: a test does not wait minutes for a node that is back."""

    def new_schedule(self):
        while True:
            yield 0.2


def only(nodes, number):
    """Requests go to this node alone."""
    return WhiteListRoundRobinPolicy([processes.ADDRESSES[number]])


def refused(kind, work, *words):
    """Fails unless `work` fails so, with these words in its message."""
    try:
        work()
    except kind as error:
        for word in words:
            assert word in str(error), (word, str(error))
        return error
    raise AssertionError(f"it worked, and should be {kind}")


def check_every_version_with_every_compression(nodes):
    for version in (4, 5):
        for compression in (False, "lz4", "snappy"):
            if version == 5 and compression == "snappy":
                continue
            with connect(nodes, protocol_version=version, compression=compression) as cluster:
                session = cluster.connect()
                # Longer than what is worth compressing, and than a segment.
                large = "helenus " * 40_000
                row = session.execute("SELECT key, cluster_name FROM system.local").one()
                assert (row.key, row.cluster_name) == ("local", "drivers")
                session.execute(KEYSPACE)
                session.execute("CREATE TABLE IF NOT EXISTS ks.large (k int PRIMARY KEY, v text)")
                insert = session.prepare("INSERT INTO ks.large (k, v) VALUES (?, ?)")
                session.execute(insert, (version, large))
                found = session.execute("SELECT v FROM ks.large WHERE k = %s", (version,)).one()
                assert found.v == large


def check_versions_are_negotiated(nodes):
    cluster = Cluster([processes.ADDRESSES[0]], port=nodes.cql_port, connect_timeout=20)
    with cluster:
        cluster.connect()
        assert cluster.protocol_version in (4, 5), cluster.protocol_version


def check_nodes_are_known_with_their_tokens(nodes):
    with connect(nodes) as cluster:
        cluster.connect()
        hosts = {host.address: host for host in cluster.metadata.all_hosts()}
        assert sorted(hosts) == processes.ADDRESSES, hosts
        for host in hosts.values():
            assert host.is_up and host.datacenter == "dc1" and host.rack == "rack1"
            assert host.release_version.startswith("5.0.")
        assert cluster.metadata.partitioner.endswith("Murmur3Partitioner")
        assert cluster.metadata.cluster_name == "drivers"
        owners = cluster.metadata.token_map.token_to_host_owner
        assert len(owners) == 3 * 16 and len(set(owners.values())) == 3
        session = cluster.connect()
        peers = list(session.execute("SELECT * FROM system.peers"))
        assert len(peers) == 2 and all(len(peer.tokens) == 16 for peer in peers)


KEYSPACE = (
    "CREATE KEYSPACE IF NOT EXISTS ks WITH replication = "
    "{'class': 'NetworkTopologyStrategy', 'dc1': 3} AND durable_writes = true"
)
ONE_COPY = (
    "CREATE KEYSPACE IF NOT EXISTS one WITH replication = "
    "{'class': 'SimpleStrategy', 'replication_factor': 1}"
)

# Type, as CQL writes a value, and as Python has it.
TYPES = [
    ("ascii", "'abc'", "abc"),
    ("bigint", "-9223372036854775808", -(2**63)),
    ("blob", "0x00ff", b"\x00\xff"),
    ("boolean", "true", True),
    ("date", "'2024-02-29'", Date("2024-02-29")),
    ("decimal", "-1.50", decimal.Decimal("-1.50")),
    ("double", "0.1", 0.1),
    ("duration", "1mo2d3ns", Duration(1, 2, 3)),
    ("float", "0.5", 0.5),
    ("inet", "'::1'", "::1"),
    ("int", "-2147483648", -(2**31)),
    ("smallint", "-32768", -32768),
    ("text", "'é'", "é"),
    ("time", "'23:59:59.999999999'", Time(86_399_999_999_999)),
    ("timestamp", "'2024-02-29T12:34:56.789Z'", datetime.datetime(2024, 2, 29, 12, 34, 56, 789000)),
    ("timeuuid", "50554d6e-29bb-11e5-b345-feff819cdc9f", uuid.UUID("50554d6e-29bb-11e5-b345-feff819cdc9f")),
    ("tinyint", "-128", -128),
    ("uuid", "123e4567-e89b-42d3-a456-426614174000", uuid.UUID("123e4567-e89b-42d3-a456-426614174000")),
    ("varchar", "''", ""),
    ("varint", "-170141183460469231731687303715884105729", -(2**127) - 1),
]


def check_every_type_in_text_and_bound(nodes):
    for version in (4, 5):
        with connect(nodes, protocol_version=version) as cluster:
            session = cluster.connect()
            session.execute(KEYSPACE)
            for number, (kind, literal, value) in enumerate(TYPES):
                table = f"ks.type_{kind}"
                session.execute(f"CREATE TABLE IF NOT EXISTS {table} (k text PRIMARY KEY, v {kind})")
                session.execute(f"INSERT INTO {table} (k, v) VALUES ('text', {literal})")
                session.execute(f"INSERT INTO {table} (k, v) VALUES ('null', null)")
                insert = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
                session.execute(insert, ("bound", value))
                session.execute(insert, ("unset", value))
                session.execute(insert, ("unset", UNSET_VALUE))
                session.execute(insert, ("gone", value))
                session.execute(insert, ("gone", None))
                rows = {row.k: row.v for row in session.execute(f"SELECT k, v FROM {table}")}
                expected = dict.fromkeys(["text", "bound", "unset"], value)
                expected.update(null=None, gone=None)
                assert rows == expected, (version, kind, rows)
                column = cluster.metadata.keyspaces["ks"].tables[f"type_{kind}"].columns["v"]
                assert column.cql_type == ("text" if kind == "varchar" else kind)
                if kind == "duration":
                    continue
                keyed = f"ks.key_{kind}"
                session.execute(f"CREATE TABLE IF NOT EXISTS {keyed} (a {kind}, b {kind}, PRIMARY KEY (a, b))")
                if value == "":
                    continue
                insert = session.prepare(f"INSERT INTO {keyed} (a, b) VALUES (?, ?)")
                session.execute(insert, (value, value))
                select = session.prepare(f"SELECT a, b FROM {keyed} WHERE a = ? AND b = ?")
                assert tuple(session.execute(select, (value, value)).one()) == (value, value), kind


def check_values_by_name_and_in_order(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.named (k int PRIMARY KEY, v text)")
        insert = session.prepare("INSERT INTO ks.named (k, v) VALUES (:key, :value)")
        session.execute(insert, {"value": "a", "key": 1})
        session.execute(SimpleStatement("INSERT INTO ks.named (k, v) VALUES (%(k)s, %(v)s)"), {"k": 2, "v": "b"})
        rows = {row.k: row.v for row in session.execute("SELECT * FROM ks.named")}
        assert rows == {1: "a", 2: "b"}, rows
        assert insert.routing_key_indexes == [0]


def check_many_rows_page_by_page(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.pages (k int, c int, v text, PRIMARY KEY (k, c))")
        insert = session.prepare("INSERT INTO ks.pages (k, c, v) VALUES (?, ?, 'some text')")
        for begin in range(0, ROWS, 1000):
            futures = [session.execute_async(insert, (row % 7, row)) for row in range(begin, begin + 1000)]
            for future in futures:
                future.result()
        for statement in ("SELECT c FROM ks.pages", "SELECT c FROM ks.pages WHERE k IN (0,1,2,3,4,5,6)"):
            rows = session.execute(SimpleStatement(statement, fetch_size=777))
            assert rows.has_more_pages
            assert sorted(row.c for row in rows) == list(range(ROWS))
        # All at once, where no size of a page is given.
        rows = session.execute(SimpleStatement("SELECT c FROM ks.pages", fetch_size=None))
        assert not rows.has_more_pages and len(list(rows)) == ROWS
        # Its state goes on where it ended, on any connection; one that was changed does not.
        page = session.execute(SimpleStatement("SELECT c FROM ks.pages", fetch_size=100))
        state, first = page.paging_state, [row.c for row in page.current_rows]
        with connect(nodes, policy=only(nodes, 1)) as other:
            again = other.connect().execute(
                SimpleStatement("SELECT c FROM ks.pages", fetch_size=100), paging_state=state
            )
            assert not set(first) & {row.c for row in again.current_rows}
        broken = state[:-1] + bytes([state[-1] ^ 1])
        select = SimpleStatement("SELECT c FROM ks.pages", fetch_size=100)
        refused(InvalidRequest, lambda: session.execute(select, paging_state=broken), "HX2009")


def check_requests_go_to_a_replica(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(ONE_COPY)
        session.execute("CREATE TABLE IF NOT EXISTS one.routed (k int PRIMARY KEY, v int)")
        insert = session.prepare("INSERT INTO one.routed (k, v) VALUES (?, ?)")
        hits = 0
        for key in range(200):
            bound = insert.bind((key, key))
            replicas = cluster.metadata.get_replicas("one", bound.routing_key)
            assert len(replicas) == 1
            future = session.execute_async(bound)
            future.result()
            hits += future.coordinator_host in replicas
        assert hits >= 190, hits
        # The node agrees with the driver on the token.
        for key in range(20):
            row = session.execute("SELECT token(k) AS t FROM one.routed WHERE k = %s", (key,)).one()
            assert Murmur3Token.hash_fn(insert.bind((key, key)).routing_key) == row.t


def check_metadata_of_the_schema(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute(
            'CREATE TABLE IF NOT EXISTS ks."Mixed" (a int, b text, c timestamp, s int static, "V" blob, '
            "PRIMARY KEY ((a, b), c)) WITH CLUSTERING ORDER BY (c DESC) AND comment = 'it''s' "
            "AND default_time_to_live = 60 AND gc_grace_seconds = 3600"
        )
        keyspace = cluster.metadata.keyspaces["ks"]
        assert keyspace.durable_writes
        assert keyspace.replication_strategy.export_for_schema().find("'dc1': '3'") >= 0
        table = keyspace.tables["Mixed"]
        assert [column.name for column in table.partition_key] == ["a", "b"]
        assert [column.name for column in table.clustering_key] == ["c"]
        assert table.columns["c"].is_reversed and table.columns["s"].is_static
        assert table.columns["V"].cql_type == "blob"
        assert table.options["comment"] == "it's" and table.options["default_time_to_live"] == 60
        assert table.options["gc_grace_seconds"] == 3600
        assert '"Mixed"' in table.export_as_string() and "CLUSTERING ORDER BY (c DESC)" in table.export_as_string()
        assert not table.indexes and not keyspace.user_types and not keyspace.views
        for name in ("system", "system_schema"):
            assert name in cluster.metadata.keyspaces, name
        assert cluster.metadata.keyspaces["system"].tables["local"].columns["tokens"].cql_type == "set<text>"
        session.execute('ALTER TABLE ks."Mixed" ADD later int')
        assert "later" in cluster.metadata.keyspaces["ks"].tables["Mixed"].columns
        session.execute('ALTER TABLE ks."Mixed" DROP later')
        assert "later" not in cluster.metadata.keyspaces["ks"].tables["Mixed"].columns
        session.execute('DROP TABLE ks."Mixed"')
        assert "Mixed" not in cluster.metadata.keyspaces["ks"].tables


def check_schema_version_moves_and_agrees(nodes):
    def versions():
        found = set()
        for number in range(3):
            with connect(nodes, policy=only(nodes, number)) as cluster:
                session = cluster.connect()
                found.add(session.execute("SELECT schema_version FROM system.local").one().schema_version)
                found.update(row.schema_version for row in session.execute("SELECT schema_version FROM system.peers_v2"))
        return found

    before = versions()
    assert len(before) == 1, before
    with connect(nodes) as cluster:
        cluster.connect().execute("CREATE KEYSPACE moved WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    after = versions()
    assert len(after) == 1 and after != before, (before, after)
    with connect(nodes) as cluster:
        cluster.connect().execute("DROP KEYSPACE moved")
    assert len(versions()) == 1 and versions() not in (before, after)


def check_keyspaces_are_chosen(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.chosen (k int PRIMARY KEY)")
        refused(InvalidRequest, lambda: session.execute("SELECT * FROM chosen"), "no keyspace")
        session.execute('USE "ks"')
        session.execute("SELECT * FROM chosen")
        other = cluster.connect("ks")
        other.execute("INSERT INTO chosen (k) VALUES (1)")
        refused(InvalidRequest, lambda: session.execute("USE nowhere"), "nowhere")
        # For one request alone, in version 5.
        fresh = cluster.connect()
        statement = SimpleStatement("SELECT k FROM chosen", keyspace="ks")
        assert [row.k for row in fresh.execute(statement)] == [1]
        prepared = fresh.prepare("SELECT k FROM chosen", keyspace="ks")
        assert [row.k for row in fresh.execute(prepared)] == [1]


def check_batches(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.batched (k int, c int, v text, PRIMARY KEY (k, c))")
        insert = session.prepare("INSERT INTO ks.batched (k, c, v) VALUES (?, ?, ?)")
        batch = BatchStatement()
        for row in range(3):
            batch.add(insert, (1, row, "prepared"))
        batch.add(SimpleStatement("INSERT INTO ks.batched (k, c, v) VALUES (1, 3, 'text')"))
        session.execute(batch)
        unlogged = BatchStatement(batch_type=BatchType.UNLOGGED)
        for key in range(2, 6):
            unlogged.add(insert, (key, 0, None))
        session.execute(unlogged)
        assert len(list(session.execute("SELECT * FROM ks.batched"))) == 8
        session.execute("BEGIN BATCH APPLY BATCH")
        session.execute(BatchStatement())
        logged = BatchStatement()
        logged.add(insert, (1, 9, "x"))
        logged.add(insert, (2, 9, "x"))
        refused(InvalidRequest, lambda: session.execute(logged), "HX2008", "UNLOGGED")
        stamped = SimpleStatement("INSERT INTO ks.batched (k, c, v) VALUES (7, 7, 'x')")
        session.execute(stamped)
        row = session.execute("SELECT writetime(v) AS w FROM ks.batched WHERE k = 7 AND c = 7").one()
        assert abs(row.w / 1e6 - datetime.datetime.now().timestamp()) < 60


def check_errors_have_their_kind(nodes):
    with connect(nodes) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.errors (k int PRIMARY KEY, v int)")
        refused(SyntaxException, lambda: session.execute("SELEKT * FROM ks.errors"), "line 1:0", "HX2001")
        refused(InvalidRequest, lambda: session.execute("SELECT * FROM ks.nothing"), "HX2002", "nothing")
        refused(InvalidRequest, lambda: session.execute("SELECT * FROM ks.error"), "did you mean")
        refused(InvalidRequest, lambda: session.execute("SELECT x FROM ks.errors"), "HX2003")
        refused(InvalidRequest, lambda: session.execute("INSERT INTO ks.errors (k) VALUES ('x')"), "HX2004")
        refused(InvalidRequest, lambda: session.execute("DROP TABLE ks.nothing"), "HX3003")
        taken = refused(AlreadyExists, lambda: session.execute("CREATE TABLE ks.errors (k int PRIMARY KEY)"))
        assert (taken.keyspace, taken.table) == ("ks", "errors")
        taken = refused(AlreadyExists, lambda: session.execute(KEYSPACE.replace("IF NOT EXISTS ", "")))
        assert (taken.keyspace, taken.table or "") == ("ks", "")
        refused(
            ConfigurationException,
            lambda: session.execute("CREATE KEYSPACE bad WITH replication = {'class': 'Nothing'}"),
            "HX3002",
        )
        insert = session.prepare("INSERT INTO ks.errors (k, v) VALUES (?, ?)")
        serial = insert.bind((1, 1))
        serial.consistency_level = ConsistencyLevel.SERIAL
        refused(InvalidRequest, lambda: session.execute(serial), "SERIAL")


def check_statements_prepared_before_a_change_of_their_table(nodes):
    for session in sessions(nodes):
        session.execute("DROP TABLE IF EXISTS ks.altered")
        session.execute("CREATE TABLE ks.altered (k int PRIMARY KEY, b int)")
        session.execute("INSERT INTO ks.altered (k, b) VALUES (1, 2)")
        select = session.prepare("SELECT * FROM ks.altered WHERE k = ?")
        assert tuple(session.execute(select, (1,)).one()) == (1, 2)
        # Another client changes it: this one is not told.
        with connect(nodes) as other:
            change = other.connect()
            change.execute("ALTER TABLE ks.altered ADD a text")
            change.execute("INSERT INTO ks.altered (k, a) VALUES (1, 'new')")
            again = change.prepare("SELECT * FROM ks.altered WHERE k = ?")
            assert change.execute(again, (1,)).one().a == "new"
        for _ in range(6):
            row = session.execute(select, (1,)).one()
            assert (row.k, row.a, row.b) == (1, "new", 2), row


def check_events_and_a_restart(nodes):
    heard, lock = [], threading.Condition()

    def hear(event):
        with lock:
            heard.append({key: value for key, value in event.items()})
            lock.notify_all()

    def until_heard(what, condition):
        with lock:
            assert lock.wait_for(lambda: any(map(condition, heard)), 30), (what, heard)

    with connect(nodes, policy=only(nodes, 0)) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.restarted (k int PRIMARY KEY, v text)")
        connection = cluster.control_connection._connection
        connection.register_watchers(
            {kind: hear for kind in ("TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE")}, register_timeout=10
        )
        with connect(nodes, policy=only(nodes, 1)) as other:
            change = other.connect()
            change.execute("CREATE TABLE ks.told (k int PRIMARY KEY)")
            change.execute("ALTER TABLE ks.told ADD v int")
            change.execute("DROP TABLE ks.told")
        told = lambda kind: lambda it: it.get("change_type") == kind and it.get("table") == "told"
        until_heard("dropped", told("DROPPED"))
        kinds = [it["change_type"] for it in heard if it.get("table") == "told"]
        assert kinds == ["CREATED", "UPDATED", "DROPPED"], kinds

    # A node goes and comes back: it is told, statements that were prepared on it still are, and the
    # others answer meanwhile.
    with connect(nodes) as cluster:
        session = cluster.connect("ks")
        insert = session.prepare("INSERT INTO restarted (k, v) VALUES (?, ?)")
        insert.consistency_level = ConsistencyLevel.QUORUM
        with connect(nodes, policy=only(nodes, 2)) as third:
            third.connect("ks").prepare("SELECT v FROM restarted WHERE k = ?")
        del heard[:]
        control = cluster.control_connection._connection
        if control.endpoint.address == processes.ADDRESSES[2]:
            stopped, asked = 1, 2
        else:
            stopped, asked = 2, 0
        control.register_watchers({"STATUS_CHANGE": hear}, register_timeout=10)
        address = processes.ADDRESSES[stopped]
        status = lambda kind: lambda it: it.get("change_type") == kind and it["address"][0] == address
        nodes.stop(stopped)
        until_heard("down", status("DOWN"))
        for key in range(50):
            session.execute(insert, (key, "while one is down"))
        everyone = SimpleStatement(
            "INSERT INTO restarted (k, v) VALUES (1, 'x')", consistency_level=ConsistencyLevel.ALL
        )
        error = refused((Unavailable, NoHostAvailable), lambda: session.execute(everyone))
        if isinstance(error, Unavailable):
            assert (error.required_replicas, error.alive_replicas) == (3, 2), error
            assert error.consistency == ConsistencyLevel.ALL
        nodes.start(stopped)
        until_heard("up", status("UP"))
        with connect(nodes, policy=only(nodes, stopped)) as back:
            there = back.connect()
            texts = [row.query_string for row in there.execute("SELECT query_string FROM system.prepared_statements")]
            if stopped == 2:
                assert "SELECT v FROM restarted WHERE k = ?" in texts, texts
        for key in range(50):
            session.execute(insert, (key, "all are back"))
        processes.until("all are up again", lambda: all(host.is_up for host in cluster.metadata.all_hosts()))


def check_thousands_of_requests_on_one_connection(nodes):
    with connect(nodes, policy=only(nodes, 0)) as cluster:
        session = cluster.connect()
        session.execute(KEYSPACE)
        session.execute("CREATE TABLE IF NOT EXISTS ks.busy (k int PRIMARY KEY, v int)")
        insert = session.prepare("INSERT INTO ks.busy (k, v) VALUES (?, ?)")
        futures = [session.execute_async(insert, (key, key)) for key in range(3000)]
        for future in futures:
            future.result()
        select = session.prepare("SELECT v FROM ks.busy WHERE k = ?")
        futures = [(key, session.execute_async(select, (key,))) for key in range(3000)]
        for key, future in futures:
            assert future.result().one().v == key


def main(claims):
    """Checks all of these names that begin with `check_`."""
    logging.basicConfig(level=logging.ERROR)
    program, words = sys.argv[1], sys.argv[2:]
    checks = [(name, check) for name, check in claims.items() if name.startswith("check_")]
    checks = [(name, check) for name, check in checks if all(word in name for word in words)]
    with processes.Cluster(program) as nodes:
        for name, check in checks:
            begun = datetime.datetime.now()
            check(nodes)
            seconds = (datetime.datetime.now() - begun).total_seconds()
            print(f"ok {seconds:6.1f} s  {name[6:].replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    main(globals())
